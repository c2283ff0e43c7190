"""Parameter areas: what is written into them, where, and what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, headers
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    IGVM_C,
    IGVM_RUN,
    OPENVMM,
    OPENVMM_IGVM,
    OPENVMM_MEMORY,
    QEMU,
    QEMU_SNP,
    SEV_C,
    TCG,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.directive import ParameterArea
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

H = HeaderType

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


def _past(facts: LoaderFacts, *, counted: tuple[HeaderType, ...]) -> Found:
    """Parameters that do not fit; those of other types than `counted` are at the area's start."""
    import numpy as np

    areas = facts.areas
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


@loader_rule(
    "parameter-bounds",
    TCG,
    ERROR,
    "{who} writes at byte_offset without looking at the size of the area, and crashes or "
    "overwrites its own memory",
    "QEMU 11.1, backends/igvm.c; run under TCG: SIGSEGV with 0x7ffffff0, unnoticed with 0x100000",
)
@loader_rule(
    "parameter-bounds",
    QEMU_SNP,
    ERROR,
    "{who} writes at byte_offset without looking at the size of the area, and crashes or "
    "overwrites its own memory",
    "QEMU 11.1, backends/igvm.c; run under TCG, the code is the same",
)
def qemu_bounds(facts: LoaderFacts) -> Found:
    """Make the area larger, or the offset smaller.

    VP_COUNT and ENVIRONMENT_INFO are written where the file says; a map or a table that is larger
    than its area ends QEMU.
    """
    yield from _past(facts, counted=(H.VP_COUNT_PARAMETER, H.ENVIRONMENT_INFO_PARAMETER))


@loader_rule(
    "parameter-bounds", CH, ERROR, "{who} ends where a parameter does not fit its area", CH_IGVM
)
@loader_rule(
    "parameter-bounds",
    OPENVMM,
    ERROR,
    "{who} ends where a parameter does not fit its area",
    OPENVMM_IGVM,
)
def bounds(facts: LoaderFacts) -> Found:
    """Looked at is the least that there is to write; a table or a command line may be longer."""
    yield from _past(facts, counted=tuple(_LEAST))


def _at_start(facts: LoaderFacts) -> NDArray[np.bool_]:
    """Which parameters QEMU writes at the start of their area."""
    import numpy as np

    where: NDArray[np.bool_] = np.isin(facts.areas.user_type, _AT_START)
    return where


@loader_rule(
    "parameter-offset",
    QEMU,
    WARNING,
    "{who} ignores byte_offset here and writes at the start of the area",
    IGVM_RUN,
)
def parameter_offset(facts: LoaderFacts) -> Found:
    """The guest looks for a MEMORY_MAP, MADT or DEVICE_TREE where the file says, and finds zeroes.

    Give it an area of its own, and byte_offset 0.
    """
    areas = facts.areas
    yield from headers(areas.user, _at_start(facts) & (areas.user_offset != 0), "byte_offset")


@loader_rule(
    "parameter-collision",
    QEMU,
    WARNING,
    "{who} writes at the start of the area, over what another parameter has there",
    IGVM_RUN,
)
def parameter_collision(facts: LoaderFacts) -> Found:
    """MEMORY_MAP, MADT and DEVICE_TREE all go to the start of their area, whatever their offset.

    The last of them is what the guest sees. Give each an area of its own.
    """
    import numpy as np

    areas = facts.areas
    first = _at_start(facts)
    number, index = areas.user_area[first], areas.user[first]
    order = np.lexsort((index, number))
    again = order[1:][number[order][1:] == number[order][:-1]]
    if len(again):
        yield Many(np.sort(index[again]), "parameter_area_index", "area {shown} has one already")


@loader_rule(
    "area-data",
    QEMU,
    WARNING,
    "{who} starts every parameter area with zeroes and ignores its initial data",
    IGVM_RUN,
)
def area_data(facts: LoaderFacts) -> Found:
    """Data that the guest needs must be in pages."""
    table = facts.table(ParameterArea)
    yield from headers(table.index, table[ParameterArea.file_offset] != 0, "file_offset")


@loader_rule(
    "memory-map",
    QEMU,
    NOTE,
    "the memory map of {who} has all RAM below 4 GiB as one range: nothing is set aside for the "
    "VGA hole or for what the file loads",
    IGVM_RUN,
)
@loader_rule(
    "memory-map",
    CH,
    NOTE,
    "{who} writes no last entry of zero pages; the zeroes of the area after the map must do",
    CH_IGVM,
)
@loader_rule(
    "memory-map",
    OPENVMM,
    NOTE,
    "{who} writes no last entry of zero pages; the zeroes of the area after the map must do",
    OPENVMM_IGVM,
)
def memory_map(facts: LoaderFacts) -> Found:
    """The guest must take care of it itself. A map that fills its area exactly has no end."""
    index = facts.met(H.MEMORY_MAP)
    if len(index):
        yield Many(index, "", "the file asks for a memory map")


@loader_rule(
    "area-size",
    QEMU,
    WARNING,
    "{who} allocates an area when it meets the header and ends where there is no memory for it",
    IGVM_C,
)
def area_size(facts: LoaderFacts) -> Found:
    """Areas are allocated for all platforms, and whether they are inserted or not.

    A tables area of some pages is enough for hundreds of vCPUs.
    """
    table = facts.table(ParameterArea)
    large = table[ParameterArea.number_of_bytes] > 1 << 30
    yield from headers(table.index, large, "number_of_bytes", "the area has {shown} bytes")


@loader_rule(
    "area-empty", QEMU_SNP, ERROR, "{who} ends where an area of 0 bytes is inserted", SEV_C
)
@loader_rule(
    "area-empty", OPENVMM, ERROR, "{who} ends where an area of 0 bytes is inserted", OPENVMM_MEMORY
)
def area_empty(facts: LoaderFacts) -> Found:
    """There is no page to launch. Give the area a page, or leave it out."""
    rows = facts.of(H.PARAMETER_INSERT)
    empty = rows["pages"] == 0
    if empty.any():
        yield Many(rows["header"][empty], "parameter_area_index", "area {shown} has 0 bytes")
