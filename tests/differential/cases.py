"""One small file for every way in which the reference refuses one, and some that it accepts."""

from __future__ import annotations

import struct
from typing import NamedTuple

from tests.raw import PAGE, Raw, area, context, header, insert, page, parameter, platform

NATIVE, VBS, SNP, TDX, CCA = 0, 1, 2, 3, 6
SIZE = 24
"""Bytes of a version 1 fixed header."""

_PLATFORM = "InvalidBinaryPlatformHeader."
_INITIALIZATION = "InvalidBinaryInitializationHeader."
_DIRECTIVE = "InvalidBinaryDirectiveHeader."
_ADDRESS = 0x20010  # RIP


class Case(NamedTuple):
    """A file and what the reference says to it."""

    name: str
    file: bytes
    rule: str = ""
    """Name of the rule that it breaks; empty where it is accepted."""
    field: str | None = None
    """The field that the finding blames."""
    header_index: int | None = None
    """Position of the header that the finding blames."""
    release: str = "0.5"
    value: int | str | None = None
    """The value that the finding gives, where a case is about it."""


def registers(*registers: tuple[int, int], count: int | None = None) -> bytes:
    """A VBS register list of VTLs and names."""
    number = len(registers) if count is None else count
    packed = [struct.pack("<BI11s16s", vtl, name, b"", b"") for vtl, name in registers]
    return struct.pack("<I", number) + b"".join(packed)


def reloc(
    gpa: int = PAGE,
    size: int = PAGE,
    *,
    mask: int = 1,
    vp: int = 0,
    vtl: int = 0,
    alignment: int = PAGE,
    low: int = 0,
    high: int = 0,
) -> bytes:
    """A RELOCATABLE_REGION header."""
    body = struct.pack("<IHBBQQQQQ", mask, vp, vtl, 0, alignment, gpa, size, low, high)
    return header(0x102, body)


def tables(
    gpa: int = 16 * PAGE,
    size: int = PAGE,
    used: int = 0,
    *,
    mask: int = 1,
    vp: int = 0,
    vtl: int = 0,
    reserved: int = 0,
) -> bytes:
    """A PAGE_TABLE_RELOCATION header."""
    return header(0x103, struct.pack("<IHBBQQQ", mask, vp, vtl, reserved, gpa, size, used))


def corim(kind: int, mask: int = 1, offset: int = 0, size: int = 0, reserved: int = 0) -> bytes:
    """A CORIM_DOCUMENT (0x104) or CORIM_SIGNATURE (0x105) header."""
    return header(kind, struct.pack("<IIII", mask, offset, size, reserved))


def cca_policy(mask: int = 1, zeroes: int = 0, ones: int = 0, reserved: bytes = bytes(10)) -> bytes:
    """A CCA_POLICY header; `reserved` is both reserved fields."""
    body = struct.pack("<I4sQQBB6s", mask, reserved[:4], zeroes, ones, 0, 0, reserved[4:])
    return header(0x106, body)


def required(gpa: int = 0, size: int = 0, reserved: int = 0) -> bytes:
    """A REQUIRED_MEMORY header."""
    return header(0x305, struct.pack("<QIIII", gpa, 1, size, 0, reserved))


def v1(*headers: bytes, data: bytes = b"\0") -> bytes:
    """A version 1 file."""
    return Raw(b"".join(headers), data).file()


def arm(*headers: bytes, data: bytes = b"\0") -> bytes:
    """A version 2 file for AArch64."""
    return Raw(b"".join(headers), data, 2, 1).file()


def of_one(kind: int, data: bytes, *, vp: int = 0, gpa: int = 0, at: int = 0) -> bytes:
    """A version 1 file of one platform and one context, whose data is `at` the file data."""
    offset = SIZE + 24 + 32 + at
    return v1(platform(kind), context(offset, gpa=gpa, index=vp), data=data)


