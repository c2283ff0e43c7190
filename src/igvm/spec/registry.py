"""The one table of header types: which record, which section, which name."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


class HeaderSpec(msgspec.Struct, frozen=True, gc=False):
    """What the project knows of one header type."""

    header_type: HeaderType
    name: str
    """The C name without its prefix, as users know it: `PAGE_DATA`."""
    record: type[Record] | None
    """The structure, or None where the body is not of a fixed size."""
    section: Section
    has_mask: bool
    """Whether a compatibility mask says whom the header is for."""

    @property
    def c_name(self) -> str:
        """The name in igvm_defs."""
        return f"IGVM_VHT_{self.name}"


_RECORDS: dict[HeaderType, type[Record] | None] = {
    HeaderType.SUPPORTED_PLATFORM: platform.SupportedPlatform,
    HeaderType.GUEST_POLICY: initialization.GuestPolicy,
    HeaderType.RELOCATABLE_REGION: initialization.RelocatableRegion,
    HeaderType.PAGE_TABLE_RELOCATION_REGION: initialization.PageTableRelocation,
    HeaderType.CORIM_DOCUMENT: initialization.CorimDocument,
    HeaderType.CORIM_SIGNATURE: initialization.CorimSignature,
    HeaderType.CCA_POLICY: initialization.CCAPolicy,
    HeaderType.VERSION_STRING: None,
    HeaderType.PARAMETER_AREA: directive.ParameterArea,
    HeaderType.PAGE_DATA: directive.PageData,
    HeaderType.PARAMETER_INSERT: directive.ParameterInsert,
    HeaderType.VP_CONTEXT: directive.VPContext,
    HeaderType.REQUIRED_MEMORY: directive.RequiredMemory,
    HeaderType.VP_COUNT_PARAMETER: directive.VPCount,
    HeaderType.SRAT: directive.SRAT,
    HeaderType.MADT: directive.MADT,
    HeaderType.MMIO_RANGES: directive.MMIORanges,
    HeaderType.SNP_ID_BLOCK: directive.SNPIDBlock,
    HeaderType.MEMORY_MAP: directive.MemoryMap,
    HeaderType.ERROR_RANGE: directive.ErrorRange,
    HeaderType.COMMAND_LINE: directive.CommandLine,
    HeaderType.SLIT: directive.SLIT,
    HeaderType.PPTT: directive.PPTT,
    HeaderType.VBS_MEASUREMENT: directive.VBSMeasurement,
    HeaderType.DEVICE_TREE: directive.DeviceTree,
    HeaderType.ENVIRONMENT_INFO_PARAMETER: directive.EnvironmentInfo,
}


def _spec(kind: HeaderType, record: type[Record] | None) -> HeaderSpec:
    has_mask = record is not None and any(
        item.name == "compatibility_mask" for item in record.FIELDS
    )
    return HeaderSpec(kind, kind.name, record, kind.section, has_mask)


HEADERS: Mapping[HeaderType, HeaderSpec] = {
    kind: _spec(kind, record) for kind, record in _RECORDS.items()
}
"""Every header type that the specification gives a structure."""

TYPE_OF: Mapping[type[Record], HeaderType] = {
    record: kind for kind, record in _RECORDS.items() if record is not None
}
"""The header type of a record class."""

PARAMETER_TYPES = frozenset(
    kind
    for kind, record in _RECORDS.items()
    if record is not None and issubclass(record, directive.Parameter)
)
"""The types whose structure is IGVM_VHS_PARAMETER."""


def type_of(record: HeaderRecord) -> HeaderType:
    """The header type that `record` is written with.

    Raises:
        FormatError: it is not the structure of a header.
    """
    if isinstance(record, UnknownHeader):
        return record.header_type
    if isinstance(record, initialization.VersionString):
        return HeaderType.VERSION_STRING
    found = TYPE_OF.get(type(record))
    if found is None:
        message = f"a {type(record).__name__} is not the structure of a header"
        raise FormatError(message)
    return found


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
