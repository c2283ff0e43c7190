"""Page-table regions: what a loader rebuilds when memory moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.address_ranges import AddressRanges, touching
from igvm.checks.inspection.inspected_contexts import ANY_VTL
from igvm.checks.rule import Many, headers, rule
from igvm.spec.context import NativeContextX64
from igvm.spec.directive import ParameterInsert
from igvm.spec.enums import PAGE_SIZE_2M, PAGE_SIZE_4K, Architecture
from igvm.spec.hyperv import HvArm64Register, HvX64Register
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_ADDRESS = ((1 << 52) - 1) & ~0xFFF
"""The bits of CR3 and TTBR0 that are the address of the root table."""
_WITHOUT_C_BIT = ((1 << 47) - 1) & ~0xFFF
"""The same without bits 47 to 51, one of which says that the table is encrypted."""


@rule(
    "page-table-alignment",
    ERROR,
    "gpa and used_size of a page-table region must be multiples of 4 KiB",
    "IGVM_VHS_PAGE_TABLE_RELOCATION.gpa, used_size",
)
def page_table_alignment(inspected: InspectedFile) -> Found:
    """The region is made of pages, each of which is a table; the reference crate wants this."""
    table = inspected.table(PageTableRelocation)
    for name in ("gpa", "used_size"):
        yield from headers(table.index, table.column(name) % PAGE_SIZE_4K != 0, name)


@rule(
    "page-table-used",
    ERROR,
    "used_size must not be larger than size",
    "IGVM_VHS_PAGE_TABLE_RELOCATION.used_size",
)
def page_table_used(inspected: InspectedFile) -> Found:
    """used_size counts the tables at the start of the region; the rest is free for new ones.

    The reference crate refuses the file.
    """
    table = inspected.table(PageTableRelocation)
    size, used_size = table[PageTableRelocation.size], table[PageTableRelocation.used_size]
    yield from headers(table.index, used_size > size, "used_size")


@rule(
    "page-table-twice",
    ERROR,
    "a platform must have at most one page-table region",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; the igvm crate (MultiplePageTableRelocationHeaders)",
)
def page_table_twice(inspected: InspectedFile) -> Found:
    """A loader rebuilds one set of tables; the reference crate refuses the file."""
    table = inspected.table(PageTableRelocation)
    mask = table[PageTableRelocation.compatibility_mask]
    yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "page-table-insert",
    ERROR,
    "no parameter area may be inserted into a page-table region",
    "IGVM_VHS_PAGE_TABLE_RELOCATION",
)
def page_table_insert(inspected: InspectedFile) -> Found:
    """The region is rebuilt by the loader, and what the host wrote there would be lost.

    The reference crate refuses areas that start in the region, and overlooks those that run
    into it.
    """
    table, inserts = inspected.table(PageTableRelocation), inspected.table(ParameterInsert)
    if not len(table) or not len(inserts):
        return
    size, _ = inspected.areas.size_of(inserts[ParameterInsert.parameter_area_index])
    areas = AddressRanges.of(
        index=inserts.index,
        start=inserts[ParameterInsert.gpa],
        size=size,
        mask=inserts[ParameterInsert.compatibility_mask],
    )
    regions = AddressRanges.of(
        index=table.index,
        start=table[PageTableRelocation.gpa],
        size=table[PageTableRelocation.size],
        mask=table[PageTableRelocation.compatibility_mask],
    )
    bits = inspected.distinct_platform_bits(areas.mask, regions.mask)
    index, region_index = touching(areas, regions, bits)
    if len(index):
        yield Many(
            index, "gpa", lambda row: f"it meets the region of header {int(region_index[row])}"
        )


@rule(
    "page-table-boundary",
    WARNING,
    "a page-table region should share the 2 MiB that it starts in with a relocatable region",
    "openvmm pulls 4380, 4382 and 4388; igvm pull 135",
)
def page_table_boundary(inspected: InspectedFile) -> Found:
    """Loaders in use fix up a large page of the identity map only where it meets what is moved.

    Hyper-V's, OpenVMM's before September 2026 and the igvm crate before its pull 135 did not
    count the page tables themselves. A region that starts exactly at a multiple of 2 MiB, with no
    relocatable region in these 2 MiB, was moved and no longer mapped: VTL2 ended in a triple
    fault. Begin the region a page later. A file that is not moved is not concerned.
    """
    yield from unmapped_page_tables(inspected)


def unmapped_page_tables(inspected: InspectedFile) -> Found:
    """Page-table regions of X64 that start a large page which no relocatable region meets."""
    import numpy as np

    table, regions = inspected.table(PageTableRelocation), inspected.table(RelocatableRegion)
    if inspected.file.architecture != Architecture.X64 or not len(regions):
        return
    gpa, mask = table[PageTableRelocation.gpa], table[PageTableRelocation.compatibility_mask]
    moved = AddressRanges.of(
        index=regions.index,
        start=regions[RelocatableRegion.relocation_region_gpa],
        size=regions[RelocatableRegion.relocation_region_size],
        mask=regions[RelocatableRegion.compatibility_mask],
    )
    starts = np.flatnonzero(gpa % PAGE_SIZE_2M == 0)
    large_pages = AddressRanges.of(
        index=table.index[starts], start=gpa[starts], size=PAGE_SIZE_2M, mask=mask[starts]
    )
    unmapped = [table.index[:0]]
    for bit in inspected.distinct_platform_bits(mask, moved.mask):
        chosen = large_pages.of_bit(bit)
        if len(moved.of_bit(bit).index):
            shared, _ = touching(chosen, moved, [bit])
            unmapped.append(np.setdiff1d(chosen.index, shared))
    index = np.unique(np.concatenate(unmapped))
    if len(index):
        yield Many(index, "gpa")


def _roots(inspected: InspectedFile) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which contexts say where the root table is, and where that is.

    Returns:
        Shape (n,), bool; guest addresses with the other bits of the register, shape (n,), uint64.
    """
    import numpy as np

    contexts = inspected.contexts
    has_root = np.zeros(len(contexts.index), bool)
    root = np.zeros(len(contexts.index), np.uint64)
    for record in (NativeContextX64, SEVVMSA):
        has_cr3 = contexts.of(record) & contexts.inside
        root[has_cr3] = inspected.payloads(record)["cr3"][contexts.offset[has_cr3]]
        has_root |= has_cr3
    registers = contexts.registers
    is_arm = inspected.file.architecture == Architecture.AARCH64
    name = HvArm64Register.TTBR0_EL1 if is_arm else HvX64Register.CR3
    rows = np.flatnonzero(registers.values["register_name"] == name)
    # The last of several values for one list is as good as any.
    row_of_list: Any = np.full(1 + int(contexts.list_number.max(initial=-1)), -1, np.intp)
    row_of_list[registers.list_number[rows]] = rows
    has_register = contexts.list_number >= 0
    has_register[has_register] = row_of_list[contexts.list_number[has_register]] >= 0
    rows = row_of_list[contexts.list_number[has_register]]
    values = registers.values["register_value"][rows, :8]
    root[has_register] = np.ascontiguousarray(values).view("<u8").reshape(-1)
    return has_root | has_register, root


