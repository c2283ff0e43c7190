"""Small firmware with the tables that OVMF has, and real firmware from a file of the corpus."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import igvm
from igvm.launch.directives import directives
from igvm.launch.flash import Flash
from igvm.sources import ovmf as tables
from igvm.sources.tdvf import TDX_METADATA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

AP_START = 0x80B004
SECTIONS = (
    (0x800000, 0x2000, 1),
    (0x80D000, 0x1000, 2),
    (0x80E000, 0x1000, 3),
    (0x80F000, 0x1000, 4),
    (0x810000, 0x1000, 0x10),
)
"""One section of every type that there is."""


class TDSection(NamedTuple):
    """A section of the TDVF metadata, as it is stored."""

    data_offset: int
    data_size: int
    gpa: int
    size: int
    type: int
    attributes: int = 0

    @classmethod
    def memory(cls, gpa: int, size: int, kind: int, attributes: int = 0) -> TDSection:
        """One without bytes in the firmware."""
        return cls(0, 0, gpa, size, kind, attributes)


def td_sections(size: int) -> list[TDSection]:
    """What OVMF of `size` bytes asks for, of which the first page has its variables."""
    start = (1 << 32) - size
    return [
        TDSection(4096, size - 4096, start + 4096, size - 4096, 0, 1),
        TDSection(0, 4096, start, 4096, 1),
        TDSection.memory(0x810000, 0x2000, 3),
        TDSection.memory(0x809000, 0x2000, 2),
        TDSection.memory(0x820000, 0x1000, 3, 1),
    ]


def entry(guid: UUID, data: bytes) -> bytes:
    """An entry of the table of GUIDs."""
    return data + struct.pack("<H16s", len(data) + 18, guid.bytes_le)


def number_entry(guid: UUID, *numbers: int) -> bytes:
    """An entry with numbers of 32 bits."""
    return entry(guid, struct.pack(f"<{len(numbers)}I", *numbers))


def firmware(
    *,
    size: int = 0x3000,
    sections: Sequence[tuple[int, int, int]] | None = SECTIONS,
    hash_area: tuple[int, int] | None = (0x810C00, 0x400),
    ap_start: int | None = AP_START,
    td: Sequence[TDSection] | None = None,
    seed: int = 7,
) -> bytes:
    """Firmware with each table that is asked for.

    Args:
        size: in bytes, whole pages.
        sections: of the SEV metadata; None for no metadata.
        hash_area: where hashes of a kernel go; None for nowhere.
        ap_start: where vCPUs but the first start; None for no SEV-ES reset block.
        td: sections of the TDVF metadata; None for no metadata.
        seed: what the rest of the bytes depends on.
    """
    image = bytearray((index * seed + (index >> 8)) & 255 for index in range(size))
    entries = b""
    at = size - 0x1000
    if td is not None:
        body = b"".join(struct.pack("<IIQQII", *section) for section in td)
        blob = struct.pack("<4sIII", b"TDVF", 16 + len(body), 1, len(td)) + body
        image[at : at + len(blob)] = blob
        entries += number_entry(TDX_METADATA, size - at)
        at += len(blob)
    if sections is not None:
        body = b"".join(struct.pack("<III", *section) for section in sections)
        blob = struct.pack("<4sIII", b"ASEV", 16 + len(body), 1, len(sections)) + body
        image[at : at + len(blob)] = blob
        entries += number_entry(tables.SEV_METADATA, size - at)
    if hash_area is not None:
        entries += number_entry(tables.SEV_HASH_TABLE, *hash_area)
    if ap_start is not None:
        entries += number_entry(tables.SEV_ES_RESET, ap_start)
    entries += struct.pack("<H16s", len(entries) + 18, tables.FOOTER.bytes_le)
    image[size - 32 - len(entries) : size - 32] = entries
    return bytes(image)


def real_firmware(corpus: Path, name: str = "OVMF_native_c1") -> bytes:
    """The image of Debian's package ovmf 2026.08 inside a file of the corpus."""
    with igvm.open(corpus / "tools" / f"buildigvm_{name}.igvm") as file:
        platform = next(iter(file.platforms))
        return bytes(Flash(directives(file, platform.type, platform.mask)).image)
