"""Headers and files byte by byte, right or wrong, without the code under test."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE_SIZE = 4096

# A file_offset from here on stands for a piece of data, see `at`. No small file is so large.
_MARK = 0xF0000000
_OFFSET_FIELDS = {0x104: 12, 0x105: 12, 0x301: 20, 0x302: 20, 0x304: 20}
"""Where file_offset is in the headers that have one, by type."""


class RawFile(NamedTuple):
    """A file in pieces, each of which a test may bend before it is put together."""

    headers: bytes
    """The variable headers."""
    data: bytes = b""
    """What follows them."""
    version: int = 1
    architecture: int = 0
    page_size: int = PAGE_SIZE
    gap: bytes = b""
    """Bytes between the fixed header and the variable headers."""
    total: int | None = None
    """total_file_size, where it is not the truth."""
    checksum: int | None = None
    """The checksum, where it is not the truth."""

    @property
    def data_start(self) -> int:
        """Where the data lies in the file."""
        return fixed_size(self.version) + len(self.gap) + len(self.headers)

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        offset = fixed_size(self.version) + len(self.gap)
        total = self.data_start + len(self.data) if self.total is None else self.total
        tail = b"" if self.version == 1 else struct.pack("<II", self.architecture, self.page_size)
        start = struct.pack("<4sIIII", b"IGVM", self.version, offset, len(self.headers), total)
        checksum = self.checksum
        if checksum is None:
            checksum = zlib.crc32(start + bytes(4) + tail + self.headers)
        return start + struct.pack("<I", checksum) + tail + self.gap + self.headers + self.data


def file(*headers: bytes, data: bytes | Sequence[bytes] = b"", **fixed: Any) -> bytes:
    """A file of `headers`, where `at(n)` is the place of the n-th piece of `data`.

    Args:
        headers: one or more headers each.
        data: the file data, whole or in pieces.
        fixed: what else RawFile takes.
    """
    pieces = [data] if isinstance(data, bytes) else data
    drawn = RawFile(b"".join(headers), b"".join(pieces), **fixed)
    starts = [drawn.data_start + sum(map(len, pieces[:index])) for index in range(len(pieces))]
    return drawn._replace(headers=settled(drawn.headers, dict(enumerate(starts)))).to_bytes()


def at(number: int) -> int:
    """A file_offset that becomes the place of a piece of the file's data; more may be added."""
    return _MARK | number << 16


def settled(headers: bytes, places: Mapping[int, int]) -> bytes:
    """`headers` with each `at(n)` as the place of the n-th piece of data."""
    section = bytearray(headers)
    position = 0
    while position + 8 <= len(section):
        kind, length = struct.unpack_from("<II", section, position)
        field = position + _OFFSET_FIELDS.get(kind & 0x7FFFFFFF, len(section))
        if field + 4 <= min(len(section), position + 8 + length):
            (offset,) = struct.unpack_from("<I", section, field)
            place = places.get(offset - _MARK >> 16)
            if place is not None:
                struct.pack_into("<I", section, field, place + (offset & 0xFFFF))
        position += 8 + (length + 7 & ~7)
    return bytes(section)


def fixed_size(version: int) -> int:
    """Bytes of the fixed header of a format version."""
    return 24 if version == 1 else 32


def with_checksum(data: bytes | bytearray) -> bytes:
    """`data` with the right checksum, where it has a fixed header to hold one."""
    if len(data) < 32:
        return bytes(data)
    version, offset, size = struct.unpack_from("<III", data, 4)
    length = fixed_size(version)
    start = bytes(data[:20]) + bytes(4) + bytes(data[24:length])
    checksum = zlib.crc32(start + bytes(data[offset : offset + size]))
    return bytes(data[:20]) + struct.pack("<I", checksum) + bytes(data[24:])


def header(kind: int, body: bytes, *, padding: int = 0) -> bytes:
    """One variable header with its padding."""
    return struct.pack("<II", kind, len(body)) + body + bytes([padding]) * (-len(body) % 8)


def platform(
    kind: int = 0, mask: int = 1, *, vtl: int = 0, version: int = 1, boundary: int = 0
) -> bytes:
    """A SUPPORTED_PLATFORM header."""
    return header(0x1, struct.pack("<IBBHQ", mask, vtl, kind, version, boundary))


