"""One small file for every way in which the reference refuses one, and some that it accepts."""

from __future__ import annotations

import struct
from typing import NamedTuple

from tests.small_files import raw
from tests.small_files.guests import CCA, NATIVE, SNP, TDX, VBS
from tests.small_files.raw import (
    PAGE_SIZE,
    area,
    cca_policy,
    context,
    corim,
    header,
    insert,
    page,
    page_tables,
    parameter,
    platform,
    policy,
    region,
    register,
    register_list,
    required,
)

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


def v1(*headers: bytes, data: bytes = b"\0") -> bytes:
    """A version 1 file with a byte of data, without which the reference refuses it."""
    return raw.file(*headers, data=data)


def arm(*headers: bytes, data: bytes = b"\0") -> bytes:
    """A version 2 file for AArch64."""
    return raw.file(*headers, data=data, version=2, architecture=1)


def of_one(kind: int, data: bytes, *, vp: int = 0, gpa: int = 0, skipped: int = 0) -> bytes:
    """A file of one platform and one context, whose data starts `skipped` bytes into `data`."""
    return v1(platform(kind), context(raw.at(0) + skipped, gpa=gpa, index=vp), data=data)


def vbs(*headers: bytes, vtl: int = 0) -> bytes:
    """A file of a VBS platform with the context that regions need."""
    start = context(raw.at(0))
    return v1(platform(VBS), *headers, start, data=register_list(_ADDRESS, vtl=vtl))


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
    Case(
        "version 3",
        raw.file(platform(), data=b"x", version=3),
        "InvalidFixedHeader",
        "format_version",
    ),
    Case("version 2, 31 bytes", raw.file(data=b"", version=2)[:31], "InvalidFixedHeader"),
    Case(
        "machine",
        raw.file(platform(), data=b"x", version=2, architecture=2),
        "InvalidFixedHeader",
        "architecture",
    ),
    Case(
        "2 MiB",
        raw.file(platform(), data=b"x", version=2, architecture=0, page_size=1 << 21),
        "UnsupportedPageSize",
        "page_size",
    ),
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
        v1(platform(), policy(0, 0, reserved=1)),
        _INITIALIZATION + "ReservedNotZero",
        "reserved",
        1,
    ),
    Case("region VTL", vbs(region(vtl=3)), _INITIALIZATION + "InvalidVtl", "vtl", 1, value=3),
    Case("region size", vbs(region(size=1)), _INITIALIZATION + "RelocationSize"),
    Case("alignment", vbs(region(alignment=1)), _INITIALIZATION + "RelocationAlignment"),
    Case(
        "no alignment", vbs(region(alignment=0)), "panic.relocation-alignment-zero", header_index=1
    ),
    Case("region size first", vbs(region(size=1, alignment=0)), _INITIALIZATION + "RelocationSize"),
    Case("region gpa", vbs(region(gpa=1)), _INITIALIZATION + "RelocationAddress"),
    Case("lowest", vbs(region(low=1)), _INITIALIZATION + "RelocationAddress"),
    Case("highest", vbs(region(high=1)), _INITIALIZATION + "RelocationAddress"),
    Case(
        "tables gpa", vbs(page_tables(1)), _INITIALIZATION + "UnalignedAddress", "gpa", 1, value=1
    ),
    Case("tables size", vbs(page_tables(size=1)), _INITIALIZATION + "UnalignedSize", "size"),
    Case("tables used", vbs(page_tables(used=1)), _INITIALIZATION + "UnalignedSize", "used_size"),
    Case(
        "tables full",
        vbs(page_tables(used=2 * PAGE_SIZE)),
        _INITIALIZATION + "InvalidPageTableRegionSize",
    ),
    Case(
        "two tables",
        vbs(page_tables(), page_tables(0)),
        "MultiplePageTableRelocationHeaders",
        header_index=2,
    ),
    Case("empty region", vbs(region(size=0)), "panic.empty-region", "relocation_region_gpa", 1),
    Case("empty at zero", vbs(region(0, 0))),
    Case(
        "region wraps",
        vbs(page_tables(_END - PAGE_SIZE, 2 * PAGE_SIZE)),
        "panic.empty-region",
        "gpa",
        1,
    ),
    Case("region to the end", vbs(page_tables(_END - PAGE_SIZE))),
    Case(
        "overlap",
        vbs(region(0, 9 * PAGE_SIZE), region()),
        "RelocationRegionsOverlap",
        header_index=2,
    ),
    Case("neighbours", vbs(region(0), region())),
    Case("overlap of other masks", vbs(region(), region(mask=2)), "NoMatchingVpContext", "vtl", 2),
    Case("region of no mask", vbs(region(), region(mask=0))),
    Case("other VP", vbs(region(vp=1)), "NoMatchingVpContext", "vp_index", 1, value=1),
    Case("other VTL", vbs(region(), vtl=2), "NoMatchingVpContext", "vtl", 1),
    Case(
        "insert into tables",
        vbs(page_tables(), area(1), insert(1, 16 * PAGE_SIZE)),
        "ParameterInsertInsidePageTableRegion",
        "gpa",
        3,
    ),
    Case(
        "insert before tables",
        vbs(page_tables(), area(1, 2 * PAGE_SIZE), insert(1, 15 * PAGE_SIZE)),
    ),
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
    Case(
        "huge area", v1(platform(), area(1, _END - PAGE_SIZE, 72)), _DIRECTIVE + "InvalidDataSize"
    ),
    Case("huge area of zeroes", v1(platform(), area(1, _END - PAGE_SIZE))),
    Case("area size", v1(platform(), area(1, 1)), _DIRECTIVE + "UnalignedSize"),
    Case("memory size", v1(platform(), required(0, 1)), _DIRECTIVE + "UnalignedSize"),
    Case(
        "memory reserved",
        v1(platform(), required(1, 1, reserved=1)),
        _DIRECTIVE + "ReservedNotZero",
    ),
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
    Case("TDX context", of_one(TDX, bytes(PAGE_SIZE)), _DIRECTIVE + "InvalidVpContextPlatformType"),
    Case("list outside", of_one(VBS, b"x", skipped=2), "panic.vbs-data-outside", "file_offset", 1),
    Case("list at the end", of_one(VBS, b"x", skipped=1), _DIRECTIVE + "InvalidDataSize"),
    Case("list cut", of_one(VBS, register_list(_ADDRESS, count=2)), _DIRECTIVE + "InvalidDataSize"),
    Case(
        "VTLs",
        of_one(VBS, register_list(1, register(1, vtl=1), count=9), vp=1),
        "panic.vbs-mixed-vtl",
    ),
    Case("VP 1", of_one(VBS, register_list(), vp=1), "panic.vbs-vp-index", "vp_index", 1, value=1),
    Case("empty list", of_one(VBS, register_list()), _DIRECTIVE + "NoVbsVpContextRegisters"),
    Case("VTL 3", of_one(VBS, register_list(1, vtl=3)), _DIRECTIVE + "InvalidVtl", value=3),
    Case(
        "RAX",
        of_one(VBS, register_list(_ADDRESS, 0x20000)),
        _DIRECTIVE + "UnsupportedX64Register",
        "file_offset",
        1,
        value=0x20000,
    ),
    Case(
        "X8",
        arm(platform(VBS), context(raw.at(0)), data=register_list(0x20007, 0x20008)),
        _DIRECTIVE + "UnsupportedAArch64Register",
        value=0x20008,
    ),
    Case(
        "X7 in 0.4",
        arm(platform(VBS), context(raw.at(0)), data=register_list(0x20001, 0x20007)),
        _DIRECTIVE + "UnsupportedAArch64Register",
        release="0.4",
        value=0x20007,
    ),
    Case("VMSA", of_one(SNP, bytes(PAGE_SIZE - 1) + b"x")),
    Case(
        "VMSA in 0.4",
        of_one(SNP, bytes(PAGE_SIZE - 1) + b"x"),
        _DIRECTIVE + "InvalidVmsa",
        release="0.4",
    ),
    Case(
        "VMSA gpa", of_one(SNP, bytes(PAGE_SIZE), gpa=1), _DIRECTIVE + "UnalignedAddress", "gpa", 1
    ),
    Case("native gpa", of_one(NATIVE, bytes(PAGE_SIZE), gpa=1)),
    Case(
        "native tail", of_one(NATIVE, bytes(232) + b"\1" * PAGE_SIZE), _DIRECTIVE + "InvalidContext"
    ),
    Case("native context", of_one(NATIVE, b"\1" * 232 + bytes(PAGE_SIZE))),
    Case("native outside", of_one(NATIVE, bytes(PAGE_SIZE - 1)), _DIRECTIVE + "InvalidDataSize"),
]

CASES = (*_FIXED, *_STREAM, *_PLATFORMS, *_REGIONS, *_CORIM_CCA, *_DIRECTIVES, *_CONTEXTS)
"""Files of one fault, and their sound neighbours."""
