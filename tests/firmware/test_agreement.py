"""sev-snp-measure and igvm give firmware without an IGVM file the same digests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import igvm
from igvm import KernelHashes, PlatformType
from igvm.launch.processors import signature_of
from igvm.measurement.firmware_digest import firmware_digest
from igvm.recipes.bare_firmware import parse_firmware
from tests.firmware.images import SECTIONS, firmware, real_firmware
from tests.ovmf import judge

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


MODES = {
    "snp": (PlatformType.SEV_SNP, judge.SEV_SNP),
    "sev-es": (PlatformType.SEV_ES, judge.SEV_ES),
    "sev": (PlatformType.SEV, judge.SEV),
}
DIRECT = {
    "no kernel": None,
    "kernel, initrd, line": judge.Direct(b"kernel" * 999, b"initrd", "console=ttyS0 root=/dev/vda"),
    "kernel alone": judge.Direct(b"\0", b"", ""),
    "line": judge.Direct(b"kernel", b"", "läßt=grüßen"),
}
each_mode = pytest.mark.parametrize("mode", MODES)
each_boot = pytest.mark.parametrize("direct", DIRECT.values(), ids=DIRECT)


def compare(
    image: bytes,
    mode: str,
    folder: Path,
    *,
    vcpus: int = 1,
    cpu: str = "EPYC-v4",
    features: int = 1,
    direct: judge.Direct | None = None,
) -> None:
    """Hold the digest of `image` against sev-snp-measure's."""
    platform, theirs = MODES[mode]
    path = folder / "firmware.fd"
    path.write_bytes(image)
    files = ("", "", "") if direct is None else direct.files(folder)
    expected = judge.digest(
        theirs, path, vcpus=vcpus, cpu=cpu, features=features, direct=files
    )  # fmt: skip
    measurement = igvm.measure(
        igvm.open_firmware(path),
        platform,
        loader="qemu-bios",
        vcpus=vcpus,
        cpu=cpu,
        sev_features=features if mode == "snp" else None,
        hashes=None if direct is None else KernelHashes.of(*direct),
    )
    assert expected == measurement.digest


@each_mode
@each_boot
@pytest.mark.parametrize("vcpus", [1, 2, 4, 64])
def test_kernels(mode: str, direct: judge.Direct | None, vcpus: int, tmp_path: Path) -> None:
    """With and without a kernel, for few and many vCPUs."""
    compare(firmware(), mode, tmp_path, vcpus=vcpus, direct=direct)


@pytest.mark.parametrize("mode", ["snp", "sev-es"])
@pytest.mark.parametrize("cpu", judge.SIGNATURES)
def test_processors(mode: str, cpu: str, tmp_path: Path) -> None:
    """For every model that sev-snp-measure knows."""
    compare(firmware(), mode, tmp_path, vcpus=2, cpu=cpu)


@pytest.mark.parametrize("features", [0x1, 0x9, 0x21, 0x201])
def test_features(features: int, tmp_path: Path) -> None:
    """With SEV_FEATURES that a kernel turns on by itself."""
    compare(firmware(), "snp", tmp_path, vcpus=3, features=features)


@pytest.mark.parametrize(
    "sections",
    [
        SECTIONS[::-1],
        SECTIONS[:1],
        (),
        ((0, 0, 1), *SECTIONS, (0, 0, 4)),
        (*SECTIONS[:3], (0x811000, 0x1F000, 1), SECTIONS[4]),
    ],
    ids=["backwards", "one", "none", "of no bytes", "as in 2026"],
)
def test_sections(sections: tuple[tuple[int, int, int], ...], tmp_path: Path) -> None:
    """Whatever sections there are, in the order of the table."""
    compare(firmware(sections=sections), "snp", tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.sampled_from([1, 2, 3, 4, 0x10]), max_size=6),
    pages=st.integers(2, 4),
    vcpus=st.integers(1, 5),
    area=st.integers(0, 0xF00),
)
def test_any_small_firmware(
    tmp_path_factory: pytest.TempPathFactory,
    kinds: list[int],
    pages: int,
    vcpus: int,
    area: int,
) -> None:
    """Any tables lead to the same digests on all technologies."""
    sections = tuple((0x800000 + 0x1000 * at, 0x1000, kind) for at, kind in enumerate(kinds))
    image = firmware(size=pages * 4096, sections=sections, hash_area=(0x810000 + area, 0x400))
    folder = tmp_path_factory.mktemp("small")
    has_place = 0x10 in kinds
    direct = judge.Direct(b"k", b"i", "line")
    for mode in MODES:
        wanted = direct if mode != "snp" or has_place else None
        compare(image, mode, folder, vcpus=vcpus, cpu="EPYC-Milan", direct=wanted)


