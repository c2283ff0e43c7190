"""Page-table regions: what a loader rebuilds when memory moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.address_ranges import ranges, touching
from igvm.checks.inspection.context_columns import ANY_VTL
from igvm.checks.rule import Many, headers, rule
from igvm.spec.context import NativeContextX64
from igvm.spec.directive import ParameterInsert
from igvm.spec.enums import PAGE_SIZE_4K, Architecture
from igvm.spec.hyperv import HvArm64Register, HvX64Register
from igvm.spec.initialization import PageTableRelocation
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR = Severity.ERROR

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
def page_table_alignment(facts: Facts) -> Found:
    """The region is made of pages, each of which is a table; the reference crate wants this."""
    table = facts.table(PageTableRelocation)
    for name in ("gpa", "used_size"):
        yield from headers(table.index, table.column(name) % PAGE_SIZE_4K != 0, name)


@rule(
    "page-table-used",
    ERROR,
    "used_size must not be larger than size",
    "IGVM_VHS_PAGE_TABLE_RELOCATION.used_size",
)
def page_table_used(facts: Facts) -> Found:
    """used_size counts the tables at the start of the region; the rest is free for new ones.

    The reference crate refuses the file.
    """
    table = facts.table(PageTableRelocation)
    size, used = table[PageTableRelocation.size], table[PageTableRelocation.used_size]
    yield from headers(table.index, used > size, "used_size")


@rule(
    "page-table-twice",
    ERROR,
    "a platform must have at most one page-table region",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; the igvm crate (MultiplePageTableRelocationHeaders)",
)
def page_table_twice(facts: Facts) -> Found:
    """A loader rebuilds one set of tables; the reference crate refuses the file."""
    table = facts.table(PageTableRelocation)
    mask = table[PageTableRelocation.compatibility_mask]
    yield from headers(table.index, facts.second(mask), "compatibility_mask")


@rule(
    "page-table-insert",
    ERROR,
    "no parameter area may be inserted into a page-table region",
    "IGVM_VHS_PAGE_TABLE_RELOCATION",
)
def page_table_insert(facts: Facts) -> Found:
    """The region is rebuilt by the loader, and what the host wrote there would be lost.

    The reference crate refuses areas that start in the region, and overlooks those that run
    into it.
    """
    table, inserts = facts.table(PageTableRelocation), facts.table(ParameterInsert)
    if not len(table) or not len(inserts):
        return
    size, _ = facts.areas.size_of(inserts[ParameterInsert.parameter_area_index])
    areas = ranges(
        inserts.index,
        inserts[ParameterInsert.gpa],
        size,
        inserts[ParameterInsert.compatibility_mask],
    )
    regions = ranges(
        table.index,
        table[PageTableRelocation.gpa],
        table[PageTableRelocation.size],
        table[PageTableRelocation.compatibility_mask],
    )
    bits = facts.each_bit(areas.mask, regions.mask)
    found, region = touching(areas, regions, bits)
    if len(found):
        yield Many(found, "gpa", lambda k: f"it meets the region of header {int(region[k])}")


def _roots(facts: Facts) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which contexts say where the root table is, and where that is."""
    import numpy as np

    contexts = facts.contexts
    known = np.zeros(len(contexts.index), bool)
    root = np.zeros(len(contexts.index), np.uint64)
    for record in (NativeContextX64, SEVVMSA):
        mine = contexts.of(record) & contexts.inside
        root[mine] = facts.payloads(record)["cr3"][contexts.offset[mine]]
        known |= mine
    registers = contexts.registers
    arm = facts.file.architecture == Architecture.AARCH64
    name = HvArm64Register.TTBR0_EL1 if arm else HvX64Register.CR3
    rows = np.flatnonzero(registers.values["register_name"] == name)
    # The last of several values for one list is as good as any.
    lists: Any = np.full(1 + int(contexts.registers_at.max(initial=-1)), -1, np.intp)
    lists[registers.which[rows]] = rows
    mine = contexts.registers_at >= 0
    mine[mine] = lists[contexts.registers_at[mine]] >= 0
    values = registers.values["register_value"][lists[contexts.registers_at[mine]], :8]
    root[mine] = np.ascontiguousarray(values).view("<u8").reshape(-1)
    return known | mine, root


@rule(
    "page-table-root",
    ERROR,
    "a page-table region must hold the root table, CR3 on X64 and TTBR0 on AARCH64",
    "IGVM_VHS_PAGE_TABLE_RELOCATION",
)
def page_table_root(facts: Facts) -> Found:
    """Fixing up starts at the root; what lies outside of the region is neither walked nor moved.

    The registers are those of the VP_CONTEXT for vp_index and vtl of the region. The reference
    crate finds out when it relocates, not when it reads the file.
    """
    table = facts.table(PageTableRelocation)
    if not len(table):
        return
    contexts = facts.contexts
    known, root = _roots(facts)
    blamed = set()
    for bit in facts.each_bit(table[PageTableRelocation.compatibility_mask], contexts.mask):
        rows = (table[PageTableRelocation.compatibility_mask] & bit).nonzero()[0]
        if not len(rows):
            continue
        # Another region for the same platform breaks a rule of its own.
        region = facts.file.header(int(table.index[rows[0]]))
        record: Any = region.record
        mine = known & (contexts.mask & bit != 0) & (contexts.vp == record.vp_index)
        mine &= (contexts.vtl == record.vtl) | (contexts.vtl == ANY_VTL)
        for value in root[mine][:1].tolist():
            places = {value & _ADDRESS, value & _WITHOUT_C_BIT}
            end = record.gpa + record.size
            if not any(record.gpa <= place < end for place in places):
                blamed.add((region.index, value))
    for index, value in sorted(blamed):
        import numpy as np

        yield Many(np.array([index]), "gpa", lambda _, v=value: f"the root table is at {v:#x}")
