"""Parameter areas: what is written into them, where, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, headers
from igvm.spec.directive import ParameterArea
from igvm.spec.enums import HeaderType
from igvm.spec.payload import MemoryMapEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

H = HeaderType

_MOST_MAPS = 100
"""Memory maps that are looked at; a file has one."""
_AT_START = (H.MEMORY_MAP, H.MADT, H.DEVICE_TREE)
"""What QEMU writes at the start of an area, wherever it was asked to."""

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


def _past(inspected: InspectedLaunch, *, counted: tuple[HeaderType, ...]) -> Found:
    """Parameters that do not fit; those of other types than `counted` are at the area's start."""
    import numpy as np

    areas = inspected.areas
    if not len(areas.user):
        return
    least = np.zeros(0x402, np.uint64)
    for kind, size in _LEAST.items():
        least[kind] = size
    offset = np.where(np.isin(areas.user_type, counted), areas.user_offset, 0).astype(np.uint64)
    room, known = areas.size_of(areas.user_area)
    past = known & (offset + least[areas.user_type] > room)
    if past.any():
        rooms = room[past]
        yield Many(
            areas.user[past],
            "byte_offset",
            lambda position: f"the area has {int(rooms[position]):#x} bytes",
        )


def qemu_bounds(inspected: InspectedLaunch) -> Found:
    """Make the area larger, or the offset smaller.

    VP_COUNT and ENVIRONMENT_INFO are written where the file says; a map or a table that is larger
    than its area ends QEMU.
    """
    yield from _past(inspected, counted=(H.VP_COUNT_PARAMETER, H.ENVIRONMENT_INFO_PARAMETER))


def bounds(inspected: InspectedLaunch) -> Found:
    """Looked at is the least that there is to write; a table or a command line may be longer."""
    yield from _past(inspected, counted=tuple(_LEAST))


def _at_start(inspected: InspectedLaunch) -> NDArray[np.bool_]:
    """Which parameters QEMU writes at the start of their area."""
    import numpy as np

    where: NDArray[np.bool_] = np.isin(inspected.areas.user_type, _AT_START)
    return where


def parameter_offset(inspected: InspectedLaunch) -> Found:
    """The guest looks for a MEMORY_MAP, MADT or DEVICE_TREE where the file says, and finds zeroes.

    Give it an area of its own, and byte_offset 0.
    """
    areas = inspected.areas
    yield from headers(areas.user, _at_start(inspected) & (areas.user_offset != 0), "byte_offset")


def parameter_collision(inspected: InspectedLaunch) -> Found:
    """MEMORY_MAP, MADT and DEVICE_TREE all go to the start of their area, whatever their offset.

    The last of them is what the guest sees. Give each an area of its own.
    """
    import numpy as np

    areas = inspected.areas
    first = _at_start(inspected)
    number, index = areas.user_area[first], areas.user[first]
    order = np.lexsort((index, number))
    again = order[1:][number[order][1:] == number[order][:-1]]
    if len(again):
        yield Many(np.sort(index[again]), "parameter_area_index", "area {shown} has one already")


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


def area_size(inspected: InspectedLaunch) -> Found:
    """Areas are allocated for all platforms, and whether they are inserted or not.

    A tables area of some pages is enough for hundreds of vCPUs.
    """
    table = inspected.table(ParameterArea)
    large = table[ParameterArea.number_of_bytes] > 1 << 30
    yield from headers(table.index, large, "number_of_bytes", "the area has {shown} bytes")


def area_empty(inspected: InspectedLaunch) -> Found:
    """There is no page to launch. Give the area a page, or leave it out."""
    rows = inspected.of(H.PARAMETER_INSERT)
    empty = rows["pages"] == 0
    if empty.any():
        yield Many(rows["header"][empty], "parameter_area_index", "area {shown} has 0 bytes")
