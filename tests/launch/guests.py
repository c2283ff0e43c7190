"""Small files for loaders, and what a loader makes of them, as text."""

from __future__ import annotations

import struct
from typing import Any

import igvm
from igvm.launch.kvm.vmsa_rewriting import VMSA_GPA
from tests import raw
from tests.measure.files import SNP, build

VMSA = igvm.SEVVMSA(
    cs=igvm.SEVSelector(selector=8, attrib=0x29B), rip=0xFFF0, efer=0x1D00, cr0=0x80000011,
    cr3=0x1000, cr4=0x20, xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F, sev_features=igvm.SEVFeatures.SNP,
)  # fmt: skip
"""64-bit code, which every loader starts."""
POLICY = raw.header(0x101, struct.pack("<QII", 0x30000, 1, 0))


def blob(vmsa: igvm.SEVVMSA) -> bytes:
    """A VMSA as it lies in a file."""
    return vmsa.pack().ljust(4096, b"\0")


def rows(file: igvm.IgvmFile, loader: str, platform: Any = SNP, **options: Any) -> list[str]:
    """The operations that count, one text each: name, gpa, and pages where there are several."""
    return [
        f"{row.operation.name} {row.gpa:x}" + (f" x{row.loaded}" if row.loaded != 1 else "")
        for row in igvm.plan(file, platform, loader=loader, **options)
        if row.measured or row.operation in {igvm.Operation.SHARED, igvm.Operation.ERROR_RANGE}
    ]


def vmsas(file: igvm.IgvmFile, loader: str, platform: Any = SNP, **options: Any) -> list[bytes]:
    """The contexts at the end of a plan."""
    plan = igvm.plan(file, platform, loader=loader, **options)
    return [
        bytes(plan.content(row.source))
        for row in plan
        if row.measured and row.operation == igvm.Operation.VP_CONTEXT
    ]


def with_context(vmsa: igvm.SEVVMSA, *heads: bytes, gpa: int = VMSA_GPA) -> igvm.IgvmFile:
    """An SNP file with a context for vCPU 0."""
    return build(SNP, lambda at: [POLICY, *heads, raw.context(at[0], gpa=gpa)], blob(vmsa))


def pages(*places: int, **more: Any) -> list[bytes]:
    """Empty pages."""
    return [raw.page(gpa, **more) for gpa in places]
