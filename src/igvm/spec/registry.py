"""The one table of header types: which record, and where its data and guest memory are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.errors import FormatError
from igvm.spec import directive, initialization, platform
from igvm.spec.enums import HeaderType, Section
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnknownHeader(msgspec.Struct, frozen=True, gc=False):
    """A header whose type or length is not known: its body, as it is."""

    header_type: HeaderType
    """The type, without the optional bit."""
    body: bytes
    """The bytes that the length field counts."""

    def pack(self) -> bytes:
        """The body."""
        return self.body


HeaderRecord = Record | initialization.VersionString | UnknownHeader
"""What a header may hold."""


class Size(msgspec.Struct, frozen=True):
    """How many bytes of the file, or of guest memory, a header is about."""

    rule: Literal["field", "page", "area", "context"]
    """field: what a field of the header says. page: the file's page size, or 2 MiB with
    IS_2MB_PAGE. area: the size of the parameter area that the header names. context: what the
    format of the platform's contexts has."""
    field: str = ""
    """The field, where `rule` is field."""


PAGE, AREA, CONTEXT = Size("page"), Size("area"), Size("context")


def by(field: str) -> Size:
    """As many bytes as `field` says."""
    return Size("field", field)


class FileData(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the file the data of a header lies."""

    size: Size
    offset: str = "file_offset"
    """The field that says where, counted from the start of the file."""
    is_padded: bool = True
    """Whether shorter data is stored with zeroes after it, up to the size."""
    empty: Literal["none", "stored", "refused"] = "none"
    """What no data is. none: the offset is zero. stored: data of no bytes, which has an offset,
    and the size field says 0. refused: the header must have some."""


class GuestMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Which guest memory a header is about."""

    size: Size
    address: str = "gpa"
    """The field that says where it starts."""
    is_filled: bool = False
    """Whether a loader puts something there, so that nothing else can be."""


class AreaUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a header does with a parameter area."""

    act: Literal["declare", "fill", "insert"]
    index: str = "parameter_area_index"
    """The field that names the area."""
    byte_offset: str = ""
    """Of fill: the field that says where in the area."""


class HeaderSpec(msgspec.Struct, frozen=True, gc=False):
    """What the project knows of one header type: its structure, and what its fields refer to."""

    header_type: HeaderType
    name: str
    """The C name without its prefix, as users know it: `PAGE_DATA`."""
    record: type[Record] | None
    """The structure, or None where the body is not of a fixed size."""
    section: Section
    has_mask: bool
    """Whether a compatibility mask says whom the header is for."""
    data: FileData | None = None
    memory: GuestMemory | None = None
    area: AreaUse | None = None


_FILL = AreaUse(act="fill", byte_offset="byte_offset")


def _declare(
    kind: HeaderType,
    record: type[Record] | None,
    *,
    data: FileData | None = None,
    memory: GuestMemory | None = None,
    area: AreaUse | None = None,
) -> HeaderSpec:
    """The entry of a header type.

    Raises:
        TypeError: the structure has a file_offset and nothing says what it refers to, or a
            declaration names a field that the structure does not have.
    """
    names = {item.name for item in record.FIELDS} if record is not None else set()
    if record is not None and issubclass(record, directive.Parameter):
        area = area or _FILL
    wanted: set[str] = set()
    if data is not None:
        wanted |= {data.offset, data.size.field}
    if memory is not None:
        wanted |= {memory.address, memory.size.field}
    if area is not None:
        wanted |= {area.index, area.byte_offset}
    unknown = wanted - names - {""}
    if unknown or ("file_offset" in names and data is None):
        message = f"{kind.name}: {', '.join(unknown) or 'file_offset'} is not declared"
        raise TypeError(message)
    has_mask = "compatibility_mask" in names
    return HeaderSpec(kind, kind.name, record, kind.section, has_mask, data, memory, area)


_CORIM = FileData(size=by("size_bytes"), is_padded=False, empty="stored")

HEADERS: Mapping[HeaderType, HeaderSpec] = {
    spec.header_type: spec
    for spec in (
        _declare(HeaderType.SUPPORTED_PLATFORM, platform.SupportedPlatform),
        _declare(HeaderType.GUEST_POLICY, initialization.GuestPolicy),
        _declare(
            HeaderType.RELOCATABLE_REGION,
            initialization.RelocatableRegion,
            memory=GuestMemory(address="relocation_region_gpa", size=by("relocation_region_size")),
        ),
        _declare(
            HeaderType.PAGE_TABLE_RELOCATION_REGION,
            initialization.PageTableRelocation,
            memory=GuestMemory(size=by("size")),
        ),
        _declare(HeaderType.CORIM_DOCUMENT, initialization.CorimDocument, data=_CORIM),
        _declare(HeaderType.CORIM_SIGNATURE, initialization.CorimSignature, data=_CORIM),
        _declare(HeaderType.CCA_POLICY, initialization.CCAPolicy),
        _declare(HeaderType.VERSION_STRING, None),
        _declare(
            HeaderType.PARAMETER_AREA,
            directive.ParameterArea,
            data=FileData(size=by("number_of_bytes")),
            area=AreaUse(act="declare"),
        ),
        _declare(
            HeaderType.PAGE_DATA,
            directive.PageData,
            data=FileData(size=PAGE),
            memory=GuestMemory(size=PAGE, is_filled=True),
        ),
        _declare(
            HeaderType.PARAMETER_INSERT,
            directive.ParameterInsert,
            memory=GuestMemory(size=AREA, is_filled=True),
            area=AreaUse(act="insert"),
        ),
        _declare(
            HeaderType.VP_CONTEXT,
            directive.VPContext,
            data=FileData(size=CONTEXT, empty="refused"),
            memory=GuestMemory(size=CONTEXT),
        ),
        _declare(
            HeaderType.REQUIRED_MEMORY,
            directive.RequiredMemory,
            memory=GuestMemory(size=by("number_of_bytes")),
        ),
        _declare(HeaderType.VP_COUNT_PARAMETER, directive.VPCount),
        _declare(HeaderType.SRAT, directive.SRAT),
        _declare(HeaderType.MADT, directive.MADT),
        _declare(HeaderType.MMIO_RANGES, directive.MMIORanges),
        _declare(HeaderType.SNP_ID_BLOCK, directive.SNPIDBlock),
        _declare(HeaderType.MEMORY_MAP, directive.MemoryMap),
        _declare(
            HeaderType.ERROR_RANGE,
            directive.ErrorRange,
            memory=GuestMemory(size=by("size_bytes"), is_filled=True),
        ),
        _declare(HeaderType.COMMAND_LINE, directive.CommandLine),
        _declare(HeaderType.SLIT, directive.SLIT),
        _declare(HeaderType.PPTT, directive.PPTT),
        _declare(HeaderType.VBS_MEASUREMENT, directive.VBSMeasurement),
        _declare(HeaderType.DEVICE_TREE, directive.DeviceTree),
        _declare(HeaderType.ENVIRONMENT_INFO_PARAMETER, directive.EnvironmentInfo),
    )
}
"""Every header type that the specification gives a structure."""

TYPE_OF: Mapping[type[Record], HeaderType] = {
    spec.record: kind for kind, spec in HEADERS.items() if spec.record is not None
}
"""The header type of a record class."""


def type_of(record: HeaderRecord) -> HeaderType:
    """The header type that `record` is written with.

    Raises:
        FormatError: it is not the structure of a header.
    """
    if isinstance(record, UnknownHeader):
        return record.header_type
    if isinstance(record, initialization.VersionString):
        return HeaderType.VERSION_STRING
    header_type = TYPE_OF.get(type(record))
    if header_type is None:
        message = f"a {type(record).__name__} is not the structure of a header"
        raise FormatError(message)
    return header_type


def decode(kind: HeaderType, body: bytes | memoryview) -> HeaderRecord:
    """The typed record in a body; an UnknownHeader where type, length or text do not fit."""
    spec = HEADERS.get(kind)
    if spec is None:
        return UnknownHeader(kind, bytes(body))
    if spec.record is not None:
        return (
            spec.record.unpack_from(body)
            if len(body) == spec.record.SIZE
            else UnknownHeader(kind, bytes(body))
        )
    try:
        return initialization.VersionString.parse(bytes(body))
    except ValueError:
        return UnknownHeader(kind, bytes(body))
