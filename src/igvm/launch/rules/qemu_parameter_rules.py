"""Parameters as QEMU writes them: tables at the start of their areas, and no look at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, headers
from igvm.launch.programs.qemu_machines import madt_size, memory_map_size
from igvm.spec.directive import ParameterArea
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

    Bools = NDArray[np.bool_]
    Sizes = NDArray[np.uint64]

H = HeaderType

_TABLES = (H.MEMORY_MAP, H.MADT, H.DEVICE_TREE)
"""What QEMU writes at the start of an area, wherever it was asked to."""
_NUMBERS = (H.VP_COUNT_PARAMETER, H.ENVIRONMENT_INFO_PARAMETER)
"""What it writes where it was asked to, four bytes each."""
_LEAST_TREE = 40
"""The head of a device tree; how large QEMU's is depends on the devices."""

_SLACK = 8
"""Bytes that glibc gives with any piece of memory of a multiple of 16 bytes, for nothing else."""
_LARGE_AREA = 1 << 30


def _written(inspected: InspectedLaunch) -> tuple[Sizes, Sizes, Sizes]:
    """Where QEMU writes each parameter, how many bytes, and how many its area has.

    Returns:
        Three arrays of shape (n,), in the order of `inspected.areas.user`.
    """
    import numpy as np

    areas = inspected.areas
    kinds = areas.user_type
    size = np.zeros(len(kinds), np.uint64)
    size[np.isin(kinds, _NUMBERS)] = 4
    size[kinds == H.MEMORY_MAP] = memory_map_size(inspected.machine)
    size[kinds == H.MADT] = madt_size(inspected.machine)
    size[kinds == H.DEVICE_TREE] = _LEAST_TREE
    start = np.where(np.isin(kinds, _NUMBERS), areas.user_offset, 0).astype(np.uint64)
    room, known = areas.size_of(areas.user_area)
    # An area that is not declared is the reader's affair.
    held = np.where(known, room & np.uint64(0xFFFFFFFF), np.uint64(1 << 63))
    return start, size, held


def _past_the_area(inspected: InspectedLaunch) -> tuple[Bools, Bools, Sizes]:
    """Which parameters reach past their area, which of those do no harm, and sizes of areas."""
    import numpy as np

    start, size, held = _written(inspected)
    past = start + size > held
    is_harmless = past & (held > 0) & (start + size <= held + np.uint64(_SLACK))
    is_harmless &= np.isin(inspected.areas.user_type, _NUMBERS)
    return past, is_harmless, held


def bounds(inspected: InspectedLaunch) -> Found:
    """Make the area larger, or the offset smaller.

    VP_COUNT and ENVIRONMENT_INFO are written where the file says; a map or a table that is larger
    than its area ends QEMU. The size of an area counts modulo 4 GiB.
    """
    if not len(inspected.areas.user):
        return
    past, is_harmless, held = _past_the_area(inspected)
    yield from _reported(inspected, past & ~is_harmless, held)


def past_the_area(inspected: InspectedLaunch) -> Found:
    """The guest finds a part of the value, or none of it. Make the area larger."""
    if not len(inspected.areas.user):
        return
    _, is_harmless, held = _past_the_area(inspected)
    yield from _reported(inspected, is_harmless, held)


def _reported(inspected: InspectedLaunch, where: Bools, held: Sizes) -> Found:
    """The parameters at `where`, with the size of their area."""
    if where.any():
        rooms = held[where]
        yield Many(
            inspected.areas.user[where],
            "byte_offset",
            lambda position: f"the area has {int(rooms[position]):#x} bytes",
        )


def parameter_offset(inspected: InspectedLaunch) -> Found:
    """The guest looks for a MEMORY_MAP, MADT or DEVICE_TREE where the file says, and finds zeroes.

    Give it an area of its own, and byte_offset 0.
    """
    import numpy as np

    areas = inspected.areas
    is_table = np.isin(areas.user_type, _TABLES)
    yield from headers(areas.user, is_table & (areas.user_offset != 0), "byte_offset")


def parameter_collision(inspected: InspectedLaunch) -> Found:
    """MEMORY_MAP, MADT and DEVICE_TREE all go to the start of their area, whatever their offset.

    The later overwrites as much of the earlier as it is long, and a number that lies there: a
    short map over a long table has no end. Give each table an area of its own.
    """
    import numpy as np

    areas = inspected.areas
    if not len(areas.user):
        return
    start, size, _ = _written(inspected)
    is_table = np.isin(areas.user_type, _TABLES)
    number = areas.user_area
    again = _repeated(number[is_table], areas.user[is_table])
    # How far the longest table of each area reaches, for the numbers in it.
    names = np.unique(number[is_table])
    reach = np.zeros(len(names), np.uint64)
    np.maximum.at(reach, np.searchsorted(names, number[is_table]), size[is_table])
    under = np.zeros(len(number), bool)
    if len(names):
        at = np.searchsorted(names, number).clip(max=len(names) - 1)
        under = ~is_table & (names[at] == number) & (start < reach[at])
        under &= np.isin(areas.user_type, _NUMBERS)
    found = np.sort(np.concatenate([again, areas.user[under]]))
    if len(found):
        yield Many(found, "parameter_area_index", "area {shown} has a table there")


def _repeated(number: NDArray[np.uint32], index: NDArray[np.intp]) -> NDArray[np.intp]:
    """The headers `index` whose area `number` an earlier one has too."""
    import numpy as np

    order = np.lexsort((index, number))
    again: NDArray[np.intp] = index[order[1:]][number[order][1:] == number[order][:-1]]
    return again


def area_wraps(inspected: InspectedLaunch) -> Found:
    """It keeps the size in 32 bits: of 4 GiB and a page it has a page, of 4 GiB nothing."""
    table = inspected.table(ParameterArea)
    large = table[ParameterArea.number_of_bytes] >> 32 != 0
    yield from headers(table.index, large, "number_of_bytes", "the area has {shown} bytes")


def area_size(inspected: InspectedLaunch) -> Found:
    """Areas are allocated for all platforms, and whether they are inserted or not.

    A tables area of some pages is enough for hundreds of vCPUs.
    """
    import numpy as np

    table = inspected.table(ParameterArea)
    held = table[ParameterArea.number_of_bytes] & np.uint64(0xFFFFFFFF)
    large = held > _LARGE_AREA
    yield from headers(table.index, large, "number_of_bytes", "the area has {shown} bytes")
