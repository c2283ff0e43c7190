"""The fixed header as the reference reads it, in its order and with its 32-bit sums."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from igvm.checks.reference.rejection import Stop
from igvm.spec.enums import PAGE_SIZE_4K, Architecture
from igvm.spec.fixed import MAGIC, FixedHeaderV1, FixedHeaderV2

if TYPE_CHECKING:
    from collections.abc import Callable

_U32 = 0xFFFFFFFF


class Fixed(msgspec.Struct, frozen=True, gc=False):
    """A buffer and the fixed header at its start; zeroes where the buffer is too short for it."""

    buffer: memoryview
    fields: FixedHeaderV2
    """Every field that either version has."""

    @classmethod
    def read(cls, buffer: memoryview) -> Fixed:
        """The fixed header of `buffer`, whatever it holds."""
        start = bytes(buffer[: FixedHeaderV2.SIZE]).ljust(FixedHeaderV2.SIZE, b"\0")
        return cls(buffer, FixedHeaderV2.unpack_from(start))

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.buffer)

    @property
    def header_size(self) -> int:
        """Bytes of the fixed header of the version that it names."""
        return FixedHeaderV2.SIZE if self.fields.format_version == 2 else FixedHeaderV1.SIZE

    @property
    def data_start(self) -> int:
        """Where the crate takes the file data to start: a sum that wraps at 32 bits."""
        return self.fields.variable_header_offset + self.fields.variable_header_size & _U32

    @property
    def checksum(self) -> int:
        """The checksum that the crate computes."""
        start = self.fields.variable_header_offset
        section = self.buffer[start : start + self.fields.variable_header_size]
        return zlib.crc32(
            section, zlib.crc32(self.fields.replace(checksum=0).pack()[: self.header_size])
        )


class FixedCheck(msgspec.Struct, frozen=True):
    """One thing that the crate wants of the fixed header."""

    rule: str
    field: str | None
    breaks: Callable[[Fixed], bool]
    """Whether a header that passed the checks before this one fails it."""
    found: str
    """What was found, with {value} and {size}."""
    words: str


FIXED_CHECKS = (
    FixedCheck(
        "InvalidFixedHeader",
        None,
        lambda fixed: fixed.size < FixedHeaderV1.SIZE,
        "the file has {size} bytes",
        f"a fixed header has {FixedHeaderV1.SIZE}",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "magic",
        lambda fixed: fixed.fields.magic != MAGIC,
        "magic is {value:#010x}",
        f"it must be {MAGIC:#010x}",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "format_version",
        lambda fixed: fixed.fields.format_version not in {1, 2},
        "format_version is {value}",
        "it must be 1 or 2",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        None,
        lambda fixed: fixed.size < fixed.header_size,
        "the file has {size} bytes",
        f"a version 2 fixed header has {FixedHeaderV2.SIZE}",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "architecture",
        lambda fixed: (
            fixed.fields.format_version == 2
            and fixed.fields.architecture not in {Architecture.X64, Architecture.AARCH64}
        ),
        "architecture is {value}",
        "it must be 0 (X64) or 1 (AArch64)",
    ),
    FixedCheck(
        "UnsupportedPageSize",
        "page_size",
        lambda fixed: fixed.fields.format_version == 2 and fixed.fields.page_size != PAGE_SIZE_4K,
        "page_size is {value}",
        "",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "total_file_size",
        lambda fixed: fixed.fields.total_file_size != fixed.size,
        "total_file_size is {value} and the file has {size} bytes",
        "the two must be equal",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "variable_header_offset",
        lambda fixed: fixed.fields.variable_header_offset >= fixed.size,
        "the variable headers start at {value:#x} and the file has {size:#x} bytes",
        "they must start before the file ends",
    ),
    FixedCheck(
        "InvalidFixedHeader",
        "variable_header_size",
        lambda fixed: fixed.data_start >= fixed.size,
        "{value:#x} bytes of variable headers leave no file data in {size:#x} bytes",
        "at least one byte of file data must follow the variable headers",
    ),
    FixedCheck(
        "panic.variable-header-size",
        "variable_header_size",
        lambda fixed: (
            fixed.fields.variable_header_size > fixed.size - fixed.fields.variable_header_offset
        ),
        "variable_header_size is {value:#x} in a file of {size:#x} bytes",
        "",
    ),
    FixedCheck(
        "InvalidChecksum",
        "checksum",
        lambda fixed: fixed.fields.checksum != fixed.checksum,
        "checksum is {value:#010x} and should be {checksum:#010x}",
        "",
    ),
)
"""What the crate wants of the fixed header, in its order."""


def fixed_stop(buffer: memoryview) -> Stop | None:
    """Where the crate stops in the fixed header of `buffer`, or None."""
    fixed = Fixed.read(buffer)
    for check in FIXED_CHECKS:
        if check.breaks(fixed):
            return _stop(check, fixed)
    return None


def _stop(check: FixedCheck, fixed: Fixed) -> Stop:
    value = None if check.field is None else int(getattr(fixed.fields, check.field))
    checksum = fixed.checksum if check.field == "checksum" else 0
    offsets = {item.name: item.offset for item in FixedHeaderV2.FIELDS}
    return Stop(
        rule=check.rule,
        found=check.found.format(value=value, size=fixed.size, checksum=checksum),
        header="FIXED_HEADER",
        field=check.field,
        offset=0 if check.field is None else offsets[check.field],
        value=value,
        words=check.words,
    )
