"""Parameter areas: what is written into them, where, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, headers
from igvm.spec.directive import ParameterArea
from igvm.spec.enums import HeaderType
from igvm.spec.payload import MemoryMapEntry

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

H = HeaderType

_MOST_MAPS = 100
"""Memory maps that are looked at; a file has one."""
_LEAST = {
    H.VP_COUNT_PARAMETER: 4,
    H.ENVIRONMENT_INFO_PARAMETER: 4,
    H.MMIO_RANGES: 32,
    H.MEMORY_MAP: 24,
    H.SRAT: 48,
    H.MADT: 44,
    H.SLIT: 44,
    H.PPTT: 36,
    H.DEVICE_TREE: 40,
    H.COMMAND_LINE: 1,
}
"""The least that a loader writes: a value, one entry, the head of a table, a NUL."""


def bounds(inspected: InspectedLaunch) -> Found:
    """Looked at is the least that there is to write; a table or a command line may be longer."""
    import numpy as np

    areas = inspected.areas
    if not len(areas.user):
        return
    least = np.zeros(0x402, np.uint64)
    for kind, size in _LEAST.items():
        least[kind] = size
    room, known = areas.size_of(areas.user_area)
    past = known & (areas.user_offset.astype(np.uint64) + least[areas.user_type] > room)
    if past.any():
        rooms = room[past]
        yield Many(
            areas.user[past],
            "byte_offset",
            lambda position: f"the area has {int(rooms[position]):#x} bytes",
        )


def area_data(inspected: InspectedLaunch) -> Found:
    """Data that the guest needs must be in pages."""
    table = inspected.table(ParameterArea)
    yield from headers(table.index, table[ParameterArea.file_offset] != 0, "file_offset")


def memory_map(inspected: InspectedLaunch) -> Found:
    """The guest must take care of it itself. A map that fills its area exactly has no end."""
    index = inspected.met(H.MEMORY_MAP)
    if len(index):
        yield Many(index, "", "the file asks for a memory map")


def map_room(inspected: InspectedLaunch) -> Found:
    """edk2's parameter area is such a one: 8 ranges, and the number of vCPUs at 0xc0.

    edk2 reads ranges until one has no pages, so the number is read as part of a ninth. The map is
    QEMU's e820 table: how many ranges it has depends on the machine, and plain ones have fewer.
    """
    import numpy as np

    areas = inspected.areas
    is_map = areas.user_type == H.MEMORY_MAP
    found: list[tuple[int, int, int]] = []
    maps = np.flatnonzero(is_map)[:_MOST_MAPS]
    for index, area in zip(areas.user[maps], areas.user_area[maps], strict=True):
        others = np.flatnonzero((areas.user_area == area) & ~is_map & (areas.user_offset > 0))
        if len(others):
            first = others[areas.user_offset[others].argmin()]
            found.append((int(index), int(areas.user_type[first]), int(areas.user_offset[first])))
    if found:

        def describe(row: int) -> str:
            _, kind, offset = found[row]
            room = offset // MemoryMapEntry.SIZE
            return f"there is room for {room} ranges before {HeaderType(kind).name} at {offset:#x}"

        yield Many([index for index, _, _ in found], "", describe)


def area_empty(inspected: InspectedLaunch) -> Found:
    """There is no page to launch. Give the area a page, or leave it out."""
    rows = inspected.of(H.PARAMETER_INSERT)
    empty = rows["pages"] == 0
    if empty.any():
        yield Many(rows["header"][empty], "parameter_area_index", "area {shown} has 0 bytes")
