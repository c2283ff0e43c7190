"""Guest memory that headers name, and what of it a loader fills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.checks.inspection.address_ranges import AddressRanges, joined
from igvm.file.header_extents import memory_columns
from igvm.spec.enums import Section
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.file.table import Table
    from igvm.spec.registry import HeaderSpec


class NamedMemory(NamedTuple):
    """The memory that the headers of one type name; n headers."""

    table: Table[Any]
    address: str
    """The field that says where it starts."""
    size: NDArray[np.uint64]
    """Bytes, shape (n,), uint64."""
    is_filled: bool
    """Whether a loader puts something there."""


def read_memory(inspected: InspectedFile) -> list[NamedMemory]:
    """What the headers of each type name, directives first; VMSAs apart, whose place varies."""
    named = []
    for spec in sorted(HEADERS.values(), key=_directives_first):
        if spec.memory is None or spec.record is None or spec.header_type not in inspected.kinds:
            continue
        table = inspected.table(spec.record)
        if spec.memory.size.rule != "context" and len(table):
            page_size = inspected.page_size
            memory = memory_columns(inspected.file, spec, table, page_size=page_size)
            is_filled = spec.memory.is_filled
            named.append(NamedMemory(table, spec.memory.address, memory.size, is_filled))
    return named


def _directives_first(spec: HeaderSpec) -> tuple[bool, int]:
    return spec.section != Section.DIRECTIVE, int(spec.header_type)


def read_imported(inspected: InspectedFile) -> AddressRanges | None:
    """What a loader puts into guest memory: pages, parameter areas and error ranges."""
    parts = [
        AddressRanges.of(
            index=memory.table.index,
            start=memory.table.column(memory.address),
            size=memory.size,
            mask=memory.table.column("compatibility_mask"),
        )
        for memory in inspected.guest_memory
        if memory.is_filled
    ]
    return joined(parts) if parts else None
