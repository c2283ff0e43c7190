"""The last page of an OVMF: its table of GUIDs, and the SEV metadata that it leads to."""

from __future__ import annotations

import struct

from igvm.sources.ovmf import AFTER_TABLE, FOOTER, SEV_METADATA
from tests.small_files import raw

SEC_MEM, SECRETS, CPUID, KERNEL_HASHES = 1, 2, 3, 0x10


def _entry(data: bytes, guid: bytes) -> bytes:
    """An entry: its data, its size, which counts itself and the GUID, and the GUID."""
    return data + struct.pack("<H", len(data) + 18) + guid


def ovmf_page(*sections: tuple[int, int, int], magic: bytes = b"ASEV") -> bytes:
    """A page with SEV metadata of `sections`: address, size and type of each."""
    table = b"".join(struct.pack("<III", *section) for section in sections)
    metadata = magic + struct.pack("<III", 16 + len(table), 1, len(sections)) + table
    size = 22  # of the entry that says where the metadata is
    back = len(metadata) + size + 18 + AFTER_TABLE
    entries = _entry(struct.pack("<I", back), SEV_METADATA.bytes_le)
    footer = struct.pack("<H", len(entries) + 18) + FOOTER.bytes_le
    return (metadata + entries + footer + bytes(AFTER_TABLE)).rjust(raw.PAGE_SIZE, b"\x90")
