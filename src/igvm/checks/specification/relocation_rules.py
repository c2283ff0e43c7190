"""Relocatable regions and page-table regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.address_ranges import AddressRanges, joined, overlaps
from igvm.checks.inspection.inspected_contexts import ANY_VTL
from igvm.checks.rule import Many, headers, rule
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, RelocatableRegionFlags
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion
from igvm.spec.isolation import platforms_with

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_WITHOUT_CONTEXT = platforms_with(lambda isolation: isolation.context is None)


@rule(
    "relocation-architecture",
    WARNING,
    "the specification has RELOCATABLE_REGION on X64 only, and contradicts itself",
    "IGVM_VHS_RELOCATABLE_REGION, Architecture; IGVM_VHF_RELOCATABLE_REGION_APPLY_PC",
)
def relocation_architecture(inspected: InspectedFile) -> Found:
    """The structure is marked as for X64 only.

    Its flag APPLY_PC is described as moving "PC on arm64" all the same, and page tables may be
    relocated on both. OpenHCL's own files for AARCH64 have such regions. The igvm crate up to
    0.5.0 reads them and fixes up no page tables of AARCH64 (microsoft/igvm, issue 58): whether
    the region can be moved depends on the loader.
    """
    table = inspected.table(RelocatableRegion)
    if inspected.file.architecture == Architecture.AARCH64 and len(table):
        yield Many(table.index, describe="the file is for AARCH64")


@rule(
    "relocation-alignment",
    ERROR,
    "relocation_alignment must be a multiple of 4 KiB and not zero",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_alignment",
)
def relocation_alignment(inspected: InspectedFile) -> Found:
    """The region moves by multiples of it.

    Zero makes the reference crate divide by zero: libigvm takes the whole VMM down with it.
    """
    table = inspected.table(RelocatableRegion)
    alignment = table[RelocatableRegion.relocation_alignment]
    is_no_multiple = (alignment == 0) | (alignment % PAGE_SIZE_4K != 0)
    yield from headers(table.index, is_no_multiple, "relocation_alignment")


@rule(
    "relocation-alignment-power",
    WARNING,
    "relocation_alignment should be a power of two",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_alignment",
)
def relocation_alignment_power(inspected: InspectedFile) -> Found:
    """The specification wants a multiple of 4 KiB and no more.

    A loader that rounds addresses with a mask, as is usual, ends up at addresses that are not
    multiples of another alignment.
    """
    table = inspected.table(RelocatableRegion)
    alignment = table[RelocatableRegion.relocation_alignment]
    is_no_power = (alignment != 0) & (alignment & alignment - 1 != 0)
    yield from headers(table.index, is_no_power, "relocation_alignment")


@rule(
    "relocation-addresses",
    ERROR,
    "the addresses of a RELOCATABLE_REGION must be multiples of relocation_alignment",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_gpa, minimum_relocation_gpa, "
    "maximum_relocation_gpa",
)
def relocation_addresses(inspected: InspectedFile) -> Found:
    """The region's own address and both bounds are places that it may be at.

    The reference crate refuses the file.
    """
    import numpy as np

    table = inspected.table(RelocatableRegion)
    alignment = np.maximum(table[RelocatableRegion.relocation_alignment], np.uint64(1))
    for name in ("relocation_region_gpa", "minimum_relocation_gpa", "maximum_relocation_gpa"):
        yield from headers(table.index, table.column(name) % alignment != 0, name)


@rule(
    "relocation-size",
    ERROR,
    "the size of a region must be a multiple of 4 KiB and not zero",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_size, IGVM_VHS_PAGE_TABLE_RELOCATION.size",
)
def relocation_size(inspected: InspectedFile) -> Found:
    """A region is made of pages. The reference crate refuses sizes that are not.

    A region without any makes it crash.
    """
    for record, name in (
        (RelocatableRegion, "relocation_region_size"),
        (PageTableRelocation, "size"),
    ):
        table = inspected.table(record)
        size = table.column(name)
        yield from headers(table.index, (size == 0) | (size % PAGE_SIZE_4K != 0), name)


@rule(
    "relocation-bounds",
    ERROR,
    "minimum_relocation_gpa must not be above maximum_relocation_gpa",
    "IGVM_VHS_RELOCATABLE_REGION.minimum_relocation_gpa",
)
def relocation_bounds(inspected: InspectedFile) -> Found:
    """There is no place that such a region could be moved to."""
    table = inspected.table(RelocatableRegion)
    minimum = table[RelocatableRegion.minimum_relocation_gpa]
    maximum = table[RelocatableRegion.maximum_relocation_gpa]
    yield from headers(table.index, minimum > maximum, "minimum_relocation_gpa")


@rule(
    "relocation-room",
    WARNING,
    "the region should fit between minimum_relocation_gpa and maximum_relocation_gpa",
    "IGVM_VHS_RELOCATABLE_REGION.maximum_relocation_gpa; the igvm crate (relocation)",
)
def relocation_room(inspected: InspectedFile) -> Found:
    """The reference crate takes the maximum as a bound for the end of the region.

    A region that is larger than the room between the two can't be put anywhere then.
    """
    table = inspected.table(RelocatableRegion)
    minimum = table[RelocatableRegion.minimum_relocation_gpa]
    maximum = table[RelocatableRegion.maximum_relocation_gpa]
    size = table[RelocatableRegion.relocation_region_size]
    is_too_large = (minimum <= maximum) & (size > maximum - minimum)
    yield from headers(table.index, is_too_large, "relocation_region_size")


@rule(
    "relocation-home",
    WARNING,
    "a region should be allowed to stay where it is",
    "IGVM_VHS_RELOCATABLE_REGION.relocation_region_gpa",
)
def relocation_home(inspected: InspectedFile) -> Found:
    """The region's own place is not between its bounds, so that it has to be moved.

    A loader that doesn't relocate, such as Cloud Hypervisor, starts the guest where it may not be.
    """
    table = inspected.table(RelocatableRegion)
    gpa = table[RelocatableRegion.relocation_region_gpa]
    minimum = table[RelocatableRegion.minimum_relocation_gpa]
    maximum = table[RelocatableRegion.maximum_relocation_gpa]
    size = table[RelocatableRegion.relocation_region_size]
    fits = (minimum <= maximum) & (size <= maximum - minimum)
    must_move = (gpa < minimum) | (gpa > maximum) | (size > maximum - gpa)
    yield from headers(table.index, fits & must_move, "relocation_region_gpa")


@rule(
    "relocation-overlap",
    ERROR,
    "regions of a platform must not overlap",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; the igvm crate (RelocationRegionsOverlap)",
)
def relocation_overlap(inspected: InspectedFile) -> Found:
    """An address in two regions would move by two amounts.

    Page tables lie in a region of their own. The reference crate refuses the file.
    """
    regions = inspected.table(RelocatableRegion)
    page_tables = inspected.table(PageTableRelocation)
    if not len(regions) and not len(page_tables):
        return
    ranges = joined(
        [
            AddressRanges.of(
                index=regions.index,
                start=regions[RelocatableRegion.relocation_region_gpa],
                size=regions[RelocatableRegion.relocation_region_size],
                mask=regions[RelocatableRegion.compatibility_mask],
            ),
            AddressRanges.of(
                index=page_tables.index,
                start=page_tables[PageTableRelocation.gpa],
                size=page_tables[PageTableRelocation.size],
                mask=page_tables[PageTableRelocation.compatibility_mask],
            ),
        ]
    )
    later, earlier = overlaps(ranges, inspected.distinct_platform_bits(ranges.mask))
    if len(later):
        yield Many(
            later, describe=lambda row: f"it overlaps the region of header {int(earlier[row])}"
        )


@rule(
    "relocation-vtl",
    ERROR,
    "vtl of a region must be 0, 1 or 2",
    "IGVM_VHS_RELOCATABLE_REGION.vtl, IGVM_VHS_PAGE_TABLE_RELOCATION.vtl",
)
def relocation_vtl(inspected: InspectedFile) -> Found:
    """There are three VTLs; the reference crate refuses other numbers."""
    for record in (RelocatableRegion, PageTableRelocation):
        table = inspected.table(record)
        yield from headers(table.index, table.column("vtl") > 2, "vtl")


def _masks_of_keys(
    keys: NDArray[Any], masks: NDArray[np.uint32], wanted_keys: NDArray[Any]
) -> NDArray[np.uint32]:
    """For each of `wanted_keys` the masks of the rows with that key, taken together.

    Args:
        keys: shape (n,), unsigned.
        masks: the mask of each row, shape (n,), uint32.
        wanted_keys: shape (m,), unsigned.

    Returns:
        Shape (m,), uint32; zero for a key that no row has.
    """
    import numpy as np

    result = np.zeros(len(wanted_keys), np.uint32)
    if len(keys) and len(wanted_keys):
        order = np.argsort(keys, kind="stable")
        distinct, first = np.unique(keys[order], return_index=True)
        masks_of_key = np.bitwise_or.reduceat(masks[order], first)
        at = np.minimum(np.searchsorted(distinct, wanted_keys), len(distinct) - 1)
        result = np.where(distinct[at] == wanted_keys, masks_of_key[at], result)
    return result


@rule(
    "relocation-context",
    ERROR,
    "a region must have a VP_CONTEXT for its vp_index and vtl",
    "IGVM_VHS_PAGE_TABLE_RELOCATION; IGVM_VHS_RELOCATABLE_REGION.vp_index",
)
def relocation_context(inspected: InspectedFile) -> Found:
    """The page tables are found by the context's CR3, and registers to adjust are in it.

    A relocatable region needs one only where APPLY_PC or APPLY_GDTR is set. The reference crate
    wants a VBS context of VP 0 for every region of any kind.
    """
    import numpy as np

    contexts = inspected.contexts
    with_contexts = np.uint32(inspected.declared_mask & ~inspected.mask_of(*_WITHOUT_CONTEXT))
    is_any_vtl = contexts.vtl == ANY_VTL
    key = contexts.vp_index.astype(np.uint32) << 8 | contexts.vtl
    adjusting = np.uint8(RelocatableRegionFlags.APPLY_PC | RelocatableRegionFlags.APPLY_GDTR)
    for record in (RelocatableRegion, PageTableRelocation):
        table = inspected.table(record)
        if not len(table):
            continue
        vp_index = table.column("vp_index").astype(np.uint32)
        covered = _masks_of_keys(
            key[~is_any_vtl], contexts.mask[~is_any_vtl], vp_index << 8 | table.column("vtl")
        )
        covered |= _masks_of_keys(
            contexts.vp_index[is_any_vtl], contexts.mask[is_any_vtl], vp_index
        )
        uncovered = table.column("compatibility_mask") & with_contexts & ~covered
        if record is RelocatableRegion:
            uncovered = np.where(table.column("flags") & adjusting, uncovered, 0)
        masks = uncovered[uncovered != 0]
        yield from headers(
            table.index,
            uncovered != 0,
            "vp_index",
            lambda row, masks=masks: f"{inspected.names(int(masks[row]))} has none",  # type: ignore[misc]
        )
