"""The fixed header as the reference reads it, in its order and with its 32-bit sums."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from igvm.checks.inspection.record_fields import field_offset
from igvm.checks.reference.rejection import Rejection
from igvm.checks.reference.release_types import FIXED_HEADER_SIZE
from igvm.spec.enums import PAGE_SIZE_4K, Architecture
from igvm.spec.fixed import MAGIC, FixedHeaderV2

if TYPE_CHECKING:
    from collections.abc import Callable

_U32 = 0xFFFFFFFF


class FixedHeader(msgspec.Struct, frozen=True, gc=False):
    """A buffer and the fixed header at its start; zeroes where the buffer is too short for it."""

    buffer: memoryview
    fields: FixedHeaderV2
    """Every field that either version has."""

    @classmethod
    def read(cls, buffer: memoryview) -> FixedHeader:
        """The fixed header of `buffer`, whatever it holds."""
        start = bytes(buffer[: FixedHeaderV2.SIZE]).ljust(FixedHeaderV2.SIZE, b"\0")
        return cls(buffer, FixedHeaderV2.unpack_from(start))

    @property
    def file_size(self) -> int:
        """Bytes of the file."""
        return len(self.buffer)

    @property
    def size(self) -> int:
        """Bytes of the fixed header of the version that it names."""
        return FIXED_HEADER_SIZE[2 if self.fields.format_version == 2 else 1]

    @property
    def data_start(self) -> int:
        """Where the crate takes the file data to start: a sum that wraps at 32 bits."""
        return self.fields.variable_header_offset + self.fields.variable_header_size & _U32

    @property
    def checksum(self) -> int:
        """The checksum that the crate computes."""
        start = self.fields.variable_header_offset
        section = self.buffer[start : start + self.fields.variable_header_size]
        return zlib.crc32(section, zlib.crc32(self.fields.replace(checksum=0).pack()[: self.size]))


class FixedHeaderCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the crate wants of the fixed header."""

    rule: str
    field: str | None
    """The field to blame, or None for the file as a whole."""
    breaks: Callable[[FixedHeader], bool]
    """Whether a header that passed the checks before this one fails it."""
    description: str
    """What was found, with {value}, {size} of the file and the {checksum} that is computed."""
    words: str = ""
    """The rule, where its own words do not fit this field."""


FIXED_HEADER_CHECKS = (
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field=None,
        breaks=lambda header: header.file_size < FIXED_HEADER_SIZE[1],
        description="the file has {size} bytes",
        words=f"a fixed header has {FIXED_HEADER_SIZE[1]}",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="magic",
        breaks=lambda header: header.fields.magic != MAGIC,
        description="magic is {value:#010x}",
        words=f"it must be {MAGIC:#010x}",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="format_version",
        breaks=lambda header: header.fields.format_version not in {1, 2},
        description="format_version is {value}",
        words="it must be 1 or 2",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field=None,
        breaks=lambda header: header.file_size < header.size,
        description="the file has {size} bytes",
        words=f"a version 2 fixed header has {FIXED_HEADER_SIZE[2]}",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="architecture",
        breaks=lambda header: (
            header.fields.format_version == 2
            and header.fields.architecture not in {Architecture.X64, Architecture.AARCH64}
        ),
        description="architecture is {value}",
        words="it must be 0 (X64) or 1 (AArch64)",
    ),
    FixedHeaderCheck(
        rule="UnsupportedPageSize",
        field="page_size",
        breaks=lambda header: (
            header.fields.format_version == 2 and header.fields.page_size != PAGE_SIZE_4K
        ),
        description="page_size is {value}",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="total_file_size",
        breaks=lambda header: header.fields.total_file_size != header.file_size,
        description="total_file_size is {value} and the file has {size} bytes",
        words="the two must be equal",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="variable_header_offset",
        breaks=lambda header: header.fields.variable_header_offset >= header.file_size,
        description="the variable headers start at {value:#x} and the file has {size:#x} bytes",
        words="they must start before the file ends",
    ),
    FixedHeaderCheck(
        rule="InvalidFixedHeader",
        field="variable_header_size",
        breaks=lambda header: header.data_start >= header.file_size,
        description="{value:#x} bytes of variable headers leave no file data in {size:#x} bytes",
        words="at least one byte of file data must follow the variable headers",
    ),
    FixedHeaderCheck(
        rule="panic.variable-header-size",
        field="variable_header_size",
        breaks=lambda header: (
            header.fields.variable_header_size
            > header.file_size - header.fields.variable_header_offset
        ),
        description="variable_header_size is {value:#x} in a file of {size:#x} bytes",
    ),
    FixedHeaderCheck(
        rule="InvalidChecksum",
        field="checksum",
        breaks=lambda header: header.fields.checksum != header.checksum,
        description="checksum is {value:#010x} and should be {checksum:#010x}",
    ),
)
"""What the crate wants of the fixed header, in its order."""


def fixed_header_rejection(buffer: memoryview) -> Rejection | None:
    """Where the crate stops in the fixed header of `buffer`, or None."""
    header = FixedHeader.read(buffer)
    for check in FIXED_HEADER_CHECKS:
        if check.breaks(header):
            return _rejection(check, header)
    return None


def _rejection(check: FixedHeaderCheck, header: FixedHeader) -> Rejection:
    """What `check` says of `header`, which fails it."""
    offset, value, checksum = 0, None, 0
    if check.field is not None:
        offset = field_offset(FixedHeaderV2, check.field)
        value = int(getattr(header.fields, check.field))
    if check.field == "checksum":
        checksum = header.checksum
    return Rejection(
        rule=check.rule,
        description=check.description.format(value=value, size=header.file_size, checksum=checksum),
        header="FIXED_HEADER",
        field=check.field,
        offset=offset,
        value=value,
        words=check.words,
    )
