"""Files that between them hold every header type, one of runs of pages, and one with a version."""

from __future__ import annotations

import igvm
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA, PAGE, REC, header_of, padded

# A plain CS and no FPU state: loaders have something to set, and dumps little to show.
_VMSA = LONG_MODE_VMSA.replace(cs=igvm.SEVSelector(attrib=0x29B), efer=0xD00, mxcsr=0, x87_fcw=0)


def _for_x64(version: int) -> bytes:
    """A file for SNP, VBS and NATIVE with every header that such a file may have."""
    page, vmsa, native, vbs, document = map(raw.at, range(5))
    headers = [
        raw.platform(2, 1, vtl=2),
        raw.platform(1, 2, vtl=2),
        raw.platform(0, 4),
        raw.policy(),
        raw.region(0x10000, 0x2000, mask=2, vtl=2, flags=7, high=1 << 32),
        raw.page_tables(0x20000, 0x2000, 0x1000, mask=2, vtl=2),
        raw.corim(0x104, 3, document, 4),
        raw.corim(0x105, 1, document, 4),
        raw.header(0x80000107, b"1.2.3"),
        raw.area(1, 4096, page),
        *(
            raw.parameter(kind, 1, 16 * (kind & 15))
            for kind in (0x307, 0x308, 0x309, 0x30A, 0x30C, 0x30E, 0x30F)
        ),
        *(raw.parameter(kind, 1, 2048) for kind in (0x310, 0x312, 0x313)),
        raw.insert(1, 0x30000, 7),
        raw.page(0x1000, page, mask=7),
        raw.page(0x2000, mask=7),
        raw.page(0x3000, kind=1),
        raw.page(0x4000, kind=2),
        raw.page(0x200000, mask=4, flags=1),
        raw.required(0x100000, 0x10000, mask=7, flags=1),
        raw.error_range(0x50000, 0x1000, 2),
        header_of(igvm.SNPIDBlock(compatibility_mask=1, ld=bytes(range(48)))),
        header_of(igvm.VBSMeasurement(compatibility_mask=2)),
        raw.header(0x800003FF, b"optional, unknown"),
        raw.context(vmsa, gpa=0xFFFFFFFFF000),
        raw.context(vbs, mask=2),
        raw.context(native, mask=4),
    ]
    data = [
        PAGE,
        _VMSA.pack(),
        padded(igvm.NativeContextX64(rip=0x1000).pack()),
        raw.register_list((igvm.HvX64Register.RIP, 0x10000), vtl=2),
        b"\xd9\x01\xf5\xa0",
    ]
    return raw.file(*headers, data=data, version=version)


def _for_aarch64() -> bytes:
    """A file for CCA and VBS."""
    return raw.file(
        raw.platform(6, 1),
        raw.platform(1, 2),
        raw.cca_policy(ones=1),
        raw.page(0x8000, raw.at(0), mask=3),
        raw.context(raw.at(0), mask=1),
        raw.context(raw.at(1), mask=2),
        data=[padded(REC.pack()), raw.register_list((igvm.HvArm64Register.PC, 64))],
        version=2,
        architecture=1,
    )


EVERY_HEADER = {"x64 v1": _for_x64(1), "x64 v2": _for_x64(2), "arm": _for_aarch64()}


def runs_of_pages(count: int = 5) -> bytes:
    """A file of pages with adjacent data, the same data, none, and an odd one out."""
    return raw.file(
        raw.platform(2),
        *(raw.page(0x1000 * i, raw.at(i)) for i in range(count)),
        *(raw.page(0x100000 + 0x1000 * i, raw.at(0)) for i in range(count)),
        *(raw.page(0x200000 + 0x1000 * i) for i in range(count)),
        raw.page(0x900000, kind=1),
        data=[bytes([1]) * 4096] * count,
    )


def versioned(text: bytes) -> bytes:
    """A file with a version string."""
    return raw.file(raw.platform(), raw.header(0x107, text))
