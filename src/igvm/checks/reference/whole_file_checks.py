"""What the reference wants of all headers together, once each has been parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from igvm.checks.reference.area_order import first_out_of_turn
from igvm.checks.reference.header_rows import field_place
from igvm.checks.reference.region_overlaps import first_refused_region
from igvm.checks.reference.rejection import Rejection
from igvm.checks.reference.release_types import VBS_HEAD_SIZE
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

if TYPE_CHECKING:
    from igvm.checks.reference.parsed_headers import ParsedHeaders
    from igvm.file.table import Table
    from igvm.wire.record import Record

R = TypeVar("R", bound="Record")

_U64 = (1 << 64) - 1

# A 33rd header that sets a bit of its own has no bit left: more never matter.
_MASK_BITS = 32


def whole_file_rejection(parsed: ParsedHeaders) -> Rejection | None:
    """Where the crate stops in a file whose headers it could all parse, or None."""
    return _platforms(parsed) or _initializations(parsed) or _directives(parsed)


def _kept(parsed: ParsedHeaders, record: type[R]) -> Table[R] | None:
    """The headers of `record` that the crate keeps: it drops those whose mask is zero."""
    import numpy as np

    if not parsed.has(record):
        return None
    table = parsed.table(record)
    mask = table[record.compatibility_mask]  # type: ignore[attr-defined]
    if not mask.all():
        table = parsed.table(record, table.index[np.flatnonzero(mask)])
    return table if len(table) else None


def _blame(table: Table[Any], row: int, rule: str, field: str, description: str) -> Rejection:
    """A rejection for `field` of the header at `row`; `description` is about its {value}."""
    index, name, offset = field_place(table, row, field)
    value = int(table[getattr(table.record, field)][row])
    return Rejection(
        rule=rule,
        description=description.format(value=value),
        header=name,
        field=field,
        index=index,
        offset=offset,
        value=value,
    )


def _first(*rejections: Rejection | None) -> Rejection | None:
    """The one whose header comes first; of two at one header, the one that is given first."""
    given = [rejection for rejection in rejections if rejection is not None]
    return min(given, key=lambda rejection: rejection.index or 0, default=None)


# Platform headers.


def _platforms(parsed: ParsedHeaders) -> Rejection | None:
    """IgvmFile::validate_platform_headers."""
    if not parsed.has(SupportedPlatform):
        return Rejection(rule="NoPlatformHeaders", description="there is none")
    table = parsed.table(SupportedPlatform)
    is_arm_file = parsed.file.architecture == Architecture.AARCH64
    seen = set()
    # A type comes twice before the list of types has run out.
    for row, number in enumerate(table[SupportedPlatform.platform_type].tolist()):
        platform = PlatformType(number)
        is_arm_platform = platform == PlatformType.CCA
        if platform != PlatformType.VSM_ISOLATION and is_arm_platform != is_arm_file:
            description = f"{platform.name} in a file for the other architecture"
            return _blame(table, row, "PlatformArchUnsupported", "platform_type", description)
        if platform in seen:
            rule = "MultiplePlatformHeadersWithSameIsolation"
            description = f"{platform.name} comes a second time"
            return _blame(table, row, rule, "platform_type", description)
        seen.add(platform)
    return None


# Initialization headers.


def _initializations(parsed: ParsedHeaders) -> Rejection | None:
    """IgvmFile::validate_initialization_headers."""
    # Of two at one header, a second page table region comes before its place.
    return _first(
        _cca_policy(parsed),
        _second_page_tables(parsed),
        _corim(parsed),
        _region_overlap(parsed),
    )


def _cca_policy(parsed: ParsedHeaders) -> Rejection | None:
    """The first CCA policy that is not for CCA platforms alone."""
    import numpy as np

    table = _kept(parsed, CCAPolicy)
    if table is None:
        return None
    if parsed.file.architecture != Architecture.AARCH64:
        description = "there is a CCA_POLICY in an X64 file"
        return _blame(table, 0, "InvalidHeaderArch", "compatibility_mask", description)
    cca_bits = sum(
        mask for mask, platform in parsed.platforms.items() if platform == PlatformType.CCA
    )
    is_for_others = table[CCAPolicy.compatibility_mask] & ~np.uint32(cca_bits) != 0
    if not is_for_others.any():
        return None
    rule, description = "InvalidCcaPolicyCompatibilityMask", "not all of mask {value:#x} is CCA"
    return _blame(table, int(is_for_others.argmax()), rule, "compatibility_mask", description)


def _second_page_tables(parsed: ParsedHeaders) -> Rejection | None:
    """The first page table region whose mask has a bit of an earlier one."""
    table = _kept(parsed, PageTableRelocation)
    if table is None:
        return None
    taken = 0
    masks = table[PageTableRelocation.compatibility_mask][: _MASK_BITS + 1]
    for row, mask in enumerate(masks.tolist()):
        if mask & taken:
            rule = "MultiplePageTableRelocationHeaders"
            description = f"mask {mask & taken:#x} has a page table region already"
            return _blame(table, row, rule, "compatibility_mask", description)
        taken |= mask
    return None


def _corim(parsed: ParsedHeaders) -> Rejection | None:
    """The first CoRIM header whose mask has a bit too often, or without its document."""
    in_turn = [
        (int(index), mask, table, row)
        for table in (_kept(parsed, CorimDocument), _kept(parsed, CorimSignature))
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
    for _, mask, table, row in sorted(in_turn, key=lambda header: header[0]):
        is_document = table.record is CorimDocument
        wrong_bits = mask & (documents if is_document else signatures | ~documents)
        if wrong_bits:
            bit = wrong_bits & -wrong_bits  # the crate goes bit by bit, from the lowest
            error, description = "MissingCorimDocument", f"mask {bit:#x} has no document yet"
            if is_document:
                error = "MultipleCorimDocuments"
                description = f"mask {bit:#x} has a document already"
            elif bit & signatures:
                error = "MultipleCorimSignatures"
                description = f"mask {bit:#x} has a signature already"
            rule = f"InvalidBinaryInitializationHeader.{error}"
            return _blame(table, row, rule, "compatibility_mask", description)
        if is_document:
            documents |= mask
        else:
            signatures |= mask
    return None


def _region_overlap(parsed: ParsedHeaders) -> Rejection | None:
    """The first relocatable or page table region that is empty or overlaps an earlier one."""
    import numpy as np

    kept = _kept(parsed, PageTableRelocation), _kept(parsed, RelocatableRegion)
    tables: list[Table[Any]] = [table for table in kept if table is not None]
    if not tables:
        return None
    index = np.concatenate([table.index for table in tables])
    order = np.argsort(index, kind="stable")

    def column(page_tables: Any, relocatable: Any) -> Any:
        fields: dict[type[Record], Any]
        fields = {PageTableRelocation: page_tables, RelocatableRegion: relocatable}
        return np.concatenate([table[fields[table.record]] for table in tables])[order]

    refused = first_refused_region(
        column(PageTableRelocation.compatibility_mask, RelocatableRegion.compatibility_mask),
        column(PageTableRelocation.gpa, RelocatableRegion.relocation_region_gpa),
        column(PageTableRelocation.size, RelocatableRegion.relocation_region_size),
    )
    if refused is None:
        return None
    position, rule, description = refused
    row = int(order[position])
    for table in tables:
        if row < len(table):
            field = "gpa" if table.record is PageTableRelocation else "relocation_region_gpa"
            return _blame(table, row, rule, field, description)
        row -= len(table)
    return None


# Directive headers.


def _directives(parsed: ParsedHeaders) -> Rejection | None:
    """IgvmFile::validate_directive_headers."""
    return _first(_area(parsed), _insert(parsed)) or _region_without_context(parsed)


def _area(parsed: ParsedHeaders) -> Rejection | None:
    """The first header that declares, uses or inserts a parameter area out of turn."""
    out_of_turn = first_out_of_turn(parsed)
    if out_of_turn is None:
        return None
    table, row, description = out_of_turn
    return _blame(table, row, "InvalidParameterAreaIndex", "parameter_area_index", description)


def _insert(parsed: ParsedHeaders) -> Rejection | None:
    """The first parameter insert in a page table region of its mask."""
    inserts, regions = _kept(parsed, ParameterInsert), _kept(parsed, PageTableRelocation)
    row = None if inserts is None or regions is None else _first_inside(inserts, regions)
    if inserts is None or row is None:
        return None
    rule, description = "ParameterInsertInsidePageTableRegion", "gpa {value:#x} is in such a region"
    return _blame(inserts, row, rule, "gpa", description)


def _first_inside(
    inserts: Table[ParameterInsert], regions: Table[PageTableRelocation]
) -> int | None:
    """The first insert whose gpa is in a page table region of its mask."""
    import numpy as np

    mask, gpa = inserts[ParameterInsert.compatibility_mask], inserts[ParameterInsert.gpa]
    is_inside = np.zeros(len(inserts), bool)
    # There are at most 32: their masks share no bit.
    for bits, start, size in zip(
        regions[PageTableRelocation.compatibility_mask].tolist(),
        regions[PageTableRelocation.gpa].tolist(),
        regions[PageTableRelocation.size].tolist(),
        strict=True,
    ):
        end = start + size & _U64  # wraps to zero for a region that ends at 2^64
        is_inside |= (mask & np.uint32(bits) != 0) & (gpa >= start) & (gpa < end)
    return int(is_inside.argmax()) if is_inside.any() else None


def _region_without_context(parsed: ParsedHeaders) -> Rejection | None:
    """The first region whose VP and VTL have no VBS context of a common mask bit."""
    import numpy as np

    tables: tuple[Table[Any] | None, ...] = (
        _kept(parsed, PageTableRelocation),
        _kept(parsed, RelocatableRegion),
    )
    rejections = []
    for table in tables:
        if table is None:
            continue
        mask_of_vtl = np.array(_vbs_context_masks(parsed), np.uint32)
        mask = table[table.record.compatibility_mask]
        vp_index = table[table.record.vp_index]
        is_uncovered = (vp_index != 0) | (mask & mask_of_vtl[table[table.record.vtl]] == 0)
        if is_uncovered.any():
            row = int(is_uncovered.argmax())
            field = "vp_index" if vp_index[row] else "vtl"
            description = "no VBS context with this VP and VTL is for this region's platforms"
            rejections.append(_blame(table, row, "NoMatchingVpContext", field, description))
    return _first(*rejections)


def _vbs_context_masks(parsed: ParsedHeaders) -> tuple[int, int, int]:
    """The mask bits of the VBS contexts of each VTL."""
    import numpy as np

    if not parsed.has(VPContext):
        return 0, 0, 0
    vbs = PlatformType.VSM_ISOLATION
    masks = [mask for mask, platform in parsed.platforms.items() if platform == vbs]
    contexts = parsed.table(VPContext)
    context_masks = contexts[VPContext.compatibility_mask]
    octets = np.frombuffer(parsed.file.buffer, np.uint8)
    mask_of_vtl = [0, 0, 0]
    for mask in masks:
        # Each list was found to start with a register of the list's only VTL.
        offsets = contexts[VPContext.file_offset][context_masks == mask]
        vtls = octets[offsets.astype(np.int64) + VBS_HEAD_SIZE]
        for vtl in np.unique(vtls).tolist():
            mask_of_vtl[vtl] |= mask
    return mask_of_vtl[0], mask_of_vtl[1], mask_of_vtl[2]
