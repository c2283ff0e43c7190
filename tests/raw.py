"""Writes small files byte by byte, right or wrong, without the code under test."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

PAGE = 4096


class Raw(NamedTuple):
    """A file in pieces, each of which a test may bend before it is put together."""

    headers: bytes
    """The variable headers."""
    data: bytes = b""
    """What follows them."""
    version: int = 1
    architecture: int = 0
    page_size: int = PAGE
    gap: bytes = b""
    """Bytes between the fixed header and the variable headers."""
    total: int | None = None
    """total_file_size, where it is not the truth."""
    checksum: int | None = None
    """The checksum, where it is not the truth."""

    def file(self) -> bytes:
        """The bytes of the file."""
        size = 24 if self.version == 1 else 32
        offset = size + len(self.gap)
        total = offset + len(self.headers) + len(self.data) if self.total is None else self.total
        tail = b"" if self.version == 1 else struct.pack("<II", self.architecture, self.page_size)
        start = struct.pack("<4sIIII", b"IGVM", self.version, offset, len(self.headers), total)
        checksum = self.checksum
        if checksum is None:
            checksum = zlib.crc32(start + bytes(4) + tail + self.headers)
        return start + struct.pack("<I", checksum) + tail + self.gap + self.headers + self.data


def header(kind: int, body: bytes, *, padding: int = 0) -> bytes:
    """One variable header with its padding."""
    return struct.pack("<II", kind, len(body)) + body + bytes([padding]) * (-len(body) % 8)


def platform(
    kind: int = 0, mask: int = 1, *, vtl: int = 0, version: int = 1, boundary: int = 0
) -> bytes:
    """A SUPPORTED_PLATFORM header."""
    return header(0x1, struct.pack("<IBBHQ", mask, vtl, kind, version, boundary))


def page(gpa: int, offset: int = 0, *, mask: int = 1, flags: int = 0, kind: int = 0) -> bytes:
    """A PAGE_DATA header."""
    return header(0x302, struct.pack("<QIIIHH", gpa, mask, offset, flags, kind, 0))


def area(index: int, size: int = PAGE, offset: int = 0) -> bytes:
    """A PARAMETER_AREA header."""
    return header(0x301, struct.pack("<QII", size, index, offset))


def parameter(kind: int, index: int, offset: int = 0) -> bytes:
    """A header of one of the parameter types."""
    return header(kind, struct.pack("<II", index, offset))


def insert(index: int, gpa: int, mask: int = 1) -> bytes:
    """A PARAMETER_INSERT header."""
    return header(0x303, struct.pack("<QII", gpa, mask, index))


def context(offset: int, *, mask: int = 1, gpa: int = 0, index: int = 0, padding: int = 0) -> bytes:
    """A VP_CONTEXT header."""
    return header(0x304, struct.pack("<QIIHH", gpa, mask, offset, index, 0), padding=padding)
