"""sev-snp-measure and igvm give a real OVMF image, laid out as QEMU does it, the same digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import igvm
from examples import ovmf
from igvm import KernelHashes, PlatformType
from igvm.launch.kvm.vmsa_rewriting import reset_vmsa
from igvm.launch.processors import signature_of
from igvm.sources import ovmf as tables
from tests.ovmf import judge

if TYPE_CHECKING:
    from pathlib import Path

    from igvm import IgvmFile, LaunchPlan

each_count = pytest.mark.parametrize("vcpus", [1, 2, 4, 8])
each_model = pytest.mark.parametrize("cpu", ["EPYC", "EPYC-Rome", "EPYC-Milan-v2", "EPYC-Genoa"])

# QEMU launches SEC_MEM as zero pages when it loads OVMF on its own, and as pages of zeroes from an
# IGVM file. These two do from the file what QEMU does on its own.
each_like_qemu = pytest.mark.parametrize(
    "loader", ["igvmmeasure-native-zero", "cloud-hypervisor-kvm"]
)
each_for_sev = pytest.mark.parametrize("loader", ["reference", "igvmmeasure", "qemu-kvm"])

DIRECT = {
    "all": judge.Direct(b"kernel" * 999, b"initrd" * 77, "console=ttyS0 root=/dev/vda"),
    "kernel alone": judge.Direct(b"\0", b"", ""),
    "beyond ASCII": judge.Direct(bytes(range(256)), b"\xff", "läßt=grüßen"),
}
each_boot = pytest.mark.parametrize("direct", DIRECT.values(), ids=DIRECT)


def snp_file(path: Path, vcpus: int, cpu: str, hashes: KernelHashes | None = None) -> IgvmFile:
    """The image at `path` for SEV-SNP."""
    firmware = ovmf.read(path.read_bytes())
    return ovmf.lay_out(firmware, vcpus, signature_of(cpu), hashes).build()


def sev_file(path: Path, platform: PlatformType, vcpus: int, cpu: str) -> IgvmFile:
    """The image at `path` for SEV or SEV-ES."""
    firmware = ovmf.read(path.read_bytes())
    builder = igvm.Builder()
    mask = builder.platform(platform)
    builder.pages((1 << 32) - len(firmware.image), firmware.image, mask)
    for index in range(vcpus if platform == PlatformType.SEV_ES else 0):
        eip = firmware.numbers[tables.SEV_ES_RESET] if index else ovmf.RESET_VECTOR
        context = reset_vmsa(signature_of(cpu), 0, reset_eip=eip)
        builder.context(context, mask, vp_index=index, gpa=ovmf.VMSA_GPA)
    return builder.build()


def measured_with_table(plan: LaunchPlan, table: bytes) -> bytes:
    """The SEV digest of `plan` with the table launched after the pages, as QEMU does.

    QEMU launches the 176 bytes alone, which no header of an IGVM file can say.
    """
    pages = [plan.content(row.source) for row in plan if row.operation == igvm.Operation.NORMAL]
    rest = [plan.content(row.source) for row in plan if row.operation != igvm.Operation.NORMAL]
    return hashlib.sha256(b"".join([*pages, table, *rest])).digest()


@each_count
@each_model
@each_like_qemu
def test_snp(firmware_path: Path, vcpus: int, cpu: str, loader: str) -> None:
    """The SEV-SNP launch digest of an image is sev-snp-measure's."""
    expected = judge.digest(judge.SEV_SNP, firmware_path, vcpus=vcpus, cpu=cpu)
    file = snp_file(firmware_path, vcpus, cpu)
    measurement = igvm.measure(file, PlatformType.SEV_SNP, loader=loader, vcpus=vcpus)
    assert expected == measurement.digest


@each_count
@each_model
@each_boot
def test_snp_with_hashes(
    hashing_path: Path, vcpus: int, cpu: str, direct: judge.Direct, tmp_path: Path
) -> None:
    """The SEV-SNP launch digest of a measured direct boot is sev-snp-measure's."""
    expected = judge.digest(
        judge.SEV_SNP, hashing_path, vcpus=vcpus, cpu=cpu, direct=direct.files(tmp_path)
    )
    file = snp_file(hashing_path, vcpus, cpu, KernelHashes.of(*direct))
    measurement = igvm.measure(
        file, PlatformType.SEV_SNP, loader="cloud-hypervisor-kvm", vcpus=vcpus
    )
    assert expected == measurement.digest


