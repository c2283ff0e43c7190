"""The registry of header types: names, sections, records, and what does not fit them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from igvm.errors import FormatError
from igvm.spec import registry
from igvm.spec.enums import HeaderType, Section
from igvm.spec.initialization import VersionString
from igvm.spec.registry import HEADERS, TYPE_OF, UnknownHeader, decode, type_of
from tests.spec.records import RECORDS

if TYPE_CHECKING:
    from igvm.wire.record import Record


class Row(NamedTuple):
    """One header type of igvm_defs."""

    number: int
    c_name: str
    record: str
    """Our class; `VersionString` has bytes of any length."""
    size: int
    section: str
    has_mask: bool


ROWS = (
    Row(0x001, "IGVM_VHT_SUPPORTED_PLATFORM", "SupportedPlatform", 16, "PLATFORM", True),
    Row(0x101, "IGVM_VHT_GUEST_POLICY", "GuestPolicy", 16, "INITIALIZATION", True),
    Row(0x102, "IGVM_VHT_RELOCATABLE_REGION", "RelocatableRegion", 48, "INITIALIZATION", True),
    Row(
        0x103,
        "IGVM_VHT_PAGE_TABLE_RELOCATION_REGION",
        "PageTableRelocation",
        32,
        "INITIALIZATION",
        True,
    ),
    Row(0x104, "IGVM_VHT_CORIM_DOCUMENT", "CorimDocument", 16, "INITIALIZATION", True),
    Row(0x105, "IGVM_VHT_CORIM_SIGNATURE", "CorimSignature", 16, "INITIALIZATION", True),
    Row(0x106, "IGVM_VHT_CCA_POLICY", "CCAPolicy", 32, "INITIALIZATION", True),
    Row(0x107, "IGVM_VHT_VERSION_STRING", "VersionString", 0, "INITIALIZATION", False),
    Row(0x301, "IGVM_VHT_PARAMETER_AREA", "ParameterArea", 16, "DIRECTIVE", False),
    Row(0x302, "IGVM_VHT_PAGE_DATA", "PageData", 24, "DIRECTIVE", True),
    Row(0x303, "IGVM_VHT_PARAMETER_INSERT", "ParameterInsert", 16, "DIRECTIVE", True),
    Row(0x304, "IGVM_VHT_VP_CONTEXT", "VPContext", 20, "DIRECTIVE", True),
    Row(0x305, "IGVM_VHT_REQUIRED_MEMORY", "RequiredMemory", 24, "DIRECTIVE", True),
    Row(0x307, "IGVM_VHT_VP_COUNT_PARAMETER", "VPCount", 8, "DIRECTIVE", False),
    Row(0x308, "IGVM_VHT_SRAT", "SRAT", 8, "DIRECTIVE", False),
    Row(0x309, "IGVM_VHT_MADT", "MADT", 8, "DIRECTIVE", False),
    Row(0x30A, "IGVM_VHT_MMIO_RANGES", "MMIORanges", 8, "DIRECTIVE", False),
    Row(0x30B, "IGVM_VHT_SNP_ID_BLOCK", "SNPIDBlock", 696, "DIRECTIVE", True),
    Row(0x30C, "IGVM_VHT_MEMORY_MAP", "MemoryMap", 8, "DIRECTIVE", False),
    Row(0x30D, "IGVM_VHT_ERROR_RANGE", "ErrorRange", 16, "DIRECTIVE", True),
    Row(0x30E, "IGVM_VHT_COMMAND_LINE", "CommandLine", 8, "DIRECTIVE", False),
    Row(0x30F, "IGVM_VHT_SLIT", "SLIT", 8, "DIRECTIVE", False),
    Row(0x310, "IGVM_VHT_PPTT", "PPTT", 8, "DIRECTIVE", False),
    Row(0x311, "IGVM_VHT_VBS_MEASUREMENT", "VBSMeasurement", 864, "DIRECTIVE", True),
    Row(0x312, "IGVM_VHT_DEVICE_TREE", "DeviceTree", 8, "DIRECTIVE", False),
    Row(
        0x313,
        "IGVM_VHT_ENVIRONMENT_INFO_PARAMETER",
        "EnvironmentInfo",
        8,
        "DIRECTIVE",
        False,
    ),
)

PARAMETERS = {0x307, 0x308, 0x309, 0x30A, 0x30C, 0x30E, 0x30F, 0x310, 0x312, 0x313}

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.record)
every_record = pytest.mark.parametrize(
    "row", [row for row in ROWS if row.size], ids=lambda row: row.record
)


def record_of(row: Row) -> type[Record]:
    """The class of a row that has one."""
    return RECORDS[row.record]


def test_every_type_is_registered() -> None:
    """All types of igvm_defs but the two that no file may hold, in the order of their numbers."""
    assert [row.number for row in ROWS] == [int(kind) for kind in HEADERS]
    assert {0x0, 0x306} == {int(kind) for kind in HeaderType} - {row.number for row in ROWS}


@every_row
def test_entries(row: Row) -> None:
    """Name, section, structure and mask of one type."""
    entry = HEADERS[HeaderType(row.number)]
    assert row.number == entry.header_type
    assert row.c_name.removeprefix("IGVM_VHT_") == entry.name
    assert Section[row.section] is entry.section
    assert (RECORDS[row.record] if row.size else None) is entry.record
    assert row.has_mask == entry.has_mask


@every_record
def test_sizes(row: Row) -> None:
    """The structure of a type is as long as igvm_defs says."""
    assert row.size == record_of(row).SIZE


def test_parameter_types() -> None:
    """The types with an IGVM_VHS_PARAMETER."""
    types = {kind for kind, spec in HEADERS.items() if spec.area and spec.area.act == "fill"}
    assert PARAMETERS == {int(kind) for kind in types}


@every_record
def test_type_of_a_class(row: Row) -> None:
    """A class stands for one type, even where several share a structure."""
    assert HeaderType(row.number) is TYPE_OF[record_of(row)]


def test_classes_that_are_no_headers() -> None:
    """The base of the parameters, payloads and contexts have no type."""
    assert {row.record for row in ROWS if row.size} == {record.__name__ for record in TYPE_OF}


@every_record
def test_decoding(row: Row) -> None:
    """A body of the right length becomes the class of its type, and knows its type."""
    body = bytes(i % 255 + 1 for i in range(row.size))
    for buffer in (body, memoryview(body)):
        record = decode(HeaderType(row.number), buffer)
        assert type(record) is record_of(row)
        assert body == record.pack()
        assert HeaderType(row.number) is type_of(record)


@every_record
@pytest.mark.parametrize("change", [-1, 1, 8], ids=["short", "long", "longer"])
def test_wrong_lengths(row: Row, change: int) -> None:
    """A body of another length is kept as it is, under its type."""
    body = bytes(i % 255 + 1 for i in range(row.size + change))
    kind = HeaderType(row.number)
    for buffer in (body, memoryview(body)):
        record = decode(kind, buffer)
        assert UnknownHeader(kind, body) == record
        assert isinstance(record.pack(), bytes)
        assert body == record.pack()
        assert kind is type_of(record)


@every_record
def test_empty_bodies(row: Row) -> None:
    """An empty body is no structure."""
    kind = HeaderType(row.number)
    assert UnknownHeader(kind, b"") == decode(kind, b"")


@pytest.mark.parametrize("number", [0x0, 0x2, 0x108, 0x201, 0x306, 0x314, 0x401, 0x7FFFFFFF])
@pytest.mark.parametrize("body", [b"", bytes(24), b"\xff" * 7], ids=["empty", "zeroes", "odd"])
def test_unknown_types(number: int, body: bytes) -> None:
    """A type without an entry keeps its number and its bytes."""
    record = decode(HeaderType(number), memoryview(body))
    assert UnknownHeader(HeaderType(number), body) == record
    assert number == type_of(record)
    assert isinstance(record.pack(), bytes)
    assert body == record.pack()


@pytest.mark.parametrize("text", ["", "1.2.3", "Ünïcode ✓ 🎈", "with\0nul\n"])
def test_version_strings(text: str) -> None:
    """A version string is its UTF-8 bytes, however many."""
    record = decode(HeaderType.VERSION_STRING, text.encode())
    assert VersionString(text) == record
    assert text.encode() == record.pack()
    assert HeaderType.VERSION_STRING is type_of(record)


BAD_UTF_8 = {
    "lone-byte": (b"\xff", 0),
    "cut-short": (b"ok\xe2\x9c", 2),
    "overlong": (b"\xc0\x80", 0),
    "surrogate": (b"abc\xed\xa0\x80", 3),
}


@pytest.mark.parametrize(("body", "where"), BAD_UTF_8.values(), ids=BAD_UTF_8)
def test_version_strings_that_are_not_text(body: bytes, where: int) -> None:
    """Bytes that are not UTF-8 are kept as they are; asked for as text, they are an error."""
    assert UnknownHeader(HeaderType.VERSION_STRING, body) == decode(HeaderType.VERSION_STRING, body)
    with pytest.raises(FormatError, match=f"byte {where} of the text") as caught:
        VersionString.parse(body)
    assert ("VERSION_STRING", "text") == (caught.value.header, caught.value.field)


def test_version_strings_that_cannot_be_written() -> None:
    """A lone surrogate, which Python has and UTF-8 has not, is an error."""
    with pytest.raises(FormatError, match="surrogate") as caught:
        VersionString("a\ud800").pack()
    assert ("VERSION_STRING", "text") == (caught.value.header, caught.value.field)


def test_the_tables_agree() -> None:
    """HEADERS, TYPE_OF and the union of what a header holds are one table."""
    assert {kind: entry.record for kind, entry in HEADERS.items() if entry.record} == {
        kind: record for record, kind in TYPE_OF.items()
    }
    assert registry.HeaderRecord is not None
