"""OVMF's tables: the GUIDs at its end, and the SEV metadata that they lead to (edk2, OvmfPkg)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from igvm.errors import FormatError
from igvm.wire.openenum import OpenEnum

if TYPE_CHECKING:
    from collections.abc import Mapping

FOOTER = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
"""The entry that ends the table; its size is that of all."""
SEV_METADATA = UUID("dc886566-984a-4798-a75e-5585a7bf67cc")
SEV_HASH_TABLE = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
"""Where the firmware wants the hashes of a kernel: address and size, 32 bits each."""
SEV_ES_RESET = UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e")
"""Where processors other than the first start on SEV-ES and SEV-SNP, 32 bits."""

AFTER_TABLE = 32
"""Bytes of firmware after its table: the reset vector."""
_ENTRY = struct.Struct("<H16s")
"""The size of an entry and its GUID, which stand behind its data."""
_METADATA = struct.Struct("<4sIII")
_SECTION = struct.Struct("<III")
_VERSION = 1


class SectionType(OpenEnum):
    """What a section of the SEV metadata is for (OvmfSevMetadata.asm)."""

    SNP_SEC_MEM = 1
    """Memory that the firmware uses before it accepts any."""
    SNP_SECRETS = 2
    CPUID = 3
    SVSM_CAA = 4
    """The calling area of an SVSM."""
    SNP_KERNEL_HASHES = 0x10


class Section(NamedTuple):
    """Guest memory that must be there when the firmware starts."""

    gpa: int
    size: int
    """In bytes."""
    type: SectionType


def guid_table(image: bytes | memoryview) -> Mapping[UUID, bytes]:
    """The data of each entry of the table at the end of `image`, the last first.

    Args:
        image: firmware, or its last page.

    Raises:
        FormatError: there is no such table, or an entry does not fit it.
    """
    end = len(image) - AFTER_TABLE
    if end < _ENTRY.size:
        raise FormatError(
            "this is no OVMF: it is too small for a table of GUIDs at its end", offset=0
        )
    footer = end - _ENTRY.size
    size, guid = _ENTRY.unpack_from(image, footer)
    if guid != FOOTER.bytes_le:
        message = "this is no OVMF: there is no table of GUIDs at its end"
        raise FormatError(message, offset=footer)
    if not _ENTRY.size <= size <= end:
        raise FormatError(f"the firmware's table says that it has {size} bytes", offset=footer)
    start = end - size
    rest = bytes(image[start:footer])
    entries: dict[UUID, bytes] = {}
    left = len(rest)
    while left >= _ENTRY.size:
        size, guid = _ENTRY.unpack_from(rest, left - _ENTRY.size)
        if not _ENTRY.size <= size <= left:
            message = f"the firmware's table has an entry of {size} bytes"
            raise FormatError(message, offset=start + left - _ENTRY.size)
        entries.setdefault(UUID(bytes_le=guid), rest[left - size : left - _ENTRY.size])
        left -= size
    return entries


def number(data: bytes, position: int = 0) -> int | None:
    """The 32-bit number at `position` of an entry's data, counted in numbers; None past its end."""
    part = data[position * 4 : position * 4 + 4]
    return int.from_bytes(part, "little") if len(part) == 4 else None


def kernel_hash_area(entries: Mapping[UUID, bytes]) -> tuple[int, int] | None:
    """Address and size of where the firmware wants the hashes of a kernel; None for nowhere."""
    data = entries.get(SEV_HASH_TABLE, b"")
    gpa, size = number(data), number(data, 1)
    return (gpa, size) if gpa and size is not None else None


def _damaged(why: str, offset: int | None = None) -> FormatError:
    return FormatError(f"the firmware's SEV metadata is damaged: {why}", offset=offset)


def sev_sections(image: bytes | memoryview) -> list[Section]:
    """The sections of the SEV metadata, in their order; none where the image has no metadata.

    Raises:
        FormatError: there is no table of GUIDs, or the metadata is damaged.
    """
    entries = guid_table(image)
    if SEV_METADATA not in entries:
        return []
    back = number(entries[SEV_METADATA]) or 0
    if not _METADATA.size <= back <= len(image):
        raise _damaged(f"it is said to start {back} bytes before the end")
    start = len(image) - back
    magic, size, version, count = _METADATA.unpack_from(image, start)
    if (magic, version) != (b"ASEV", _VERSION):
        raise _damaged("it does not begin with ASEV and version 1", start)
    if not _METADATA.size + count * _SECTION.size <= size <= back:
        raise _damaged(f"{count} sections do not fit its {size} bytes", start)
    first = start + _METADATA.size
    table = bytes(image[first : first + count * _SECTION.size])
    return [
        Section(gpa, size, SectionType(kind)) for gpa, size, kind in _SECTION.iter_unpack(table)
    ]
