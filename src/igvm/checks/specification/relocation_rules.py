"""Relocatable regions and page-table regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.address_ranges import overlaps, ranges, together
from igvm.checks.rule import Many, headers, rule
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, PlatformType, RelocatableRegionFlags
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@rule(
    "relocation-architecture",
    ERROR,
    "a RELOCATABLE_REGION must be in an X64 file",
    "IGVM_VHS_RELOCATABLE_REGION, Architecture",
)
def relocation_architecture(facts: Facts) -> Found:
    """Relocation is defined for X64 only; page tables alone may be described on Arm.

    The reference crate takes the header and never moves anything.
    """
    table = facts.table(RelocatableRegion)
    if facts.file.architecture == Architecture.AARCH64 and len(table):
        yield Many(table.index, describe="the file is for AARCH64")


@rule(
    "relocation-alignment",
    ERROR,
    "relocation_alignment must be a multiple of 4 KiB and not zero",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_alignment",
)
def relocation_alignment(facts: Facts) -> Found:
    """The region moves by multiples of it.

    Zero makes the reference crate divide by zero: libigvm takes the whole VMM down with it.
    """
    table = facts.table(RelocatableRegion)
    alignment = table[RelocatableRegion.relocation_alignment]
    wrong = (alignment == 0) | (alignment % PAGE_SIZE_4K != 0)
    yield from headers(table.index, wrong, "relocation_alignment")


@rule(
    "relocation-alignment-power",
    WARNING,
    "relocation_alignment should be a power of two",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_alignment",
)
def relocation_alignment_power(facts: Facts) -> Found:
    """The specification wants a multiple of 4 KiB; loaders round addresses with a mask.

    With another alignment they end up at addresses that are not multiples of it.
    """
    table = facts.table(RelocatableRegion)
    alignment = table[RelocatableRegion.relocation_alignment]
    odd = (alignment != 0) & (alignment & alignment - 1 != 0)
    yield from headers(table.index, odd, "relocation_alignment")


@rule(
    "relocation-addresses",
    ERROR,
    "the addresses of a RELOCATABLE_REGION must be multiples of relocation_alignment",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_gpa, minimum_relocation_gpa, "
    "maximum_relocation_gpa",
)
def relocation_addresses(facts: Facts) -> Found:
    """The region's own address and both bounds are places that it may be at.

    The reference crate refuses the file.
    """
    import numpy as np

    table = facts.table(RelocatableRegion)
    alignment = np.maximum(table[RelocatableRegion.relocation_alignment], np.uint64(1))
    for name in ("relocation_region_gpa", "minimum_relocation_gpa", "maximum_relocation_gpa"):
        yield from headers(table.index, table.column(name) % alignment != 0, name)


@rule(
    "relocation-size",
    ERROR,
    "the size of a region must be a multiple of 4 KiB and not zero",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_size, IGVM_VHS_PAGE_TABLE_RELOCATION.size",
)
def relocation_size(facts: Facts) -> Found:
    """A region is made of pages. The reference crate refuses sizes that are not.

    A region without any makes it crash.
    """
    for record, name in (
        (RelocatableRegion, "relocation_region_size"),
        (PageTableRelocation, "size"),
    ):
        table = facts.table(record)
        size = table.column(name)
        yield from headers(table.index, (size == 0) | (size % PAGE_SIZE_4K != 0), name)


@rule(
    "relocation-bounds",
    ERROR,
    "minimum_relocation_gpa must not be above maximum_relocation_gpa",
    "IGVM_VHS_RELOCATABLE_REGION.minimum_relocation_gpa",
)
def relocation_bounds(facts: Facts) -> Found:
    """There is no place that such a region could be moved to."""
    table = facts.table(RelocatableRegion)
    low = table[RelocatableRegion.minimum_relocation_gpa]
    high = table[RelocatableRegion.maximum_relocation_gpa]
    yield from headers(table.index, low > high, "minimum_relocation_gpa")


@rule(
    "relocation-room",
    WARNING,
    "the region should fit between minimum_relocation_gpa and maximum_relocation_gpa",
    "IGVM_VHS_RELOCATABLE_REGION.maximum_relocation_gpa; the igvm crate (relocation)",
)
def relocation_room(facts: Facts) -> Found:
    """Loaders take the maximum as a bound for the end of the region.

    A region that is larger than the room between the two can't be put anywhere then.
    """
    table = facts.table(RelocatableRegion)
    low = table[RelocatableRegion.minimum_relocation_gpa]
    high = table[RelocatableRegion.maximum_relocation_gpa]
    size = table[RelocatableRegion.relocation_region_size]
    tight = (low <= high) & (size > high - low)
    yield from headers(table.index, tight, "relocation_region_size")


@rule(
    "relocation-home",
    WARNING,
    "a region should be allowed to stay where it is",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_gpa",
)
def relocation_home(facts: Facts) -> Found:
    """The region's own place is not between its bounds, so that it must be moved always.

    A loader that doesn't relocate, as most, starts the guest where it may not be.
    """
    table = facts.table(RelocatableRegion)
    gpa = table[RelocatableRegion.relocation_region_gpa]
    low = table[RelocatableRegion.minimum_relocation_gpa]
    high = table[RelocatableRegion.maximum_relocation_gpa]
    size = table[RelocatableRegion.relocation_region_size]
    fits = (low <= high) & (size <= high - low)
    away = (gpa < low) | (gpa > high) | (size > high - gpa)
    yield from headers(table.index, fits & away, "relocation_region_gpa")


@rule(
    "relocation-overlap",
    ERROR,
    "regions of a platform must not overlap",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; the igvm crate (RelocationRegionsOverlap)",
)
def relocation_overlap(facts: Facts) -> Found:
    """An address in two regions would move by two amounts.

    Page tables lie in a region of their own. The reference crate refuses the file.
    """
    regions, tables = facts.table(RelocatableRegion), facts.table(PageTableRelocation)
    if not len(regions) and not len(tables):
        return
    both = together(
        [
            ranges(
                regions.index,
                regions[RelocatableRegion.relocation_region_gpa],
                regions[RelocatableRegion.relocation_region_size],
                regions[RelocatableRegion.compatibility_mask],
            ),
            ranges(
                tables.index,
                tables[PageTableRelocation.gpa],
                tables[PageTableRelocation.size],
                tables[PageTableRelocation.compatibility_mask],
            ),
        ]
    )
    later, earlier = overlaps(both, facts.each_bit(both.mask))
    if len(later):
        yield Many(later, describe=lambda k: f"it overlaps the region of header {int(earlier[k])}")


@rule(
    "relocation-vtl",
    ERROR,
    "vtl of a region must be 0, 1 or 2",
    "IGVM_VHS_RELOCATABLE_REGION.vtl, IGVM_VHS_PAGE_TABLE_RELOCATION.vtl",
)
def relocation_vtl(facts: Facts) -> Found:
    """There are three VTLs; the reference crate refuses other numbers."""
    for record in (RelocatableRegion, PageTableRelocation):
        table = facts.table(record)
        yield from headers(table.index, table.column("vtl") > 2, "vtl")


def _masks_by(keys: NDArray[Any], masks: NDArray[np.uint32], wanted: NDArray[Any]) -> Any:
    """For each of `wanted` the masks of the rows with that key, taken together."""
    import numpy as np

    result = np.zeros(len(wanted), np.uint32)
    if len(keys) and len(wanted):
        order = np.argsort(keys, kind="stable")
        names, first = np.unique(keys[order], return_index=True)
        together_ = np.bitwise_or.reduceat(masks[order], first)
        at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
        result = np.where(names[at] == wanted, together_[at], result)
    return result


@rule(
    "relocation-context",
    ERROR,
    "a region must have a VP_CONTEXT for its vp_index and vtl",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; IGVM_VHS_RELOCATABLE_REGION.vp_index",
)
def relocation_context(facts: Facts) -> Found:
    """The page tables are found by the context's CR3, and registers to adjust are in it.

    A relocatable region needs one only where APPLY_PC or APPLY_GDTR is set. The reference crate
    wants a VBS context of VP 0 for every region of any kind.
    """
    import numpy as np

    from igvm.checks.inspection.context_columns import ANY_VTL

    contexts = facts.contexts
    wanted = np.uint32(facts.declared & ~facts.bits(PlatformType.TDX))
    without_vtl = contexts.vtl == ANY_VTL
    key = contexts.vp.astype(np.uint32) << 8 | contexts.vtl
    apply = np.uint8(RelocatableRegionFlags.APPLY_PC | RelocatableRegionFlags.APPLY_GDTR)
    for record in (RelocatableRegion, PageTableRelocation):
        table = facts.table(record)
        if not len(table):
            continue
        vp = table.column("vp_index").astype(np.uint32)
        have = _masks_by(
            key[~without_vtl], contexts.mask[~without_vtl], vp << 8 | table.column("vtl")
        )
        have |= _masks_by(contexts.vp[without_vtl], contexts.mask[without_vtl], vp)
        lack = table.column("compatibility_mask") & wanted & ~have
        if record is RelocatableRegion:
            lack = np.where(table.column("flags") & apply, lack, 0)
        missing = lack[lack != 0]
        yield from headers(
            table.index,
            lack != 0,
            "vp_index",
            lambda k, missing=missing: f"{facts.names(int(missing[k]))} has none",  # type: ignore[misc]
        )
