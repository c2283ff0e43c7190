"""A second writer, as plain as the reference's: one dictionary from bytes to offset."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple


class Entry(NamedTuple):
    """A whole header, where in it the file_offset is, and its data as it is to be stored."""

    raw: bytes
    at: int = 0
    data: bytes | None = None


def layout(entries: list[Entry]) -> bytes:
    """A version 1 file of these headers."""
    size = sum(len(entry.raw) for entry in entries)
    offsets: dict[bytes, int] = {}
    headers = data = b""
    for entry in entries:
        raw = bytearray(entry.raw)
        if entry.data is not None:
            if entry.data not in offsets:
                offsets[entry.data] = 24 + size + len(data)
                data += entry.data
            raw[entry.at : entry.at + 4] = offsets[entry.data].to_bytes(4, "little")
        headers += raw
    start = struct.pack("<4sIIII", b"IGVM", 1, 24, size, 24 + size + len(data))
    checksum = zlib.crc32(start + bytes(4) + headers)
    return start + checksum.to_bytes(4, "little") + headers + data
