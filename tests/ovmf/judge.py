"""sev-snp-measure: what it computes, with types."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sevsnpmeasure import vcpu_types, vmsa
from sevsnpmeasure.guest import calc_launch_digest
from sevsnpmeasure.ovmf import OVMF
from sevsnpmeasure.sev_hashes import SevHashes
from sevsnpmeasure.sev_mode import SevMode

if TYPE_CHECKING:
    from pathlib import Path

SEV, SEV_ES, SEV_SNP = SevMode.SEV, SevMode.SEV_ES, SevMode.SEV_SNP
SIGNATURES: dict[str, int] = vcpu_types.CPU_SIGS


class Direct(NamedTuple):
    """What a measured direct boot passes to the firmware."""

    kernel: bytes
    initrd: bytes
    command_line: str

    def files(self, folder: Path) -> tuple[str, str, str]:
        """The same as sev-snp-measure takes it: two paths and the command line."""
        (folder / "kernel").write_bytes(self.kernel)
        (folder / "initrd").write_bytes(self.initrd)
        return str(folder / "kernel"), str(folder / "initrd"), self.command_line


def digest(
    mode: SevMode,
    firmware: Path,
    *,
    vcpus: int = 1,
    cpu: str = "EPYC",
    features: int = 1,
    direct: tuple[str, str, str] = ("", "", ""),
) -> bytes:
    """The launch digest of a guest of QEMU."""
    launch_digest: bytes = calc_launch_digest(
        mode, vcpus, SIGNATURES[cpu], str(firmware), *direct, guest_features=features
    )
    return launch_digest


def reset_vmsa(eip: int, features: int, signature: int) -> bytes:
    """The VMSA of a vCPU of QEMU that starts at `eip`."""
    return bytes(vmsa.VMSA.build_save_area(eip, features, signature))


def hash_table(direct: tuple[str, str, str]) -> bytes:
    """The table of hashes as QEMU has it."""
    table: bytes = SevHashes(*direct).construct_table()
    return table


def sections(firmware: Path) -> list[tuple[int, int, int]]:
    """Address, size and kind of the sections of the SEV metadata."""
    return [(it.gpa, it.size, it.section_type_int) for it in OVMF(firmware).metadata_items()]


def ap_eip(firmware: Path) -> int:
    """Where all vCPUs but the first start."""
    eip: int = OVMF(firmware).sev_es_reset_eip()
    return eip
