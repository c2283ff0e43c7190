"""What the reference wants of each header on its own, in its order: one declaration a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.reference.header_rows import HeaderCheck, HeaderRows
from igvm.checks.reference.release_types import LAST_PLATFORM_TYPE
from igvm.spec.directive import ErrorRange, PageData, ParameterArea, ParameterInsert, RequiredMemory
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.initialization import (
    CCAPolicy,
    CorimDocument,
    CorimSignature,
    GuestPolicy,
    PageTableRelocation,
    RelocatableRegion,
)
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.wire.record import Record, Wire

    Bools = NDArray[np.bool_]
    Breaks = Callable[[HeaderRows], Bools]
    """From n headers to where they break a rule, shape (n,), bool."""

_PLATFORM = "InvalidBinaryPlatformHeader."
_INITIALIZATION = "InvalidBinaryInitializationHeader."
_DIRECTIVE = "InvalidBinaryDirectiveHeader."

_LAST_PAGE_DATA_TYPE = 3
_LAST_VTL = 2


def _unaligned(rule: str, field: Wire[Any, Any]) -> HeaderCheck:
    """`field` must be a multiple of 4 KiB."""

    def breaks(rows: HeaderRows) -> Bools:
        is_unaligned: Bools = rows[field] & (PAGE_SIZE_4K - 1) != 0
        return is_unaligned

    return HeaderCheck(rule=rule, field=field.__name__, breaks=breaks)


def _not_zero(
    rule: str, field: Wire[Any, Any], description: str = "{field} is {value:#x}"
) -> HeaderCheck:
    """`field`, a number or bytes, must be zero."""

    def breaks(rows: HeaderRows) -> Bools:
        import numpy as np

        is_set: Bools = rows[field] != 0
        return is_set if is_set.ndim == 1 else np.logical_or.reduce(is_set, axis=1)

    return HeaderCheck(rule=rule, field=field.__name__, breaks=breaks, description=description)


def _more_than(rule: str, field: Wire[Any, Any], most: int) -> HeaderCheck:
    """`field` must be at most `most`."""

    def breaks(rows: HeaderRows) -> Bools:
        is_more: Bools = rows[field] > most
        return is_more

    return HeaderCheck(rule=rule, field=field.__name__, breaks=breaks)


def _not_one_bit(rows: HeaderRows) -> Bools:
    mask = rows[SupportedPlatform.compatibility_mask]
    is_not_one_bit: Bools = (mask == 0) | (mask & (mask - 1) != 0)
    return is_not_one_bit


def _no_highest_vtl(rows: HeaderRows) -> Bools:
    vtl = rows[SupportedPlatform.highest_vtl]
    is_other: Bools = (vtl != 0) & (vtl != 2)
    return is_other


def _unknown_platform(rows: HeaderRows) -> Bools:
    last = LAST_PLATFORM_TYPE[rows.crate_file.release]
    is_unknown: Bools = rows[SupportedPlatform.platform_type] > last
    return is_unknown


def _boundary_without_sharing(rows: HeaderRows) -> Bools:
    platform = rows[SupportedPlatform.platform_type]
    has_no_alias = (platform == PlatformType.NATIVE) | (platform == PlatformType.VSM_ISOLATION)
    breaks: Bools = has_no_alias & (rows[SupportedPlatform.shared_gpa_boundary] != 0)
    return breaks


def _data_outside(rule: str, size: Wire[Any, Any] | int, description: str) -> HeaderCheck:
    """The data of a header that has some must be in the file data."""

    def breaks(rows: HeaderRows) -> Bools:
        is_outside = rows.outside(size) if isinstance(size, int) else rows.outside_by(size)
        has_data: Bools = rows[rows.table.record.file_offset] != 0
        return is_outside & has_data

    return HeaderCheck(rule=rule, field="file_offset", breaks=breaks, description=description)


_DATA_OUTSIDE = "the data at file offset {value:#x} is not wholly in the file data"


def _corim(record: type[CorimDocument | CorimSignature]) -> tuple[HeaderCheck, ...]:
    return (
        _not_zero(_INITIALIZATION + "ReservedNotZero", record.reserved),
        _data_outside(_INITIALIZATION + "InvalidDataSize", record.size_bytes, _DATA_OUTSIDE),
    )


def _off_alignment(field: Wire[Any, Any], words: str) -> HeaderCheck:
    """`field` must be a multiple of the region's alignment."""

    def breaks(rows: HeaderRows) -> Bools:
        import numpy as np

        # A zero alignment was found before; one keeps numpy from dividing by it.
        alignment = np.maximum(rows[RelocatableRegion.relocation_alignment], 1)
        is_off: Bools = rows[field] % alignment != 0
        return is_off

    rule = _INITIALIZATION + "RelocationAddress"
    return HeaderCheck(rule=rule, field=field.__name__, breaks=breaks, words=words)