def vbs(*headers: bytes, vtl: int = 0) -> bytes:
    """A version 1 file of a VBS platform with the context that regions need."""
    return vbs_then(headers, (), vtl=vtl)


def vbs_then(
    headers: tuple[bytes, ...], after: tuple[bytes, ...], *, vtl: int = 0, mask: int = 1
) -> bytes:
    """As `vbs`, with headers after the context."""
    front = platform(VBS, mask) + b"".join(headers)
    offset = SIZE + len(front) + 32 + sum(map(len, after))
    register = registers((vtl, _ADDRESS))
    return v1(front, context(offset, mask=mask), *after, data=register)


def _fixed(offset: int, value: int) -> bytes:
    """A sound file with one number of its fixed header changed, the checksum not."""
    data = bytearray(v1(platform()))
    struct.pack_into("<I", data, offset, value)
    return bytes(data)


_TAIL = header(0x304, struct.pack("<QIIHH", 0, 1, 0, 0, 0))[:28]
_END = 1 << 64
_FIXED = [
    Case("empty file", b"", "InvalidFixedHeader"),
    Case("23 bytes", _fixed(0, 0x4D564749)[:23], "InvalidFixedHeader"),
    Case("magic", _fixed(0, 0x4D564748), "InvalidFixedHeader", "magic"),
    Case("version 0", _fixed(4, 0), "InvalidFixedHeader", "format_version"),
    Case("version 3", Raw(platform(), b"x", 3).file(), "InvalidFixedHeader", "format_version"),
    Case("version 2, 31 bytes", Raw(b"", b"", 2).file()[:31], "InvalidFixedHeader"),
    Case("machine", Raw(platform(), b"x", 2, 2).file(), "InvalidFixedHeader", "architecture"),
    Case("2 MiB", Raw(platform(), b"x", 2, 0, 1 << 21).file(), "UnsupportedPageSize", "page_size"),
    Case("cut short", v1(platform())[:-1], "InvalidFixedHeader", "total_file_size"),
    Case("headers at the end", _fixed(8, 49), "InvalidFixedHeader", "variable_header_offset"),
    Case("no data", v1(platform(), data=b""), "InvalidFixedHeader", "variable_header_size"),
    Case(
        "size wraps",
        _fixed(12, (1 << 32) - 1),
        "panic.variable-header-size",
        "variable_header_size",
    ),
    Case("checksum", _fixed(20, 7), "InvalidChecksum", "checksum", value=7),
]
_SECTION = "InvalidBinaryVariableHeaderSection"
_STREAM = [
    Case("optional", v1(platform(), header(0x80000302, bytes(24))), _SECTION, "type", 1),
    Case("gap of types", v1(platform(), header(0x201, b"")), _SECTION, "type", 1),
    Case("late platform", v1(platform(), page(0), platform(SNP, 2)), _SECTION, "type", 2),
    Case("late policy", v1(platform(), page(0), header(0x101, bytes(16))), _SECTION, "type", 2),
    Case("4 bytes more", v1(platform(), bytes(4)), _SECTION, value=4),
    Case("platform 2", v1(header(2, b"")), _PLATFORM + "InvalidVariableHeaderType", "type", 0),
    Case("platform cut", v1(platform()[:20]), _PLATFORM + "InvalidVariableHeaderSize", "length"),
    Case(
        "version string",
        v1(platform(), header(0x107, b"1.0")),
        _INITIALIZATION + "InvalidVariableHeaderType",
        "type",
        1,
    ),
    Case(
        "policy cut",
        v1(platform(), header(0x101, bytes(16))[:8]),
        _INITIALIZATION + "InvalidVariableHeaderSize",
        "length",
    ),
    Case(
        "long page",
        v1(platform(), header(0x302, bytes(32))),
        _DIRECTIVE + "InvalidVariableHeaderType",
        "length",
        1,
        value=32,
    ),
    Case(
        "context without padding",
        v1(platform(), _TAIL),
        _DIRECTIVE + "InvalidVariableHeaderSize",
        "reserved",
        1,
    ),
]
_PLATFORMS = [
    Case("two bits", v1(platform(0, 3)), _PLATFORM + "InvalidCompatibilityMask"),
    Case("VTL 1", v1(platform(vtl=1)), _PLATFORM + "InvalidVtl", "highest_vtl", 0, value=1),
    Case("platform 7", v1(platform(7)), _PLATFORM + "InvalidPlatformType", "platform_type", 0),
    Case("version 2", v1(platform(version=2)), _PLATFORM + "InvalidPlatformVersion"),
    Case("boundary", v1(platform(1, boundary=4)), _PLATFORM + "InvalidSharedGpaBoundary"),
    Case("CCA in 0.4", arm(platform(CCA)), _PLATFORM + "InvalidPlatformType", release="0.4"),
    Case("CCA in 0.5", arm(platform(CCA))),
    Case("none", v1(page(0)), "NoPlatformHeaders"),
    Case("TDX on Arm", arm(platform(TDX)), "PlatformArchUnsupported", "platform_type", 0),
    Case(
        "SNP twice",
        v1(platform(SNP), platform(SNP, 2)),
        "MultiplePlatformHeadersWithSameIsolation",
        "platform_type",
        1,
    ),
    Case("one mask for two", v1(platform(SNP), platform(TDX))),
]
_REGIONS = [
    Case(
        "reserved",
        v1(platform(), header(0x101, bytes(12) + b"\1\0\0\0")),
        _INITIALIZATION + "ReservedNotZero",
        "reserved",
        1,
    ),
    Case("region VTL", vbs(reloc(vtl=3)), _INITIALIZATION + "InvalidVtl", "vtl", 1, value=3),
    Case("region size", vbs(reloc(size=1)), _INITIALIZATION + "RelocationSize"),
    Case("alignment", vbs(reloc(alignment=1)), _INITIALIZATION + "RelocationAlignment"),
    Case(
        "no alignment", vbs(reloc(alignment=0)), "panic.relocation-alignment-zero", header_index=1
    ),
    Case("region size first", vbs(reloc(size=1, alignment=0)), _INITIALIZATION + "RelocationSize"),
    Case("region gpa", vbs(reloc(gpa=1)), _INITIALIZATION + "RelocationAddress"),
    Case("lowest", vbs(reloc(low=1)), _INITIALIZATION + "RelocationAddress"),
    Case("highest", vbs(reloc(high=1)), _INITIALIZATION + "RelocationAddress"),
    Case("tables gpa", vbs(tables(1)), _INITIALIZATION + "UnalignedAddress", "gpa", 1, value=1),
    Case("tables size", vbs(tables(size=1)), _INITIALIZATION + "UnalignedSize", "size"),
    Case("tables used", vbs(tables(used=1)), _INITIALIZATION + "UnalignedSize", "used_size"),
    Case("tables full", vbs(tables(used=2 * PAGE)), _INITIALIZATION + "InvalidPageTableRegionSize"),
    Case(
        "two tables", vbs(tables(), tables(0)), "MultiplePageTableRelocationHeaders", header_index=2
    ),
    Case("empty region", vbs(reloc(size=0)), "panic.empty-region", "relocation_region_gpa", 1),
    Case("empty at zero", vbs(reloc(0, 0))),
    Case("region wraps", vbs(tables(_END - PAGE, 2 * PAGE)), "panic.empty-region", "gpa", 1),
    Case("region to the end", vbs(tables(_END - PAGE))),
    Case("overlap", vbs(reloc(0, 9 * PAGE), reloc()), "RelocationRegionsOverlap", header_index=2),
    Case("neighbours", vbs(reloc(0), reloc())),
    Case("overlap of other masks", vbs(reloc(), reloc(mask=2)), "NoMatchingVpContext", "vtl", 2),
    Case("region of no mask", vbs(reloc(), reloc(mask=0))),
    Case("other VP", vbs(reloc(vp=1)), "NoMatchingVpContext", "vp_index", 1, value=1),
    Case("other VTL", vbs(reloc(), vtl=2), "NoMatchingVpContext", "vtl", 1),
    Case(
        "insert into tables",
        vbs(tables(), area(1), insert(1, 16 * PAGE)),
        "ParameterInsertInsidePageTableRegion",
        "gpa",
        3,
    ),
    Case("insert before tables", vbs(tables(), area(1, 2 * PAGE), insert(1, 15 * PAGE))),
]
_CORIM_CCA = [
    Case("CoRIM", v1(platform(), corim(0x104, 1, 96, 1), corim(0x105))),
    Case(
        "CoRIM in 0.4",
        v1(platform(), corim(0x104)),
        _INITIALIZATION + "InvalidVariableHeaderType",
        release="0.4",
    ),
    Case(
        "CoRIM outside", v1(platform(), corim(0x104, 1, 72, 2)), _INITIALIZATION + "InvalidDataSize"
    ),
    Case("CoRIM at 0", v1(platform(), corim(0x104, 1, 0, 99))),
    Case(
        "two documents",
        v1(platform(), corim(0x104, 6), corim(0x104, 3)),
        _INITIALIZATION + "MultipleCorimDocuments",
        "compatibility_mask",
        2,
    ),
    Case(
        "two signatures",
        v1(platform(), corim(0x104), corim(0x105), corim(0x105)),
        _INITIALIZATION + "MultipleCorimSignatures",
        header_index=3,
    ),
    Case(
        "signature first",
        v1(platform(), corim(0x105), corim(0x104)),
        _INITIALIZATION + "MissingCorimDocument",
        header_index=1,
    ),
    Case(
        "CCA reserved",
        arm(platform(CCA), cca_policy(reserved=b"\1" * 10)),
        _INITIALIZATION + "ReservedNotZero",
    ),
    Case(
        "CCA reserved2",
        arm(platform(CCA), cca_policy(reserved=bytes(9) + b"\1")),
        _INITIALIZATION + "ReservedNotZero",
        "reserved2",
        1,
        value="000000000001",
    ),
    Case(
        "CCA both",
        arm(platform(CCA), cca_policy(1, 3, 2)),
        _INITIALIZATION + "InvalidOnesZeroesMasks",
    ),
    Case("CCA on X64", v1(platform(), cca_policy()), "InvalidHeaderArch", header_index=1),
    Case("CCA for VBS", arm(platform(VBS), cca_policy()), "InvalidCcaPolicyCompatibilityMask"),
    Case(
        "CCA for both",
        arm(platform(CCA), platform(VBS), cca_policy()),
        "InvalidCcaPolicyCompatibilityMask",
    ),
    Case("CCA policy", arm(platform(VBS), platform(CCA), cca_policy())),
]
_DIRECTIVES = [
    Case(
        "page outside",
        v1(platform(), page(0, 80)),
        _DIRECTIVE + "InvalidDataSize",
        "file_offset",
        1,
    ),
    Case("page in the headers", v1(platform(), page(0, 24)), _DIRECTIVE + "InvalidDataSize"),
    Case("page of zeroes", v1(platform(), page(0))),
    Case("page gpa", v1(platform(), page(8)), _DIRECTIVE + "UnalignedAddress", "gpa", 1, value=8),
    Case("page type", v1(platform(), page(0, kind=4)), _DIRECTIVE + "InvalidPageDataType"),
    Case(
        "page reserved",
        v1(platform(), header(0x302, bytes(22) + b"\0\1")),
        _DIRECTIVE + "ReservedNotZero",
        value=256,
    ),
    Case("huge area", v1(platform(), area(1, _END - PAGE, 72)), _DIRECTIVE + "InvalidDataSize"),
    Case("huge area of zeroes", v1(platform(), area(1, _END - PAGE))),
    Case("area size", v1(platform(), area(1, 1)), _DIRECTIVE + "UnalignedSize"),
    Case("memory size", v1(platform(), required(0, 1)), _DIRECTIVE + "UnalignedSize"),
    Case("memory reserved", v1(platform(), required(1, 1, 1)), _DIRECTIVE + "ReservedNotZero"),
    Case(
        "area twice", v1(platform(), area(1), area(1)), "InvalidParameterAreaIndex", header_index=2
    ),
    Case(
        "no area", v1(platform(), parameter(0x307, 1)), "InvalidParameterAreaIndex", header_index=1
    ),
    Case(
        "after the insert",
        v1(platform(), area(1), insert(1, 0), parameter(0x313, 1)),
        "InvalidParameterAreaIndex",
        "parameter_area_index",
        3,
    ),
    Case("insert for nobody", v1(platform(), area(1), insert(1, 0, 0), parameter(0x313, 1))),
]
_CONTEXTS = [
    Case("TDX context", of_one(TDX, bytes(PAGE)), _DIRECTIVE + "InvalidVpContextPlatformType"),
    Case("list outside", of_one(VBS, b"x", at=2), "panic.vbs-data-outside", "file_offset", 1),
    Case("list at the end", of_one(VBS, b"x", at=1), _DIRECTIVE + "InvalidDataSize"),
    Case(
        "list cut", of_one(VBS, registers((0, _ADDRESS), count=2)), _DIRECTIVE + "InvalidDataSize"
    ),
    Case("VTLs", of_one(VBS, registers((0, 1), (1, 1), count=9), vp=1), "panic.vbs-mixed-vtl"),
    Case("VP 1", of_one(VBS, registers(), vp=1), "panic.vbs-vp-index", "vp_index", 1, value=1),
    Case("empty list", of_one(VBS, registers()), _DIRECTIVE + "NoVbsVpContextRegisters"),
    Case("VTL 3", of_one(VBS, registers((3, 1))), _DIRECTIVE + "InvalidVtl", value=3),
    Case(
        "RAX",
        of_one(VBS, registers((0, _ADDRESS), (0, 0x20000))),
        _DIRECTIVE + "UnsupportedX64Register",
        "file_offset",
        1,
        value=0x20000,
    ),
    Case(
        "X8",
        arm(platform(VBS), context(88), data=registers((0, 0x20007), (0, 0x20008))),
        _DIRECTIVE + "UnsupportedAArch64Register",
        value=0x20008,
    ),
    Case(
        "X7 in 0.4",
        arm(platform(VBS), context(88), data=registers((0, 0x20001), (0, 0x20007))),
        _DIRECTIVE + "UnsupportedAArch64Register",
        release="0.4",
        value=0x20007,
    ),
    Case("VMSA", of_one(SNP, bytes(PAGE - 1) + b"x")),
    Case(
        "VMSA in 0.4",
        of_one(SNP, bytes(PAGE - 1) + b"x"),
        _DIRECTIVE + "InvalidVmsa",
        release="0.4",
    ),
    Case("VMSA gpa", of_one(SNP, bytes(PAGE), gpa=1), _DIRECTIVE + "UnalignedAddress", "gpa", 1),
    Case("native gpa", of_one(NATIVE, bytes(PAGE), gpa=1)),
    Case("native tail", of_one(NATIVE, bytes(232) + b"\1" * PAGE), _DIRECTIVE + "InvalidContext"),
    Case("native context", of_one(NATIVE, b"\1" * 232 + bytes(PAGE))),
    Case("native outside", of_one(NATIVE, bytes(PAGE - 1)), _DIRECTIVE + "InvalidDataSize"),
]

CASES = (*_FIXED, *_STREAM, *_PLATFORMS, *_REGIONS, *_CORIM_CCA, *_DIRECTIVES, *_CONTEXTS)
"""Files of one fault, and their sound neighbours."""
