"""Windows DLLs with resources, byte by byte, as the PE format has them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS = 0x1000
"""Where the section of the resources is in memory."""
OFFSET = 0x400
"""Where it is in the file."""
HIGH = 1 << 31
DLL, PROGRAM = 0x2022, 0x22


def table(*entries: tuple[int, int], named: int = 0) -> bytes:
    """A table of the resource directory."""
    head = struct.pack("<12xHH", named, len(entries) - named)
    return head + b"".join(struct.pack("<II", *entry) for entry in entries)


def name(text: str) -> bytes:
    """A name in the resource directory."""
    return struct.pack("<H", len(text)) + text.encode("utf-16-le")


def directory(resources: Mapping[int, bytes], kind: str = "VMFW") -> bytes:
    """A section with one named type of resources, by their numbers."""
    languages = 24 + 16 + 8 * len(resources)
    leaves = languages + 24 * len(resources)
    names = leaves + 16 * len(resources)
    start = -(-(names + 2 + 2 * len(kind)) // 16) * 16
    ids, tables, data = [], b"", b""
    entries = b""
    for number, (identifier, content) in enumerate(resources.items()):
        ids.append((identifier, HIGH | languages + 24 * number))
        tables += table((0x409, leaves + 16 * number))
        entries += struct.pack("<IIII", ADDRESS + start + len(data), len(content), 0, 0)
        data += content
    head = table((HIGH | names, HIGH | 24), named=1) + table(*ids)
    return (head + tables + entries + name(kind)).ljust(start, b"\0") + data


def image(
    section: bytes, *, flags: int = DLL, subsystem: int = 3, title: bytes = b".rsrc", count: int = 1
) -> bytes:
    """A PE32+ image with one section, which is that of the resources."""
    optional = bytearray(240)
    struct.pack_into("<H", optional, 0, 0x20B)
    struct.pack_into("<H", optional, 68, subsystem)
    struct.pack_into("<I", optional, 108, 16)
    struct.pack_into("<II", optional, 128, ADDRESS, len(section))
    coff = struct.pack("<HHIIIHH", 0x8664, count, 0, 0, 0, len(optional), flags)
    placed = struct.pack("<8sIIII16x", title, len(section), ADDRESS, len(section), OFFSET)
    start = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    return (start + b"PE\0\0" + coff + optional + placed).ljust(OFFSET, b"\0") + section


def dll(resources: Mapping[int, bytes], kind: str = "VMFW") -> bytes:
    """A DLL with resources of one type."""
    return image(directory(resources, kind))
