"""Guest memory as a whole: what overlaps, what ends where, what is required."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.address_ranges import AddressRanges, overlaps, touching, wraps
from igvm.checks.rule import Many, headers, rule
from igvm.spec.directive import ErrorRange, ParameterArea, RequiredMemory
from igvm.spec.enums import PAGE_SIZE_4K
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_ADDRESS_BITS = 52


@rule(
    "memory-overlap",
    ERROR,
    "pages, parameter areas and error ranges of a platform must not overlap",
    "igvm_defs, Variable Header; IGVM_VHS_PAGE_DATA, IGVM_VHS_PARAMETER_INSERT",
)
def memory_overlap(inspected: InspectedFile) -> Found:
    """Hardware that isolates a guest imports a page once: SNP and TDX refuse the second time.

    Elsewhere it depends on the loader: QEMU without isolation loads both and what is written last
    stays, OpenVMM refuses. A page for SNP and one for TDX may have the same address; two whose
    masks share a platform may not. The reference crate does not look, and measures both.
    """
    memory = inspected.imported_memory
    if memory is None:
        return
    later, earlier = overlaps(memory, inspected.distinct_platform_bits(memory.mask))
    if len(later):
        yield Many(later, "gpa", lambda row: f"it overlaps header {int(earlier[row])}")


@rule(
    "memory-context-overlap",
    WARNING,
    "the page of a VMSA should not be used for anything else",
    "IGVM_VHS_VP_CONTEXT.gpa",
)
def memory_context_overlap(inspected: InspectedFile) -> Found:
    """The VMSA goes into guest memory as a page of its own kind.

    Where a page or a parameter area is there already, hardware refuses one of the two, or the
    loader writes over it. Several VPs at one address are common: KVM builds their pages elsewhere.
    """
    contexts = inspected.contexts
    rows = contexts.of(SEVVMSA).nonzero()[0]
    memory = inspected.imported_memory
    if not len(rows) or memory is None:
        return
    pages = AddressRanges.of(
        index=contexts.index[rows],
        start=contexts.gpa[rows],
        size=PAGE_SIZE_4K,
        mask=contexts.mask[rows],
    )
    bits = inspected.distinct_platform_bits(pages.mask, memory.mask)
    index, other_index = touching(pages, memory, bits)
    if len(index):
        yield Many(index, "gpa", lambda row: f"it overlaps header {int(other_index[row])}")


@rule(
    "memory-wraps",
    ERROR,
    "memory must end at or below 2^64",
    "gpa of every structure of igvm_defs that names memory",
)
def memory_wraps(inspected: InspectedFile) -> Found:
    """An end past 2^64 becomes a low address in a loader that doesn't look.

    The reference crate crashes on such regions, or takes them for something else.
    """
    for table, field, size, _ in inspected.guest_memory:
        yield from headers(table.index, wraps(table.column(field), size), field)


@rule(
    "memory-width",
    WARNING,
    "memory should lie below 2^52, where physical addresses end",
    "AMD64 and Arm architectures, physical address size",
)
def memory_width(inspected: InspectedFile) -> Found:
    """X64 has at most 52 bits of physical address, Arm as many unless it has FEAT_D128.

    Most processors have fewer.
    """
    import numpy as np

    limit = np.uint64(1 << _ADDRESS_BITS)
    for table, field, size, _ in inspected.guest_memory:
        start = table.column(field)
        is_high = (start >= limit) | (size > limit) | (start + size > limit)
        yield from headers(table.index, is_high & ~wraps(start, size), field)


@rule(
    "memory-empty",
    WARNING,
    "memory should have at least one byte",
    "IGVM_VHS_PARAMETER_AREA.number_of_bytes, IGVM_VHS_REQUIRED_MEMORY.number_of_bytes, "
    "IGVM_VHS_ERROR_RANGE.size_bytes",
)
def memory_empty(inspected: InspectedFile) -> Found:
    """A header without any memory does nothing, which is hardly what it was written for."""
    for record, field in (
        (ParameterArea, "number_of_bytes"),
        (RequiredMemory, "number_of_bytes"),
        (ErrorRange, "size_bytes"),
    ):
        table = inspected.table(record)
        yield from headers(table.index, table.column(field) == 0, field)


@rule(
    "required-alignment",
    ERROR,
    "gpa and number_of_bytes of REQUIRED_MEMORY must be multiples of the page size",
    "IGVM_VHS_REQUIRED_MEMORY.gpa, number_of_bytes",
)
def required_alignment(inspected: InspectedFile) -> Found:
    """Memory is given to a guest in pages; the reference crate refuses other values."""
    table = inspected.table(RequiredMemory)
    for name in ("gpa", "number_of_bytes"):
        yield from headers(table.index, table.column(name) % inspected.page_size != 0, name)


@rule(
    "required-overlap",
    WARNING,
    "REQUIRED_MEMORY of a platform should not overlap",
    "IGVM_VHS_REQUIRED_MEMORY",
)
def required_overlap(inspected: InspectedFile) -> Found:
    """Asking for memory twice is harmless, and where the flags differ, not clear."""
    table = inspected.table(RequiredMemory)
    if len(table):
        mask = table[RequiredMemory.compatibility_mask]
        memory = AddressRanges.of(
            index=table.index,
            start=table[RequiredMemory.gpa],
            size=table[RequiredMemory.number_of_bytes],
            mask=mask,
        )
        later, earlier = overlaps(memory, inspected.distinct_platform_bits(mask))
        if len(later):
            yield Many(later, "gpa", lambda row: f"it overlaps header {int(earlier[row])}")


@rule(
    "error-range-alignment",
    ERROR,
    "gpa and size_bytes of an ERROR_RANGE must be multiples of the page size",
    "IGVM_VHS_ERROR_RANGE.gpa, size_bytes",
)
def error_range_alignment(inspected: InspectedFile) -> Found:
    """The range is shared with the host in pages.

    With another size the host sees bytes that the guest means to keep. The reference crate looks
    at the address only.
    """
    table = inspected.table(ErrorRange)
    for name in ("gpa", "size_bytes"):
        yield from headers(table.index, table.column(name) % inspected.page_size != 0, name)
