"""Guest memory that headers name, and what of it a loader fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.inspection.address_ranges import AddressRanges, joined
from igvm.spec.directive import ErrorRange, PageData, ParameterInsert, RequiredMemory
from igvm.spec.enums import PAGE_SIZE_2M, PageDataFlags
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.file.table import Table

    GuestMemory = list[tuple[Table[Any], str, Any]]
    """Headers, the name of their field of the address, and their bytes: one number for all, or
    shape (n,), unsigned."""


def read_memory(inspected: InspectedFile) -> GuestMemory:
    """Every table of headers that name memory, the field that says where, and its bytes."""
    pages, inserts = inspected.table(PageData), inspected.table(ParameterInsert)
    errors, required = inspected.table(ErrorRange), inspected.table(RequiredMemory)
    regions = inspected.table(RelocatableRegion)
    page_tables = inspected.table(PageTableRelocation)
    area = inserts[ParameterInsert.parameter_area_index]
    memory: GuestMemory = [
        (pages, "gpa", _page_sizes(inspected, pages)),
        (inserts, "gpa", inspected.areas.size_of(area)[0]),
        (errors, "gpa", errors[ErrorRange.size_bytes]),
        (required, "gpa", required[RequiredMemory.number_of_bytes]),
        (regions, "relocation_region_gpa", regions[RelocatableRegion.relocation_region_size]),
        (page_tables, "gpa", page_tables[PageTableRelocation.size]),
    ]
    return [(table, field, size) for table, field, size in memory if len(table)]


def _page_sizes(inspected: InspectedFile, pages: Table[PageData]) -> Any:
    """Bytes of guest memory of each page: one number for all, or shape (n,), uint64."""
    import numpy as np

    is_large = pages[PageData.flags] & np.uint32(PageDataFlags.IS_2MB_PAGE) != 0
    if not is_large.any():
        return inspected.page_size
    return np.where(is_large, np.uint64(PAGE_SIZE_2M), np.uint64(inspected.page_size))


def read_imported(inspected: InspectedFile) -> AddressRanges | None:
    """What a loader puts into guest memory: pages, parameter areas and error ranges."""
    parts = [
        AddressRanges.of(
            index=table.index,
            start=table.column(field),
            size=size,
            mask=table.column("compatibility_mask"),
        )
        for table, field, size in inspected.guest_memory
        if table.record in {PageData, ParameterInsert, ErrorRange}
    ]
    return joined(parts) if parts else None
