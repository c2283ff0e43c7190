"""Parameter areas: declared, written to, inserted, and nothing after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Many, headers, rule
from igvm.spec.directive import ParameterArea, ParameterInsert
from igvm.spec.enums import PAST_TYPES, HeaderType

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_LEAST_SIZE = {
    HeaderType.VP_COUNT_PARAMETER: 4,
    HeaderType.ENVIRONMENT_INFO_PARAMETER: 4,
    HeaderType.MMIO_RANGES: 32,
    HeaderType.MEMORY_MAP: 24,
    HeaderType.SRAT: 48,
    HeaderType.MADT: 44,
    HeaderType.SLIT: 44,
    HeaderType.PPTT: 36,
    HeaderType.DEVICE_TREE: 40,
    HeaderType.COMMAND_LINE: 1,
}
"""The least that a loader writes: a value, one entry, the head of a table, a NUL."""


@rule(
    "area-size",
    ERROR,
    "number_of_bytes of a parameter area must be a multiple of the page size",
    "IGVM_VHS_PARAMETER_AREA.number_of_bytes",
)
def area_size(inspected: InspectedFile) -> Found:
    """Areas go into guest memory page by page; the reference crate refuses other sizes."""
    table = inspected.table(ParameterArea)
    size = table[ParameterArea.number_of_bytes]
    yield from headers(table.index, size % inspected.page_size != 0, "number_of_bytes")


@rule(
    "area-twice",
    ERROR,
    "a parameter_area_index must be declared once",
    "IGVM_VHS_PARAMETER_AREA.parameter_area_index",
)
def area_twice(inspected: InspectedFile) -> Found:
    """Each index can be used exactly once, even after its area was inserted.

    The reference crate refuses the file. Give the second area a number of its own.
    """
    index = inspected.areas.redeclared
    if len(index):
        yield Many(index, "parameter_area_index", "area {shown} is declared already")


@rule(
    "area-undeclared",
    ERROR,
    "a parameter area must be declared before it is used or inserted",
    "IGVM_VHS_PARAMETER_INSERT.parameter_area_index, IGVM_VHS_PARAMETER",
)
def area_undeclared(inspected: InspectedFile) -> Found:
    """A loader goes through the headers once and has no area of that number yet.

    The reference crate refuses the file. Move the PARAMETER_AREA to the front.
    """
    index = inspected.areas.undeclared
    if len(index):
        yield Many(index, "parameter_area_index", "there is no area {shown} yet")


@rule(
    "area-inserted",
    ERROR,
    "a parameter area must not be used or inserted after its insertion",
    "IGVM_VHS_PARAMETER_INSERT.parameter_area_index",
)
def area_inserted(inspected: InspectedFile) -> Found:
    """Once inserted, the index becomes invalid; the memory is the guest's and cannot change.

    The reference crate refuses the file, whatever platforms the inserts are for.
    """
    index = inspected.areas.after_insertion
    if len(index):
        yield Many(index, "parameter_area_index", "area {shown} is inserted already")


@rule(
    "area-never-inserted",
    NOTE,
    "a parameter area that is not inserted does not reach the guest",
    "IGVM_VHS_PARAMETER_AREA",
)
def area_never_inserted(inspected: InspectedFile) -> Found:
    """A loader fills the area and drops it. Insert it, or leave it out."""
    index = inspected.areas.never_inserted
    if len(index):
        yield Many(index, "parameter_area_index", "area {shown} is never inserted")


@rule(
    "parameter-fit",
    ERROR,
    "a parameter must fit its area at byte_offset",
    "IGVM_VHS_PARAMETER.byte_offset",
)
def parameter_fit(inspected: InspectedFile) -> Found:
    """A well behaving loader fails where it can't write the parameter.

    What is looked at is the least that there is to write: four bytes for a number, one entry of
    a map, the head of a table. The reference crate doesn't look.
    """
    import numpy as np

    areas = inspected.areas
    least_size = np.zeros(PAST_TYPES + 1, np.uint64)
    for header_type, size in _LEAST_SIZE.items():
        least_size[header_type] = size
    area_size, is_declared = areas.size_of(areas.user_area)
    ends = areas.user_offset.astype(np.uint64) + least_size[areas.user_type]
    is_past = is_declared & (ends > area_size)
    sizes = area_size[is_past]
    yield from headers(
        areas.user, is_past, "byte_offset", lambda row: f"the area has {int(sizes[row]):#x} bytes"
    )


@rule(
    "parameter-same-place",
    WARNING,
    "two parameters should not start at the same byte of an area",
    "IGVM_VHS_PARAMETER.byte_offset",
)
def parameter_same_place(inspected: InspectedFile) -> Found:
    """The second overwrites the first, and the guest reads one as the other."""
    import numpy as np

    areas = inspected.areas
    key = areas.user_area.astype(np.uint64) << np.uint64(32) | areas.user_offset
    order = np.argsort(key, kind="stable")
    repeated = order[1:][key[order][1:] == key[order][:-1]]
    if len(repeated):
        yield Many(np.sort(areas.user[repeated]), "byte_offset", "another parameter is at {shown}")


@rule(
    "insert-alignment",
    ERROR,
    "the gpa of a PARAMETER_INSERT must be a multiple of the page size",
    "IGVM_VHS_PARAMETER_INSERT.gpa",
)
def insert_alignment(inspected: InspectedFile) -> Found:
    """Areas go into guest memory page by page; the reference crate refuses other addresses."""
    table = inspected.table(ParameterInsert)
    yield from headers(table.index, table[ParameterInsert.gpa] % inspected.page_size != 0, "gpa")