HEADER_CHECKS: dict[type[Record], tuple[HeaderCheck, ...]] = {
    SupportedPlatform: (
        HeaderCheck(
            rule=_PLATFORM + "InvalidCompatibilityMask",
            field="compatibility_mask",
            breaks=_not_one_bit,
        ),
        HeaderCheck(rule=_PLATFORM + "InvalidVtl", field="highest_vtl", breaks=_no_highest_vtl),
        HeaderCheck(
            rule=_PLATFORM + "InvalidPlatformType", field="platform_type", breaks=_unknown_platform
        ),
        HeaderCheck(
            rule=_PLATFORM + "InvalidPlatformVersion",
            field="platform_version",
            breaks=lambda rows: rows[SupportedPlatform.platform_version] != 1,
        ),
        HeaderCheck(
            rule=_PLATFORM + "InvalidSharedGpaBoundary",
            field="shared_gpa_boundary",
            breaks=_boundary_without_sharing,
        ),
    ),
    GuestPolicy: (_not_zero(_INITIALIZATION + "ReservedNotZero", GuestPolicy.reserved),),
    RelocatableRegion: (
        _more_than(_INITIALIZATION + "InvalidVtl", RelocatableRegion.vtl, _LAST_VTL),
        _unaligned(_INITIALIZATION + "RelocationSize", RelocatableRegion.relocation_region_size),
        _unaligned(_INITIALIZATION + "RelocationAlignment", RelocatableRegion.relocation_alignment),
        HeaderCheck(
            rule="panic.relocation-alignment-zero",
            field="relocation_alignment",
            breaks=lambda rows: rows[RelocatableRegion.relocation_alignment] == 0,
        ),
        _off_alignment(
            RelocatableRegion.relocation_region_gpa,
            "the region must start at a multiple of relocation_alignment",
        ),
        _off_alignment(
            RelocatableRegion.minimum_relocation_gpa,
            "the lowest start must be a multiple of relocation_alignment",
        ),
        _off_alignment(
            RelocatableRegion.maximum_relocation_gpa,
            "the highest end must be a multiple of relocation_alignment",
        ),
    ),
    PageTableRelocation: (
        _not_zero(_INITIALIZATION + "ReservedNotZero", PageTableRelocation.reserved),
        _more_than(_INITIALIZATION + "InvalidVtl", PageTableRelocation.vtl, _LAST_VTL),
        _unaligned(_INITIALIZATION + "UnalignedAddress", PageTableRelocation.gpa),
        _unaligned(_INITIALIZATION + "UnalignedSize", PageTableRelocation.size),
        _unaligned(_INITIALIZATION + "UnalignedSize", PageTableRelocation.used_size),
        HeaderCheck(
            rule=_INITIALIZATION + "InvalidPageTableRegionSize",
            field="used_size",
            breaks=lambda rows: (
                rows[PageTableRelocation.used_size] > rows[PageTableRelocation.size]
            ),
        ),
    ),
    CorimDocument: _corim(CorimDocument),
    CorimSignature: _corim(CorimSignature),
    CCAPolicy: (
        _not_zero(_INITIALIZATION + "ReservedNotZero", CCAPolicy.reserved),
        _not_zero(_INITIALIZATION + "ReservedNotZero", CCAPolicy.reserved2, "{field} is {value}"),
        HeaderCheck(
            rule=_INITIALIZATION + "InvalidOnesZeroesMasks",
            field="attributes_required_zeroes",
            breaks=lambda rows: (
                rows[CCAPolicy.attributes_required_zeroes]
                & rows[CCAPolicy.attributes_required_ones]
                != 0
            ),
            description="{value:#x} must be zero and shares bits with what must be one",
        ),
    ),
    ParameterArea: (
        _data_outside(_DIRECTIVE + "InvalidDataSize", ParameterArea.number_of_bytes, _DATA_OUTSIDE),
        _unaligned(_DIRECTIVE + "UnalignedSize", ParameterArea.number_of_bytes),
    ),
    PageData: (
        _data_outside(
            _DIRECTIVE + "InvalidDataSize",
            PAGE_SIZE_4K,
            "the 4 KiB at file offset {value:#x} are not wholly in the file data",
        ),
        _not_zero(_DIRECTIVE + "ReservedNotZero", PageData.reserved),
        _unaligned(_DIRECTIVE + "UnalignedAddress", PageData.gpa),
        _more_than(_DIRECTIVE + "InvalidPageDataType", PageData.data_type, _LAST_PAGE_DATA_TYPE),
    ),
    ParameterInsert: (_unaligned(_DIRECTIVE + "UnalignedAddress", ParameterInsert.gpa),),
    RequiredMemory: (
        _not_zero(_DIRECTIVE + "ReservedNotZero", RequiredMemory.reserved),
        _unaligned(_DIRECTIVE + "UnalignedAddress", RequiredMemory.gpa),
        _unaligned(_DIRECTIVE + "UnalignedSize", RequiredMemory.number_of_bytes),
    ),
    ErrorRange: (_unaligned(_DIRECTIVE + "UnalignedAddress", ErrorRange.gpa),),
}
"""The checks of each structure, in the crate's order; a structure not listed is always taken.

VP_CONTEXT has its own, in `context_checks`.
"""
