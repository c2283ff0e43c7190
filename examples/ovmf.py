"""Lays an OVMF image out as an IGVM file, checks it, and measures it as each loader would.

The file is for two platforms, which share the firmware below 4 GiB. NATIVE starts at the reset
vector, as any PC does. For SEV_SNP the image says what else must be in memory (edk2,
OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm), and every processor starts from a VMSA.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

import igvm
from firmware import find
from igvm import SEVVMSA, Builder, KernelHashes, PageDataType, PlatformType, SEVSelector
from igvm.sources import ovmf as tables
from igvm.sources.ovmf import SectionType

if TYPE_CHECKING:
    from uuid import UUID

PAGE, FOUR_GIB, RESET_VECTOR, VMSA_GPA = 0x1000, 1 << 32, 0xFFFFFFF0, 0xFFFFFFFFF000
SPECIAL = {
    SectionType.SNP_SECRETS: PageDataType.SECRETS,
    SectionType.CPUID: PageDataType.CPUID_DATA,
}
# EAX of CPUID leaf 1, which a processor has in RDX after a reset.
SIGNATURES = {"EPYC": 0x800F12, "EPYC-Rome": 0x830F10, "EPYC-Milan": 0xA00F11,
              "EPYC-Genoa": 0xA10F10, "EPYC-Turin": 0xB00F00}  # fmt: skip


class Ovmf(NamedTuple):
    """An image, and what the tables in it say."""

    image: bytes
    numbers: dict[UUID, int]
    sections: list[tables.Section]


def read(image: bytes) -> Ovmf:
    """What `image` says about itself; ValueError when it was not built for SEV-SNP."""
    if not 128 << 10 <= len(image) <= 64 << 20 or len(image) % PAGE:
        raise ValueError(f"firmware has whole pages, 128 KiB to 64 MiB, and not {len(image)} bytes")
    entries = tables.guid_table(image)
    numbers = {guid: tables.number(data) or 0 for guid, data in entries.items()}
    if tables.SEV_METADATA not in numbers or tables.SEV_ES_RESET not in numbers:
        raise ValueError("this firmware was not built for SEV-SNP: it has no SEV metadata")
    sections = tables.sev_sections(image)
    for gpa, size, kind in sections:
        is_aligned = gpa % PAGE == 0 and size % PAGE == 0
        if not kind.is_known or not is_aligned or gpa + size > FOUR_GIB - len(image):
            raise ValueError(f"the SEV metadata has a bad section: {gpa=:#x} {size=:#x} {kind=:#x}")
    return Ovmf(image, numbers, sections)


def vmsa(eip: int, cpu: int) -> SEVVMSA:
    """A processor after a reset, but at `eip`, as KVM has it measured."""
    data, limit = SEVSelector(attrib=0x93, limit=0xFFFF), SEVSelector(limit=0xFFFF)
    return SEVVMSA(
        cs=SEVSelector(selector=0xF000, attrib=0x9B, limit=0xFFFF, base=eip & 0xFFFF0000),
        ds=data, es=data, fs=data, gs=data, ss=data, gdtr=limit, idtr=limit,
        ldtr=SEVSelector(attrib=0x82, limit=0xFFFF), tr=SEVSelector(attrib=0x8B, limit=0xFFFF),
        rip=eip & 0xFFFF, rflags=2, rdx=cpu, cr0=0x10, cr4=0x40, efer=0x1000,
        dr6=0xFFFF0FF0, dr7=0x400, pat=0x0007040600070406, xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
        sev_features=igvm.SEVFeatures.SNP,
    )  # fmt: skip


def lay_out(ovmf: Ovmf, vcpus: int, cpu: int, hashes: KernelHashes | None = None) -> Builder:
    """The file; ValueError when there are `hashes` and the firmware has no place for them."""
    kinds = {section.type for section in ovmf.sections}
    if hashes is not None and SectionType.SNP_KERNEL_HASHES not in kinds:
        raise ValueError("this firmware has no section for kernel hashes")
    builder = Builder()
    native = builder.platform(PlatformType.NATIVE)
    snp = builder.platform(PlatformType.SEV_SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.pages(0xE0000, ovmf.image[-0x20000:], native)  # as in any PC
    builder.pages(FOUR_GIB - len(ovmf.image), ovmf.image, [native, snp])
    for gpa, size, kind in ovmf.sections:
        if kind == SectionType.SNP_KERNEL_HASHES and hashes is not None:
            builder.pages(
                gpa, bytes(ovmf.numbers[tables.SEV_HASH_TABLE] % PAGE) + hashes.table(), snp
            )
        else:
            data_type = SPECIAL.get(kind, PageDataType.NORMAL)
            builder.empty_pages(gpa, size // PAGE, snp, data_type=data_type)
    for index in range(vcpus):
        reset = vmsa(ovmf.numbers[tables.SEV_ES_RESET] if index else RESET_VECTOR, cpu)
        builder.context(reset, snp, vp_index=index, gpa=VMSA_GPA)
    return builder


def show(file: igvm.IgvmFile, vcpus: int, cpu: int) -> None:
    """Print what a check finds, and the SEV-SNP launch digest by loader."""
    findings = igvm.check(file)
    print(f"{len(file.buffer):,} bytes, {len(findings)} findings", *findings, sep="\n  ")
    print(f"\nloader                   normal  zero  launch digest ({vcpus=}, {cpu=:#x})")
    digests = []
    for name in igvm.loaders():
        try:
            made = igvm.measure(file, PlatformType.SEV_SNP, loader=name, vcpus=vcpus, cpu=cpu)
        except (igvm.LoadError, igvm.MeasurementError) as error:
            print(f"{name:23}  none: {error}")
            continue
        normal, zero = made.pages.get("NORMAL", 0), made.pages.get("ZERO", 0)
        digests.append(made.digest.hex())
        print(f"{name:23}  {normal:6}  {zero:4}  {digests[-1][:24]}...")
    print("\nin full:", *dict.fromkeys(digests), sep="\n  ")


def main() -> None:
    """Lay out, check and measure; without any firmware, check and measure the bundled sample."""
    parser = argparse.ArgumentParser(description="Measure OVMF as an IGVM file.")
    parser.add_argument("firmware", nargs="?", help="by default what firmware.py finds")
    parser.add_argument("--vcpus", type=int, default=2)
    parser.add_argument("--cpu", choices=SIGNATURES, default="EPYC-Milan")
    parser.add_argument("-o", "--output", help="write the IGVM file there")
    options = parser.parse_args()
    vcpus, cpu = options.vcpus, SIGNATURES[options.cpu]
    try:
        path, origin = find(options.firmware)
        print(f"{path}: {origin}")
        if path.suffix == ".igvm":
            file = igvm.open(path)
        else:
            file = lay_out(read(path.read_bytes()), vcpus, cpu).build()
            print("A QEMU that loads it itself (-bios) reports qemu-bios's digest.")
        show(file, vcpus, cpu)
        if options.output:
            Builder.of(file).save(options.output)
    except (OSError, ValueError, igvm.IgvmError) as error:
        raise SystemExit(f"ovmf.py: {error}") from None


if __name__ == "__main__":
    main()
