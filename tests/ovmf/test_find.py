"""A digest of sev-snp-measure leads back to the guest it was computed for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.measurement.search.find import find
from tests.ovmf import judge
from tests.ovmf.test_agreement import DIRECT, sev_file, snp_file

if TYPE_CHECKING:
    from pathlib import Path

    from sevsnpmeasure.sev_mode import SevMode

from igvm import KernelHashes, PlatformType


@pytest.mark.parametrize(
    ("vcpus", "cpu", "features"),
    [
        (1, "EPYC-Milan", 0x1),
        (2, "EPYC-Rome", 0x1),
        (3, "EPYC-Milan", 0x1),
        (8, "EPYC-Genoa", 0x21),
    ],
)
def test_a_guest_unlike_the_file(firmware_path: Path, vcpus: int, cpu: str, features: int) -> None:
    """A file for two vCPUs of EPYC-Milan tells how many there were, of what, and how they ran."""
    digest = judge.digest(judge.SEV_SNP, firmware_path, vcpus=vcpus, cpu=cpu, features=features)
    names = [name for name in igvm.loaders() if name != "qemu-bios"]
    search = find(snp_file(firmware_path, 2, "EPYC-Milan"), digest, names=names)
    assert {vcpus} == {match.vcpus for match in search.matches}
    assert {None if features == 1 else features} == {match.sev_features for match in search.matches}
    words = {word for match in search.matches for word in match.deviations}
    sentence = f"the contexts have the CPU signature of {cpu} in RDX"
    assert (cpu != "EPYC-Milan") == (sentence in words)
    assert (vcpus > 2) == ("vCPU 2 and up start as vCPU 1 does" in words)


@pytest.mark.parametrize("vcpus", [1, 3])
@pytest.mark.parametrize("mode", [judge.SEV_ES, judge.SEV_SNP], ids=str)
def test_qemu_by_its_name(firmware_path: Path, vcpus: int, mode: SevMode) -> None:
    """A digest of QEMU that was given the firmware by -bios is QEMU's, with nothing otherwise."""
    digest = judge.digest(mode, firmware_path, vcpus=vcpus, cpu="EPYC-Genoa")
    file = igvm.open_firmware(firmware_path)
    (match,) = find(file, digest, names=["qemu-bios"]).matches
    assert ("qemu-bios", vcpus, "EPYC-Genoa", ()) == (
        match.loader, match.vcpus, match.cpu, match.deviations,
    )  # fmt: skip


def test_an_sev_es_guest_unlike_the_file(firmware_path: Path) -> None:
    """The same on SEV-ES."""
    digest = judge.digest(judge.SEV_ES, firmware_path, vcpus=4, cpu="EPYC-Rome")
    file = sev_file(firmware_path, PlatformType.SEV_ES, 2, "EPYC-Milan")
    (match,) = find(file, digest, names=["qemu-kvm"]).matches
    assert 4 == match.vcpus
    assert (
        "the contexts have the CPU signature of EPYC-Rome in RDX",
        "vCPU 2 and up start as vCPU 1 does",
    ) == match.deviations


def test_a_guest_with_a_kernel(hashing_path: Path, tmp_path: Path) -> None:
    """QEMU that loads the firmware itself puts the hashes where the firmware says."""
    direct = DIRECT["all"]
    digest = judge.digest(
        judge.SEV_SNP, hashing_path, vcpus=2, cpu="EPYC-Milan", direct=direct.files(tmp_path)
    )
    hashes = KernelHashes.of(direct.kernel, direct.initrd, direct.command_line)
    file = snp_file(hashing_path, 2, "EPYC-Milan")
    names = [name for name in igvm.loaders() if name != "qemu-bios"]
    search = find(file, digest, names=names, hashes=hashes, vcpus=[2], cpu="EPYC-Milan")
    assert {"igvmmeasure-native-zero", "cloud-hypervisor-kvm"} == {
        match.loader for match in search.matches
    }
    for match in search.matches:
        (sentence,) = match.deviations
        assert sentence.startswith("QEMU has put the kernel's hashes at 0x")
    assert [] == find(file, digest, vcpus=[2], cpu="EPYC-Milan").matches
