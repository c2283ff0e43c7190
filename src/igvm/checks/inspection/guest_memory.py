"""Guest memory that headers name, and what of it a loader fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.inspection.address_ranges import ranges, together
from igvm.spec.directive import ErrorRange, PageData, ParameterInsert, RequiredMemory
from igvm.spec.enums import PAGE_SIZE_2M, PageDataFlags
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion

if TYPE_CHECKING:
    from igvm.checks.inspection.address_ranges import Ranges
    from igvm.checks.inspection.inspected_file import Facts
    from igvm.file.table import Table

    Memory = list[tuple[Table[Any], str, Any]]


def read_memory(facts: Facts) -> Memory:
    """Every table of headers that name memory, the field that says where, and its bytes."""
    pages, inserts = facts.table(PageData), facts.table(ParameterInsert)
    errors, required = facts.table(ErrorRange), facts.table(RequiredMemory)
    regions, tables = facts.table(RelocatableRegion), facts.table(PageTableRelocation)
    area = inserts[ParameterInsert.parameter_area_index]
    every: Memory = [
        (pages, "gpa", _page_sizes(facts, pages)),
        (inserts, "gpa", facts.areas.size_of(area)[0]),
        (errors, "gpa", errors[ErrorRange.size_bytes]),
        (required, "gpa", required[RequiredMemory.number_of_bytes]),
        (regions, "relocation_region_gpa", regions[RelocatableRegion.relocation_region_size]),
        (tables, "gpa", tables[PageTableRelocation.size]),
    ]
    return [one for one in every if len(one[0])]


def _page_sizes(facts: Facts, pages: Table[PageData]) -> Any:
    """Bytes of guest memory of each page."""
    import numpy as np

    large = pages[PageData.flags] & np.uint32(PageDataFlags.IS_2MB_PAGE) != 0
    if not large.any():
        return facts.page
    return np.where(large, np.uint64(PAGE_SIZE_2M), np.uint64(facts.page))


def read_imported(facts: Facts) -> Ranges | None:
    """What a loader puts into guest memory: pages, parameter areas and error ranges."""
    parts = [
        ranges(table.index, table.column(field), size, table.column("compatibility_mask"))
        for table, field, size in facts.guest_memory
        if table.record in {PageData, ParameterInsert, ErrorRange}
    ]
    return together(parts) if parts else None