@each_mode
@pytest.mark.parametrize("with_kernel", [False, True], ids=["no kernel", "kernel"])
@pytest.mark.parametrize("name", ["OVMF_native_c1", "OVMF.amdsev_sev_c1", "OVMF_CODE_4M_native_c1"])
def test_real_firmware(
    corpus: Path, mode: str, name: str, tmp_path: Path, *, with_kernel: bool
) -> None:
    """Debian's 2026.08 build, with and without a kernel."""
    direct = DIRECT["kernel, initrd, line"] if with_kernel else None
    compare(real_firmware(corpus, name), mode, tmp_path, vcpus=2, cpu="EPYC-Milan", direct=direct)


def test_ovmf_hash(tmp_path: Path) -> None:
    """The digest after the firmware is sev-snp-measure's, and stands for the firmware."""
    from sevsnpmeasure.guest import calc_launch_digest, calc_snp_ovmf_hash

    path = tmp_path / "firmware.fd"
    path.write_bytes(firmware())
    file = igvm.open_firmware(path)
    digest = firmware_digest(file)
    assert calc_snp_ovmf_hash(str(path)) == digest
    other = bytes(range(48))
    expected = calc_launch_digest(
        judge.SEV_SNP, 2, signature_of("EPYC-v4"), str(path), "", "", "", 1, other.hex()
    )
    for given_digest, wanted in (
        (other, expected),
        (digest, judge.digest(judge.SEV_SNP, path, vcpus=2)),
    ):
        measurement = igvm.measure(
            file, "snp", loader="qemu-bios", vcpus=2, cpu="EPYC-v4", firmware_digest=given_digest
        )
        assert wanted == measurement.digest


@pytest.mark.parametrize("mode", ["snp", "sev-es"])
def test_dumped_vmsas(mode: str, tmp_path: Path) -> None:
    """The files that --dump-vmsa writes are the pages that sev-snp-measure writes."""
    platform, _ = MODES[mode]
    path = tmp_path / "firmware.fd"
    path.write_bytes(firmware())
    options = f"--platform {platform.name} --vcpus 3 --cpu EPYC-v4 --dump-vmsa ours".split()
    subprocess.run(
        [sys.executable, "-m", "igvm", "measure", "--firmware", path, *options],
        check=True, cwd=tmp_path, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    features = 1 if mode == "snp" else 0
    for index in range(3):
        eip = 0x80B004 if index else 0xFFFFFFF0
        page = judge.reset_vmsa(eip, features, judge.SIGNATURES["EPYC-v4"])
        assert page == (tmp_path / "ours" / f"vmsa{index}.bin").read_bytes()
    assert not (tmp_path / "ours" / "vmsa3.bin").exists()


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        ("ec2", {"vmm": "ec2", "cpuid-order": "last"}),
        ("gce", {"vmm": "gce", "empty-pages": "unmeasured"}),
    ],
    ids=["EC2", "GCE"],
)
def test_clouds(cloud: str, host: dict[str, str], tmp_path: Path) -> None:
    """With what a cloud does otherwise the digests are those of its VMM type, and found."""
    from sevsnpmeasure.guest import calc_launch_digest
    from sevsnpmeasure.vmm_types import VMMType

    path = tmp_path / "firmware.fd"
    path.write_bytes(firmware())
    expected = calc_launch_digest(judge.SEV_SNP, 4, 0, str(path), "", "", "", 1, "", VMMType[cloud])
    file = igvm.open_firmware(path)
    measurement = igvm.measure(file, "snp", loader="qemu-bios", vcpus=4, cpu="EPYC-v4", host=host)
    assert expected == measurement.digest
    (match,) = igvm.find(file, expected, names=["qemu-bios"]).matches
    assert (4, host) == (match.vcpus, match.host)


@pytest.mark.parametrize("pages", [1, 3])
def test_sev_is_the_firmware(pages: int) -> None:
    """On plain SEV any firmware is measured as its bytes, whatever tables it has."""
    image = bytes(range(256)) * 16 * pages
    measurement = igvm.measure(parse_firmware(image), "sev", loader="qemu-bios")
    assert hashlib.sha256(image).digest() == measurement.digest
