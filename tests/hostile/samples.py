"""Small files that between them hold every header type, and what makes them hostile."""

from __future__ import annotations

import struct
import zlib

import igvm
from tests import raw

NUMBERS_32 = (
    0,
    1,
    7,
    8,
    0xFF,
    0xFFF,
    0x1000,
    0x1001,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFF000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
NUMBERS_64 = (
    *NUMBERS_32,
    1 << 32,
    (1 << 32) - 4096,
    1 << 47,
    (1 << 52) - 4096,
    1 << 63,
    (1 << 63) - 1,
    (1 << 64) - 8192,
    (1 << 64) - 4096,
    (1 << 64) - 1,
)


VMSA = igvm.SEVVMSA(
    cs=igvm.SEVSelector(attrib=0x29B), rip=0xFFF0, efer=0xD00, cr0=0x80000011, cr3=0x1000, cr4=0x20,
    xcr0=1, sev_features=igvm.SEVFeatures.SNP,
)  # fmt: skip
"""64-bit code, which every loader starts."""


def fix(data: bytes | bytearray) -> bytes:
    """`data` with the right checksum, where it has a fixed header to hold one."""
    if len(data) < 32:
        return bytes(data)
    version, offset, size = struct.unpack_from("<III", data, 4)
    length = 24 if version == 1 else 32
    start = bytes(data[:20]) + bytes(4) + bytes(data[24:length])
    checksum = zlib.crc32(start + bytes(data[offset : offset + size]))
    return bytes(data[:20]) + struct.pack("<I", checksum) + bytes(data[24:])


def x64(version: int = 1) -> bytes:
    """A file for SNP, VBS and NATIVE with every header that such a file may have."""
    heads: list[bytes | str] = [
        raw.platform(2, 1, vtl=2),
        raw.platform(1, 2, vtl=2),
        raw.platform(0, 4),
        raw.header(0x101, struct.pack("<QII", 0x30000, 1, 0)),
        raw.header(
            0x102, struct.pack("<IHBBQQQQQ", 2, 0, 2, 7, 0x1000, 0x10000, 0x2000, 0, 1 << 32)
        ),
        raw.header(0x103, struct.pack("<IHBBQQQ", 2, 0, 2, 0, 0x20000, 0x2000, 0x1000)),
        "corim document",
        "corim signature",
        raw.header(0x80000107, b"1.2.3"),
        "area",
        *(
            raw.parameter(kind, 1, 16 * (kind & 15))
            for kind in (0x307, 0x308, 0x309, 0x30A, 0x30C, 0x30E, 0x30F)
        ),
        *(raw.parameter(kind, 1, 2048) for kind in (0x310, 0x312, 0x313)),
        raw.insert(1, 0x30000, 7),
        "page",
        raw.page(0x2000, 0, mask=7),
        raw.page(0x3000, 0, mask=1, kind=1),
        raw.page(0x4000, 0, mask=1, kind=2),
        raw.page(0x200000, 0, mask=4, flags=1),
        raw.header(0x305, struct.pack("<QIIII", 0x100000, 7, 0x10000, 1, 0)),
        raw.header(0x30D, struct.pack("<QII", 0x50000, 2, 0x1000)),
        raw.header(0x30B, igvm.SNPIDBlock(compatibility_mask=1, ld=bytes(range(48))).pack()),
        raw.header(0x311, igvm.VBSMeasurement(compatibility_mask=2).pack()),
        raw.header(0x800003FF, b"optional, unknown"),
        "vmsa",
        "vbs",
        "native",
    ]
    rip = igvm.VBSRegister(
        vtl=2, register_name=igvm.HvX64Register.RIP, register_value=(0x10000).to_bytes(16, "little")
    )
    vbs = igvm.VBSContext(igvm.Architecture.X64, (rip,)).pack()
    parts = [
        bytes(range(256)) * 16,
        VMSA.pack(),
        igvm.NativeContextX64(rip=0x1000).pack().ljust(4096, b"\0"),
        vbs,
        b"\xd9\x01\xf5\xa0",
    ]

    def lay(start: int) -> bytes:
        page, vmsa, native, vbs_at, corim = (start + sum(map(len, parts[:i])) for i in range(5))
        made = {
            "page": raw.page(0x1000, page, mask=7),
            "area": raw.area(1, 4096, page),
            "vmsa": raw.context(vmsa, gpa=0xFFFFFFFFF000),
            "native": raw.context(native, mask=4),
            "vbs": raw.context(vbs_at, mask=2),
            "corim document": raw.header(0x104, struct.pack("<IIII", 3, corim, 4, 0)),
            "corim signature": raw.header(0x105, struct.pack("<IIII", 1, corim, 4, 0)),
        }
        return b"".join(made[head] if isinstance(head, str) else head for head in heads)

    size = (24 if version == 1 else 32) + len(lay(0))
    return raw.Raw(lay(size), b"".join(parts), version=version).file()


def arm() -> bytes:
    """An AArch64 file for CCA and VBS."""
    pc = igvm.VBSRegister(
        vtl=0, register_name=igvm.HvArm64Register.PC, register_value=(64).to_bytes(16, "little")
    )
    vbs = igvm.VBSContext(igvm.Architecture.AARCH64, (pc,)).pack()
    cca = igvm.CCAContext(pc=0x8000, flags=1).pack().ljust(4096, b"\0")

    def lay(start: int) -> bytes:
        return (
            raw.platform(6, 1)
            + raw.platform(1, 2)
            + raw.header(
                0x106, igvm.CCAPolicy(compatibility_mask=1, attributes_required_ones=1).pack()
            )
            + raw.page(0x8000, start, mask=3)
            + raw.context(start, mask=1)
            + raw.context(start + 4096, mask=2)
        )

    return raw.Raw(lay(32 + len(lay(0))), cca + vbs, version=2, architecture=1).file()


SMALL = {"x64 v1": x64(), "x64 v2": x64(2), "arm": arm()}