def policy(value: int = 0x30000, mask: int = 1, *, reserved: int = 0) -> bytes:
    """A GUEST_POLICY header; without a value it is one that SNP takes."""
    return header(0x101, struct.pack("<QII", value, mask, reserved))


def region(
    gpa: int = 0x1000,
    size: int = PAGE_SIZE,
    *,
    mask: int = 1,
    vp: int = 0,
    vtl: int = 0,
    flags: int = 0,
    alignment: int = PAGE_SIZE,
    low: int = 0,
    high: int = 0,
) -> bytes:
    """A RELOCATABLE_REGION header."""
    body = struct.pack("<IHBBQQQQQ", mask, vp, vtl, flags, alignment, gpa, size, low, high)
    return header(0x102, body)


def page_tables(
    gpa: int = 0x10000,
    size: int = PAGE_SIZE,
    used: int = 0,
    *,
    mask: int = 1,
    vp: int = 0,
    vtl: int = 0,
) -> bytes:
    """A PAGE_TABLE_RELOCATION_REGION header."""
    return header(0x103, struct.pack("<IHBBQQQ", mask, vp, vtl, 0, gpa, size, used))


def corim(kind: int, mask: int = 1, offset: int = 0, size: int = 0) -> bytes:
    """A CORIM_DOCUMENT (0x104) or CORIM_SIGNATURE (0x105) header."""
    return header(kind, struct.pack("<IIII", mask, offset, size, 0))


def cca_policy(
    mask: int = 1,
    zeroes: int = 0,
    ones: int = 0,
    *,
    algorithm: int = 0,
    reserved: bytes = bytes(10),
) -> bytes:
    """A CCA_POLICY header; `algorithm` is its hash, `reserved` both reserved fields."""
    body = struct.pack("<I4sQQBB6s", mask, reserved[:4], zeroes, ones, algorithm, 0, reserved[4:])
    return header(0x106, body)


def area(index: int, size: int = PAGE_SIZE, offset: int = 0) -> bytes:
    """A PARAMETER_AREA header."""
    return header(0x301, struct.pack("<QII", size, index, offset))


def parameter(kind: int, index: int, offset: int = 0) -> bytes:
    """A header of one of the parameter types."""
    return header(kind, struct.pack("<II", index, offset))


def page(gpa: int, offset: int = 0, *, mask: int = 1, flags: int = 0, kind: int = 0) -> bytes:
    """A PAGE_DATA header; `kind` is the data type."""
    return header(0x302, struct.pack("<QIIIHH", gpa, mask, offset, flags, kind, 0))


def insert(index: int, gpa: int, mask: int = 1) -> bytes:
    """A PARAMETER_INSERT header."""
    return header(0x303, struct.pack("<QII", gpa, mask, index))


def context(offset: int, *, mask: int = 1, gpa: int = 0, index: int = 0, padding: int = 0) -> bytes:
    """A VP_CONTEXT header."""
    return header(0x304, struct.pack("<QIIHH", gpa, mask, offset, index, 0), padding=padding)


def required(
    gpa: int = 0, size: int = 0, *, mask: int = 1, flags: int = 0, reserved: int = 0
) -> bytes:
    """A REQUIRED_MEMORY header."""
    return header(0x305, struct.pack("<QIIII", gpa, mask, size, flags, reserved))


def error_range(gpa: int, size: int, mask: int = 1) -> bytes:
    """An ERROR_RANGE header."""
    return header(0x30D, struct.pack("<QII", gpa, mask, size))


def register(name: int, value: int | bytes = 0, *, vtl: int = 0, mbz: int = 0) -> bytes:
    """One VBS register as it lies in a file; `mbz` is each of the bytes that must be zero."""
    stored = value if isinstance(value, bytes) else value.to_bytes(16, "little")
    return struct.pack("<BI11s16s", vtl, name, bytes([mbz]) * 11, stored)


def register_list(
    *registers: int | tuple[int, int | bytes] | bytes, vtl: int = 0, count: int | None = None
) -> bytes:
    """A counted list of VBS registers.

    Args:
        registers: a name, which has the value 0; a name and a value; or what `register` gives.
        vtl: that of the registers that do not have theirs already.
        count: how many there are said to be, where it is not the truth.
    """
    packed = [
        entry
        if isinstance(entry, bytes)
        else register(*(entry if isinstance(entry, tuple) else (entry,)), vtl=vtl)
        for entry in registers
    ]
    return struct.pack("<I", len(packed) if count is None else count) + b"".join(packed)