@rule(
    "page-table-root",
    ERROR,
    "a page-table region must hold the root table, CR3 on X64 and TTBR0 on AARCH64",
    "IGVM_VHS_PAGE_TABLE_RELOCATION",
)
def page_table_root(inspected: InspectedFile) -> Found:
    """Fixing up starts at the root; what lies outside of the region is neither walked nor moved.

    The registers are those of the VP_CONTEXT for vp_index and vtl of the region. The reference
    crate finds out when it relocates, not when it reads the file.
    """
    table = inspected.table(PageTableRelocation)
    if not len(table):
        return
    contexts = inspected.contexts
    has_root, root = _roots(inspected)
    masks = table[PageTableRelocation.compatibility_mask]
    without_root = set()
    for bit in inspected.distinct_platform_bits(masks, contexts.mask):
        rows = (masks & bit).nonzero()[0]
        if not len(rows):
            continue
        # Another region for the same platform breaks a rule of its own.
        region = inspected.file.header(int(table.index[rows[0]]))
        record: Any = region.record
        is_its_context = has_root & (contexts.mask & bit != 0)
        is_its_context &= contexts.vp_index == record.vp_index
        is_its_context &= (contexts.vtl == record.vtl) | (contexts.vtl == ANY_VTL)
        for value in root[is_its_context][:1].tolist():
            addresses = {value & _ADDRESS, value & _WITHOUT_C_BIT}
            end = record.gpa + record.size
            if not any(record.gpa <= address < end for address in addresses):
                without_root.add((region.index, value))
    for index, value in sorted(without_root):
        yield Many([index], "gpa", lambda _, value=value: f"the root table is at {value:#x}")
