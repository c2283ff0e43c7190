"""TDVF's table of sections: what a TD gets before it starts (Intel's TDVF design guide, edk2)."""

from __future__ import annotations

import struct
from typing import NamedTuple
from uuid import UUID

from igvm.errors import FormatError
from igvm.sources.ovmf import guid_table, number
from igvm.wire.openenum import OpenEnum

TDX_METADATA = UUID("e47a6535-984a-4798-865e-4685a7bf8ec2")
"""The entry of the firmware's table of GUIDs that leads to the sections."""

MR_EXTEND = 1
"""The attribute of a section whose contents are measured."""
PAGE = 4096

_HEADER = struct.Struct("<4sIII")
_SECTION = struct.Struct("<IIQQII")
_VERSION = 1
_FEWEST = 2


class SectionType(OpenEnum):
    """What a section is for."""

    BFV = 0
    """The firmware's code."""
    CFV = 1
    """Its variables."""
    TD_HOB = 2
    """Where the VMM writes the list of what memory there is."""
    TEMP_MEM = 3
    """Memory that the firmware uses before it accepts any."""
    PERM_MEM = 4
    PAYLOAD = 5
    PAYLOAD_PARAM = 6
    TD_INFO = 7
    TD_PARAMS = 8


FROM_IMAGE = (SectionType.BFV, SectionType.CFV)
"""The sections whose bytes are in the firmware."""
EMPTY = (SectionType.TD_HOB, SectionType.TEMP_MEM)
"""The sections that have none there."""


class Section(NamedTuple):
    """Pages that a TD gets."""

    data_offset: int
    """Where its bytes are, from the start of the whole firmware, the variables included."""
    data_size: int
    gpa: int
    """A multiple of 4 KiB."""
    size: int
    """In memory, in bytes: a multiple of 4 KiB and not less than data_size."""
    type: SectionType
    attributes: int

    @property
    def is_extended(self) -> bool:
        """Whether its contents are measured."""
        return bool(self.attributes & MR_EXTEND)


def tdvf_sections(image: bytes | memoryview) -> list[Section] | None:
    """The sections of the TDX metadata, in their order; None where the image has none.

    What is refused is what QEMU refuses (hw/i386/tdvf.c), and bytes that are not in the image.

    Raises:
        FormatError: there is no table of GUIDs, or the metadata or a section is damaged.
    """
    entries = guid_table(image)
    if TDX_METADATA not in entries:
        return None
    back = number(entries[TDX_METADATA]) or 0
    if not _HEADER.size <= back <= len(image):
        raise _damaged(f"it is said to start {back} bytes before the end")
    start = len(image) - back
    magic, size, version, count = _HEADER.unpack_from(image, start)
    if (magic, version) != (b"TDVF", _VERSION):
        raise _damaged("it does not begin with TDVF and version 1", start)
    if size != _HEADER.size + count * _SECTION.size or size > back:
        raise _damaged(f"{count} sections do not fit its {size} bytes", start)
    if count < _FEWEST:
        raise _damaged(f"it has {count} sections, and needs {_FEWEST}", start)
    first = start + _HEADER.size
    table = bytes(image[first : first + count * _SECTION.size])
    sections = []
    for index, (data_offset, data_size, gpa, in_memory, kind, attributes) in enumerate(
        _SECTION.iter_unpack(table)
    ):
        section = Section(data_offset, data_size, gpa, in_memory, SectionType(kind), attributes)
        why = _fault(section, len(image))
        if why:
            message = f"TDVF section {index} ({section.type.name}) {why}"
            raise FormatError(message, offset=first + index * _SECTION.size)
        sections.append(section)
    if not any(section.type == SectionType.TD_HOB for section in sections):
        raise _damaged("it has no TD_HOB section", start)
    return sections


def _fault(section: Section, image_size: int) -> str:
    """What is wrong with a section; empty where nothing is."""
    if section.type not in {*FROM_IMAGE, *EMPTY}:
        return "is of a type that QEMU does not take"
    if section.gpa % PAGE or section.size % PAGE:
        return f"is not of whole pages: {section.gpa:#x}, {section.size:#x} bytes"
    if not section.size:
        return "has no bytes in memory"
    if section.gpa + section.size > 1 << 64:
        return f"runs past the end of the address space from {section.gpa:#x}"
    if section.size < section.data_size:
        return f"has {section.data_size:#x} bytes for {section.size:#x} in memory"
    if section.type in EMPTY:
        return "has bytes in the firmware" if section.data_size else ""
    if not section.data_size:
        return "has no bytes in the firmware"
    if section.data_offset + section.size > image_size:
        end = section.data_offset + section.size
        return (
            f"ends at {end:#x} and the firmware at {image_size:#x}: offsets count from the start "
            "of the variables, which a file with the code alone does not have"
        )
    return ""


def _damaged(why: str, offset: int | None = None) -> FormatError:
    return FormatError(f"the firmware's TDX metadata is damaged: {why}", offset=offset)
