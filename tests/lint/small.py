"""Small files of one or two platforms, for the loader rules."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import igvm
from tests.raw import Raw, context, header, page, platform

if TYPE_CHECKING:
    from collections.abc import Callable

    Lay = Callable[[int], list[bytes]]

NATIVE, VBS, SNP = (
    igvm.PlatformType.NATIVE,
    igvm.PlatformType.VSM_ISOLATION,
    igvm.PlatformType.SEV_SNP,
)
VMSA_GPA = 0xFFFFFFFFF000
TOP = 0xFFFFF000
"""The page of the reset vector."""


def make(
    lay: Lay | list[bytes],
    *,
    kinds: tuple[int, ...] = (NATIVE,),
    data: bytes = bytes(4096),
    version: int = 2,
    architecture: int = 0,
    vtl: int = 0,
    boundary: int = 0,
) -> bytes:
    """A file for `kinds`, whose masks are 1, 2, 4; `lay` gets the offset of the data."""
    starts = b"".join(
        platform(kind, 1 << i, vtl=vtl, boundary=boundary) for i, kind in enumerate(kinds)
    )

    def heads(at: int) -> bytes:
        return starts + b"".join(lay(at) if callable(lay) else lay)

    size = (24 if version == 1 else 32) + len(heads(0))
    return Raw(heads(size), data, version=version, architecture=architecture).file()


def snp(lay: Lay | list[bytes], **more: object) -> bytes:
    """A file for SEV_SNP."""
    return make(lay, kinds=(SNP,), **more)  # type: ignore[arg-type]


def vbs(lay: Lay | list[bytes], **more: object) -> bytes:
    """A file for VSM_ISOLATION."""
    return make(lay, kinds=(VBS,), **more)  # type: ignore[arg-type]


def policy(word: int = 0x30000, mask: int = 1) -> bytes:
    """A GUEST_POLICY header."""
    return header(0x101, struct.pack("<QII", word, mask, 0))


def id_block(mask: int = 1, **fields: object) -> bytes:
    """An SNP_ID_BLOCK header."""
    made = igvm.SNPIDBlock(compatibility_mask=mask, ld=bytes(48), **fields)  # type: ignore[arg-type]
    return header(0x30B, made.pack())


def required(gpa: int, size: int, flags: int = 0) -> bytes:
    """A REQUIRED_MEMORY header."""
    return header(0x305, struct.pack("<QIIII", gpa, 1, size, flags, 0))


def error_range(gpa: int, size: int, mask: int = 1) -> bytes:
    """An ERROR_RANGE header."""
    return header(0x30D, struct.pack("<QII", gpa, mask, size))


def region(mask: int = 1, gpa: int = 0x200000, *, vp: int = 0, vtl: int = 2) -> bytes:
    """A RELOCATABLE_REGION header."""
    body = struct.pack("<IHBBQQQQQ", mask, vp, vtl, 0, 0x1000, gpa, 0x1000, 0, 1 << 32)
    return header(0x102, body)


def native(**registers: int) -> bytes:
    """A native context, of a processor as it should be."""
    wanted = {"rflags": 2, "cr0": 0x11} | registers
    return igvm.NativeContextX64(**wanted).pack().ljust(4096, b"\0")  # type: ignore[arg-type]


CODE = igvm.SEVSelector(selector=8, attrib=0xA9B, limit=0xFFFFFFFF)
"""A 64 bit code segment."""


def vmsa(**fields: object) -> bytes:
    """A VMSA in 64 bit mode that KVM leaves as it is, and that every loader takes."""
    wanted = {
        "efer": 0x1D00, "cr4": 0x60, "cr3": 0x1000, "cr0": 0x80000011, "cs": CODE,
        "rflags": 2, "rip": 0x1000, "xcr0": 1, "mxcsr": 0x1F80, "x87_fcw": 0x37F,
        "sev_features": igvm.SEVFeatures.SNP,
    } | fields  # fmt: skip
    return igvm.SEVVMSA(**wanted).pack()  # type: ignore[arg-type]


def started(registers: bytes, *heads: bytes, index: int = 0, gpa: int = 0) -> bytes:
    """A NATIVE file with one context."""
    return make(lambda at: [*heads, context(at, index=index, gpa=gpa)], data=registers)


def guest(
    page_of_vp: bytes,
    *heads: bytes,
    gpa: int = VMSA_GPA,
    index: int = 0,
    init: bytes = b"",
    **more: object,
) -> bytes:
    """An SEV_SNP file with a policy and one context."""
    return snp(
        lambda at: [init or policy(), *heads, context(at, gpa=gpa, index=index)],
        data=page_of_vp,
        **more,
    )


def vbs_measurement() -> bytes:
    """A VBS_MEASUREMENT header."""
    return header(0x311, igvm.VBSMeasurement(compatibility_mask=1).pack())


def registers(*names: int, vtl: int = 0) -> bytes:
    """A list of VBS registers of value 0."""
    return struct.pack("<I", len(names)) + b"".join(
        struct.pack("<BI11x16x", vtl, name) for name in names
    )


def resting(*heads: bytes, **more: object) -> bytes:
    """A NATIVE file that starts at the reset vector."""
    return make([*heads, page(TOP)], **more)  # type: ignore[arg-type]


def cpuid(count: int) -> bytes:
    """A CPUID page with a count and no more."""
    return struct.pack("<I", count).ljust(4096, b"\0")
