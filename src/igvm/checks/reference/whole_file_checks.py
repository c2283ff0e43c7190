"""What the reference wants of all headers together, once each has been parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from igvm.checks.reference.area_order import out_of_turn
from igvm.checks.reference.header_rows import place
from igvm.checks.reference.region_overlaps import overlap
from igvm.checks.reference.rejection import Stop
from igvm.spec.directive import ParameterInsert, VPContext
from igvm.spec.enums import Architecture, PlatformType
from igvm.spec.initialization import (
    CCAPolicy,
    CorimDocument,
    CorimSignature,
    PageTableRelocation,
    RelocatableRegion,
)
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    from igvm.checks.reference.parsed_headers import Stream
    from igvm.file.table import Table
    from igvm.wire.record import Record

R = TypeVar("R", bound="Record")

_U64 = (1 << 64) - 1

# A 33rd header that sets a bit of its own has no bit left: more never matter.
_MASK_BITS = 32


def whole_stop(stream: Stream) -> Stop | None:
    """Where the crate stops in a file whose headers it could all parse, or None."""
    return _platforms(stream) or _initializations(stream) or _directives(stream)


def _used(stream: Stream, record: type[R]) -> Table[R] | None:
    """The headers of `record` that the crate keeps: it drops those whose mask is zero."""
    import numpy as np

    if TYPE_OF[record] not in stream.kinds:
        return None
    table = stream.table(record)
    mask = table[record.compatibility_mask]  # type: ignore[attr-defined]
    if not mask.all():
        table = stream.table(record, table.index[np.flatnonzero(mask)])
    return table if len(table) else None


def _blame(table: Table[Any], row: int, rule: str, field: str, found: str) -> Stop:
    """A stop at `field` of the header at `row`; `found` is about its {value}."""
    index, name, offset = place(table, row, field)
    value = int(table[getattr(table.record, field)][row])
    return Stop(
        rule=rule,
        found=found.format(value=value),
        header=name,
        field=field,
        index=index,
        offset=offset,
        value=value,
    )


# Platform headers.


def _platforms(stream: Stream) -> Stop | None:
    """IgvmFile::validate_platform_headers."""
    if TYPE_OF[SupportedPlatform] not in stream.kinds:
        return Stop(rule="NoPlatformHeaders", found="there is none")
    table = stream.table(SupportedPlatform)
    arm = stream.file.architecture == Architecture.AARCH64
    seen = set()
    # A type comes twice before the list of types has run out.
    for row, number in enumerate(table[SupportedPlatform.platform_type].tolist()):
        kind = PlatformType(number)
        if kind != PlatformType.VSM_ISOLATION and (kind == PlatformType.CCA) != arm:
            rule, found = "PlatformArchUnsupported", f"{kind.name} in a file for the other"
            return _blame(table, row, rule, "platform_type", found + " architecture")
        if kind in seen:
            rule = "MultiplePlatformHeadersWithSameIsolation"
            return _blame(table, row, rule, "platform_type", f"{kind.name} comes a second time")
        seen.add(kind)
    return None


# Initialization headers.


def _initializations(stream: Stream) -> Stop | None:
    """IgvmFile::validate_initialization_headers."""
    # Of two stops at one header, a second page table region comes before its place.
    finders = (_cca_policy, _second_page_tables, _corim, _overlap)
    stops = [stop for find in finders if (stop := find(stream)) is not None]
    return min(stops, key=lambda stop: stop.index or 0, default=None)


def _cca_policy(stream: Stream) -> Stop | None:
    """The first CCA policy that is not for CCA platforms alone."""
    import numpy as np

    table = _used(stream, CCAPolicy)
    if table is None:
        return None
    if stream.file.architecture != Architecture.AARCH64:
        found = "there is a CCA_POLICY in an X64 file"
        return _blame(table, 0, "InvalidHeaderArch", "compatibility_mask", found)
    bits = sum(mask for mask, kind in stream.platforms.items() if kind == PlatformType.CCA)
    bad = table[CCAPolicy.compatibility_mask] & ~np.uint32(bits) != 0
    if not bad.any():
        return None
    rule, found = "InvalidCcaPolicyCompatibilityMask", "not all of mask {value:#x} is CCA"
    return _blame(table, int(bad.argmax()), rule, "compatibility_mask", found)


def _second_page_tables(stream: Stream) -> Stop | None:
    """The first page table region whose mask has a bit of an earlier one."""
    table = _used(stream, PageTableRelocation)
    if table is None:
        return None
    taken = 0
    column = table[PageTableRelocation.compatibility_mask][: _MASK_BITS + 1]
    for row, mask in enumerate(column.tolist()):
        if mask & taken:
            rule = "MultiplePageTableRelocationHeaders"
            found = f"mask {mask & taken:#x} has a page table region already"
            return _blame(table, row, rule, "compatibility_mask", found)
        taken |= mask
    return None


def _corim(stream: Stream) -> Stop | None:
    """The first CoRIM header whose mask has a bit too often, or without its document."""
    events = [
        (int(index), mask, table, row)
        for table in (_used(stream, CorimDocument), _used(stream, CorimSignature))
        if table is not None
        for row, (index, mask) in enumerate(
            zip(
                table.index[: _MASK_BITS + 1],
                table[table.record.compatibility_mask][: _MASK_BITS + 1].tolist(),
                strict=True,
            )
        )
    ]
    documents = signatures = 0
    for _, mask, table, row in sorted(events, key=lambda event: event[0]):
        is_document = table.record is CorimDocument
        wrong = mask & (documents if is_document else signatures | ~documents)
        if wrong:
            bit = wrong & -wrong  # the crate goes bit by bit, from the lowest
            rule, found = "MissingCorimDocument", f"mask {bit:#x} has no document yet"
            if is_document:
                rule, found = "MultipleCorimDocuments", f"mask {bit:#x} has a document already"
            elif bit & signatures:
                rule, found = "MultipleCorimSignatures", f"mask {bit:#x} has a signature already"
            rule = f"InvalidBinaryInitializationHeader.{rule}"
            return _blame(table, row, rule, "compatibility_mask", found)
        if is_document:
            documents |= mask
        else:
            signatures |= mask
    return None


def _overlap(stream: Stream) -> Stop | None:
    """The first relocatable or page table region that is empty or overlaps an earlier one."""
    import numpy as np

    tables = _used(stream, PageTableRelocation), _used(stream, RelocatableRegion)
    present = [table for table in tables if table is not None]
    if not present:
        return None
    index = np.concatenate([table.index for table in present])
    order = np.argsort(index, kind="stable")

    def column(page_tables: Any, relocatable: Any) -> Any:
        fields = {PageTableRelocation: page_tables, RelocatableRegion: relocatable}
        return np.concatenate([table[fields[table.record]] for table in present])[order]

    found = overlap(
        column(PageTableRelocation.compatibility_mask, RelocatableRegion.compatibility_mask),
        column(PageTableRelocation.gpa, RelocatableRegion.relocation_region_gpa),
        column(PageTableRelocation.size, RelocatableRegion.relocation_region_size),
    )
    if found is None:
        return None
    row, rule, what = found
    one = int(order[row])
    for table in present:
        if one < len(table):
            field = "gpa" if table.record is PageTableRelocation else "relocation_region_gpa"
            return _blame(table, one, rule, field, what)
        one -= len(table)
    return None


# Directive headers.


def _directives(stream: Stream) -> Stop | None:
    """IgvmFile::validate_directive_headers."""
    stops = [stop for find in (_area, _insert) if (stop := find(stream)) is not None]
    return min(stops, key=lambda stop: stop.index or 0, default=None) or _unmatched(stream)


def _area(stream: Stream) -> Stop | None:
    """The first header that declares, uses or inserts a parameter area out of turn."""
    wrong = out_of_turn(stream)
    if wrong is None:
        return None
    table, row, found = wrong
    return _blame(table, row, "InvalidParameterAreaIndex", "parameter_area_index", found)


def _insert(stream: Stream) -> Stop | None:
    """The first parameter insert in a page table region of its mask."""
    inserts, regions = _used(stream, ParameterInsert), _used(stream, PageTableRelocation)
    row = None if inserts is None or regions is None else _inside(inserts, regions)
    if inserts is None or row is None:
        return None
    rule, found = "ParameterInsertInsidePageTableRegion", "gpa {value:#x} is in such a region"
    return _blame(inserts, row, rule, "gpa", found)


def _inside(inserts: Table[ParameterInsert], regions: Table[PageTableRelocation]) -> int | None:
    """The first insert whose gpa is in a page table region of its mask."""
    import numpy as np

    mask, gpa = inserts[ParameterInsert.compatibility_mask], inserts[ParameterInsert.gpa]
    bad = np.zeros(len(inserts), bool)
    # There are at most 32: their masks share no bit.
    for region in regions.rows().tolist():
        bits, start, size = region[0], region[4], region[5]
        end = start + size & _U64  # wraps to zero for a region that ends at 2^64
        bad |= (mask & np.uint32(bits) != 0) & (gpa >= start) & (gpa < end)
    return int(bad.argmax()) if bad.any() else None


def _unmatched(stream: Stream) -> Stop | None:
    """The first region whose VP and VTL have no VBS context of a common mask bit."""
    import numpy as np

    regions: tuple[Table[Any] | None, ...] = (
        _used(stream, PageTableRelocation),
        _used(stream, RelocatableRegion),
    )
    stops = []
    for table in regions:
        if table is None:
            continue
        covered = np.array(_covered(stream), np.uint32)
        mask = table[table.record.compatibility_mask]
        vp = table[table.record.vp_index]
        bad = (vp != 0) | (mask & covered[table[table.record.vtl]] == 0)
        if bad.any():
            found = "no VBS context with this VP and VTL is for this region's platforms"
            row = int(bad.argmax())
            field = "vp_index" if vp[row] else "vtl"
            stops.append(_blame(table, row, "NoMatchingVpContext", field, found))
    return min(stops, key=lambda stop: stop.index or 0, default=None)


def _covered(stream: Stream) -> tuple[int, int, int]:
    """The mask bits of the VBS contexts of each VTL."""
    import numpy as np

    if TYPE_OF[VPContext] not in stream.kinds:
        return 0, 0, 0
    vbs = PlatformType.VSM_ISOLATION
    bits = [mask for mask, kind in stream.platforms.items() if kind == vbs]
    contexts = stream.table(VPContext)
    mask = contexts[VPContext.compatibility_mask]
    octets = np.frombuffer(stream.file.buffer, np.uint8)
    result = [0, 0, 0]
    for bit in bits:
        # Each list was found to start with a register of the list's only VTL.
        offsets = contexts[VPContext.file_offset][mask == bit]
        for vtl in np.unique(octets[offsets.astype(np.int64) + 4]).tolist():
            result[vtl] |= bit
    return result[0], result[1], result[2]
