"""What every file starts with: the fixed header of both versions, and the type-length prefix."""

from __future__ import annotations

from igvm.spec.enums import PAGE_SIZE_4K, Architecture
from igvm.wire.record import Record, enum32, field, u32

MAGIC = 0x4D564749
"""IGVM_MAGIC_VALUE: the bytes `IGVM`."""

FORMAT_VERSION_1 = 1
FORMAT_VERSION_2 = 2


class FixedHeaderV1(Record):
    """IGVM_FIXED_HEADER: the start of a version 1 file, which is X64 with pages of 4 KiB."""

    magic: u32 = field(default=MAGIC)
    """Must be 0x4D564749, the bytes IGVM."""
    format_version: u32 = field(default=FORMAT_VERSION_1)
    """The version a loader must support; 1."""
    variable_header_offset: u32
    """Where the variable headers start. At least the fixed header's size, a multiple of 8."""
    variable_header_size: u32
    """Bytes of all variable headers."""
    total_file_size: u32
    """Bytes of the file."""
    checksum: u32 = field(default=0)
    """CRC-32 of the fixed header, this field zero, and the variable headers; not of file data."""


class FixedHeaderV2(Record):
    """IGVM_FIXED_HEADER_V2: the start of a version 2 file."""

    magic: u32 = field(default=MAGIC)
    """Must be 0x4D564749, the bytes IGVM."""
    format_version: u32 = field(default=FORMAT_VERSION_2)
    """The version a loader must support; at least 2."""
    variable_header_offset: u32
    """Where the variable headers start. At least the fixed header's size, a multiple of 8."""
    variable_header_size: u32
    """Bytes of all variable headers."""
    total_file_size: u32
    """Bytes of the file."""
    checksum: u32 = field(default=0)
    """CRC-32 of the fixed header, this field zero, and the variable headers; not of file data."""
    architecture: enum32[Architecture]
    """The processor the file is for."""
    page_size: u32 = field(default=PAGE_SIZE_4K)
    """Bytes of a page wherever the format says page. A power of two; loaders take 4096 only."""


class VariableHeader(Record):
    """IGVM_VHS_VARIABLE_HEADER: what precedes each structure, at a multiple of 8."""

    type: u32
    """The HeaderType, with bit 31 set where a loader may skip a header it does not know."""
    length: u32
    """Bytes of the structure; zero padding up to a multiple of 8 follows and is not counted."""
