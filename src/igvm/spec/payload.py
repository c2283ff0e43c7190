"""What a loader writes into a parameter area."""

from __future__ import annotations

from igvm.spec.enums import EnvironmentInfoFlags, MemoryMapEntryType
from igvm.wire.record import Record, array, enum16, field, flags32, u16, u32, u64


class MemoryRange(Record):
    """IGVM_VHS_MEMORY_RANGE: a run of pages."""

    starting_gpa_page_number: u64
    """The first page's gpa divided by 4096."""
    number_of_pages: u64
    """Pages of 4 KiB."""


class MMIORangesPayload(Record):
    """IGVM_VHS_MMIO_RANGES: the two MMIO ranges of a guest, for an MMIO_RANGES parameter."""

    mmio_ranges: array[MemoryRange] = field(count=2)
    """The ranges; a device tree is needed for more than two."""


class MemoryMapEntry(Record):
    """IGVM_VHS_MEMORY_MAP_ENTRY: one range, for a MEMORY_MAP parameter; zero pages end the map."""

    starting_gpa_page_number: u64
    """The first page's gpa divided by 4096. Ascending from entry to entry."""
    number_of_pages: u64
    """Pages of 4 KiB; zero in the last entry."""
    entry_type: enum16[MemoryMapEntryType] = field(default=MemoryMapEntryType.MEMORY)
    """The kind of memory."""
    flags: u16 = field(default=0)
    """Flags of the entry; none are defined."""
    reserved: u32 = field(default=0)
    """Must be zero."""


class EnvironmentInfoPayload(Record):
    """IgvmEnvironmentInfo, for an ENVIRONMENT_INFO_PARAMETER."""

    flags: flags32[EnvironmentInfoFlags] = field(default=EnvironmentInfoFlags(0))
    """State of the environment; the other bits are reserved."""


class VPCountPayload(Record):
    """The u32 of a VP_COUNT_PARAMETER."""

    vp_count: u32
    """Virtual processors that the host means to start."""