@pytest.mark.parametrize("features", [0x1, 0x9, 0x21, 0x201])
def test_snp_features(firmware_path: Path, features: int) -> None:
    """SEV_FEATURES that KVM runs the guest with instead of the file's are in every VMSA."""
    expected = judge.digest(judge.SEV_SNP, firmware_path, vcpus=3, features=features)
    measurement = igvm.measure(
        snp_file(firmware_path, 3, "EPYC"),
        PlatformType.SEV_SNP,
        loader="cloud-hypervisor-kvm",
        vcpus=3,
        sev_features=features,
    )
    assert expected == measurement.digest


@pytest.mark.parametrize("loader", ["reference", "igvmmeasure", "qemu-kvm"])
def test_snp_from_a_file(firmware_path: Path, loader: str) -> None:
    """Loaders that launch empty pages as pages of zeroes come to another digest, all the same."""
    file = snp_file(firmware_path, 2, "EPYC")
    measurement = igvm.measure(file, PlatformType.SEV_SNP, loader=loader, vcpus=2)
    assert measurement.digest == igvm.measure(file, PlatformType.SEV_SNP).digest
    assert measurement.digest != judge.digest(judge.SEV_SNP, firmware_path, vcpus=2)


@each_for_sev
def test_sev(firmware_path: Path, loader: str) -> None:
    """The SEV launch digest of an image is sev-snp-measure's."""
    expected = judge.digest(judge.SEV, firmware_path)
    file = sev_file(firmware_path, PlatformType.SEV, 1, "EPYC")
    assert expected == igvm.measure(file, PlatformType.SEV, loader=loader, vcpus=1).digest


@each_count
@each_model
@each_for_sev
def test_sev_es(firmware_path: Path, vcpus: int, cpu: str, loader: str) -> None:
    """The SEV-ES launch digest of an image is sev-snp-measure's."""
    expected = judge.digest(judge.SEV_ES, firmware_path, vcpus=vcpus, cpu=cpu)
    file = sev_file(firmware_path, PlatformType.SEV_ES, vcpus, cpu)
    measurement = igvm.measure(file, PlatformType.SEV_ES, loader=loader, vcpus=vcpus)
    assert expected == measurement.digest


@each_boot
def test_sev_with_hashes(hashing_path: Path, direct: judge.Direct, tmp_path: Path) -> None:
    """The launch digest of a measured direct boot on SEV is sev-snp-measure's."""
    expected = judge.digest(judge.SEV, hashing_path, direct=direct.files(tmp_path))
    file = sev_file(hashing_path, PlatformType.SEV, 1, "EPYC")
    plan = igvm.plan(file, PlatformType.SEV, loader="qemu-kvm")
    assert expected == measured_with_table(plan, KernelHashes.of(*direct).table())


@each_count
@each_model
@each_boot
def test_sev_es_with_hashes(
    hashing_path: Path, vcpus: int, cpu: str, direct: judge.Direct, tmp_path: Path
) -> None:
    """The launch digest of a measured direct boot on SEV-ES is sev-snp-measure's."""
    expected = judge.digest(
        judge.SEV_ES, hashing_path, vcpus=vcpus, cpu=cpu, direct=direct.files(tmp_path)
    )
    file = sev_file(hashing_path, PlatformType.SEV_ES, vcpus, cpu)
    plan = igvm.plan(file, PlatformType.SEV_ES, loader="qemu-kvm", vcpus=vcpus)
    assert expected == measured_with_table(plan, KernelHashes.of(*direct).table())


def test_no_place_for_hashes(hashing_path: Path, tmp_path: Path) -> None:
    """An image without a section for hashes has no digest with them, by either program."""
    image = bytearray(hashing_path.read_bytes())
    section = b"".join(
        part.to_bytes(4, "little")
        for part in next(section for section in judge.sections(hashing_path) if section[2] == 0x10)
    )
    image[image.rindex(section) + 8] = tables.SectionType.SNP_SEC_MEM
    path = tmp_path / "no-place.fd"
    path.write_bytes(image)
    direct = DIRECT["all"]
    with pytest.raises(RuntimeError, match="SNP_KERNEL_HASHES"):
        judge.digest(judge.SEV_SNP, path, direct=direct.files(tmp_path))
    with pytest.raises(ValueError, match="no section for kernel hashes"):
        snp_file(path, 1, "EPYC", KernelHashes.of(*direct))
