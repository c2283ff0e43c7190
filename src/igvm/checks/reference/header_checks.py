"""What the reference wants of each header on its own, in its order: one declaration a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.reference.header_rows import Check, Rows
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

_PLATFORM = "InvalidBinaryPlatformHeader."
_INITIALIZATION = "InvalidBinaryInitializationHeader."
_DIRECTIVE = "InvalidBinaryDirectiveHeader."

_LAST_PLATFORM = {"0.4": PlatformType.SEV_ES, "0.5": PlatformType.CCA}


def _unaligned(field: Wire[Any, Any]) -> Callable[[Rows], Bools]:
    """Where `field` is not a multiple of 4 KiB."""

    def breaks(rows: Rows) -> Bools:
        result: Bools = rows[field] & (PAGE_SIZE_4K - 1) != 0
        return result

    return breaks


def _not_zero(field: Wire[Any, Any]) -> Callable[[Rows], Bools]:
    """Where `field`, a number or bytes, is not zero."""

    def breaks(rows: Rows) -> Bools:
        import numpy as np

        result: Bools = rows[field] != 0
        return result if result.ndim == 1 else np.logical_or.reduce(result, axis=1)

    return breaks


def _more_than(field: Wire[Any, Any], most: int) -> Callable[[Rows], Bools]:
    """Where `field` is more than `most`."""

    def breaks(rows: Rows) -> Bools:
        result: Bools = rows[field] > most
        return result

    return breaks


def _no_single_bit(rows: Rows) -> Bools:
    mask = rows[SupportedPlatform.compatibility_mask]
    result: Bools = (mask == 0) | (mask & (mask - 1) != 0)
    return result


def _no_highest_vtl(rows: Rows) -> Bools:
    vtl = rows[SupportedPlatform.highest_vtl]
    result: Bools = (vtl != 0) & (vtl != 2)
    return result


def _no_platform(rows: Rows) -> Bools:
    return rows[SupportedPlatform.platform_type] > _LAST_PLATFORM[rows.scope.release]


def _boundary(rows: Rows) -> Bools:
    kind = rows[SupportedPlatform.platform_type]
    without = (kind == PlatformType.NATIVE) | (kind == PlatformType.VSM_ISOLATION)
    result: Bools = without & (rows[SupportedPlatform.shared_gpa_boundary] != 0)
    return result


def _off_alignment(field: Wire[Any, Any]) -> Callable[[Rows], Bools]:
    """Where `field` is not a multiple of the region's alignment."""

    def breaks(rows: Rows) -> Bools:
        import numpy as np

        # A zero alignment was found before; one keeps numpy from dividing by it.
        alignment = np.maximum(rows[RelocatableRegion.relocation_alignment], 1)
        result: Bools = rows[field] % alignment != 0
        return result

    return breaks


def _data_outside(size: Wire[Any, Any] | int) -> Callable[[Rows], Bools]:
    """Where the data of a header that has some is not in the file data."""

    def breaks(rows: Rows) -> Bools:
        outside = rows.outside(size) if isinstance(size, int) else rows.outside_by(size)
        wanted: Bools = rows[rows.table.record.file_offset] != 0
        return outside & wanted

    return breaks


_DATA_FOUND = "the data at file offset {value:#x} is not wholly in the file data"


def _corim(record: type[CorimDocument | CorimSignature]) -> tuple[Check, ...]:
    return (
        Check(_INITIALIZATION + "ReservedNotZero", "reserved", _not_zero(record.reserved)),
        Check(
            _INITIALIZATION + "InvalidDataSize",
            "file_offset",
            _data_outside(record.size_bytes),
            _DATA_FOUND,
        ),
    )


def _relocation_address(field: Wire[Any, Any], words: str) -> Check:
    rule = _INITIALIZATION + "RelocationAddress"
    return Check(rule, field.__name__, _off_alignment(field), words=words)


HEADER_CHECKS: dict[type[Record], tuple[Check, ...]] = {
    SupportedPlatform: (
        Check(_PLATFORM + "InvalidCompatibilityMask", "compatibility_mask", _no_single_bit),
        Check(_PLATFORM + "InvalidVtl", "highest_vtl", _no_highest_vtl),
        Check(_PLATFORM + "InvalidPlatformType", "platform_type", _no_platform),
        Check(
            _PLATFORM + "InvalidPlatformVersion",
            "platform_version",
            lambda rows: rows[SupportedPlatform.platform_version] != 1,
        ),
        Check(_PLATFORM + "InvalidSharedGpaBoundary", "shared_gpa_boundary", _boundary),
    ),
    GuestPolicy: (
        Check(_INITIALIZATION + "ReservedNotZero", "reserved", _not_zero(GuestPolicy.reserved)),
    ),
    RelocatableRegion: (
        Check(_INITIALIZATION + "InvalidVtl", "vtl", _more_than(RelocatableRegion.vtl, 2)),
        Check(
            _INITIALIZATION + "RelocationSize",
            "relocation_region_size",
            _unaligned(RelocatableRegion.relocation_region_size),
        ),
        Check(
            _INITIALIZATION + "RelocationAlignment",
            "relocation_alignment",
            _unaligned(RelocatableRegion.relocation_alignment),
        ),
        Check(
            "panic.relocation-alignment-zero",
            "relocation_alignment",
            lambda rows: rows[RelocatableRegion.relocation_alignment] == 0,
        ),
        _relocation_address(
            RelocatableRegion.relocation_region_gpa,
            "the region must start at a multiple of relocation_alignment",
        ),
        _relocation_address(
            RelocatableRegion.minimum_relocation_gpa,
            "the lowest start must be a multiple of relocation_alignment",
        ),
        _relocation_address(
            RelocatableRegion.maximum_relocation_gpa,
            "the highest end must be a multiple of relocation_alignment",
        ),
    ),
    PageTableRelocation: (
        Check(
            _INITIALIZATION + "ReservedNotZero", "reserved", _not_zero(PageTableRelocation.reserved)
        ),
        Check(_INITIALIZATION + "InvalidVtl", "vtl", _more_than(PageTableRelocation.vtl, 2)),
        Check(_INITIALIZATION + "UnalignedAddress", "gpa", _unaligned(PageTableRelocation.gpa)),
        Check(_INITIALIZATION + "UnalignedSize", "size", _unaligned(PageTableRelocation.size)),
        Check(
            _INITIALIZATION + "UnalignedSize",
            "used_size",
            _unaligned(PageTableRelocation.used_size),
        ),
        Check(
            _INITIALIZATION + "InvalidPageTableRegionSize",
            "used_size",
            lambda rows: rows[PageTableRelocation.used_size] > rows[PageTableRelocation.size],
        ),
    ),
    CorimDocument: _corim(CorimDocument),
    CorimSignature: _corim(CorimSignature),
    CCAPolicy: (
        Check(_INITIALIZATION + "ReservedNotZero", "reserved", _not_zero(CCAPolicy.reserved)),
        Check(
            _INITIALIZATION + "ReservedNotZero",
            "reserved2",
            _not_zero(CCAPolicy.reserved2),
            "{field} is {value}",
        ),
        Check(
            _INITIALIZATION + "InvalidOnesZeroesMasks",
            "attributes_required_zeroes",
            lambda rows: (
                rows[CCAPolicy.attributes_required_zeroes]
                & rows[CCAPolicy.attributes_required_ones]
                != 0
            ),
            "{value:#x} must be zero and shares bits with what must be one",
        ),
    ),
    ParameterArea: (
        Check(
            _DIRECTIVE + "InvalidDataSize",
            "file_offset",
            _data_outside(ParameterArea.number_of_bytes),
            _DATA_FOUND,
        ),
        Check(
            _DIRECTIVE + "UnalignedSize",
            "number_of_bytes",
            _unaligned(ParameterArea.number_of_bytes),
        ),
    ),
    PageData: (
        Check(
            _DIRECTIVE + "InvalidDataSize",
            "file_offset",
            _data_outside(PAGE_SIZE_4K),
            "the 4 KiB at file offset {value:#x} are not wholly in the file data",
        ),
        Check(_DIRECTIVE + "ReservedNotZero", "reserved", _not_zero(PageData.reserved)),
        Check(_DIRECTIVE + "UnalignedAddress", "gpa", _unaligned(PageData.gpa)),
        Check(_DIRECTIVE + "InvalidPageDataType", "data_type", _more_than(PageData.data_type, 3)),
    ),
    ParameterInsert: (
        Check(_DIRECTIVE + "UnalignedAddress", "gpa", _unaligned(ParameterInsert.gpa)),
    ),
    RequiredMemory: (
        Check(_DIRECTIVE + "ReservedNotZero", "reserved", _not_zero(RequiredMemory.reserved)),
        Check(_DIRECTIVE + "UnalignedAddress", "gpa", _unaligned(RequiredMemory.gpa)),
        Check(
            _DIRECTIVE + "UnalignedSize",
            "number_of_bytes",
            _unaligned(RequiredMemory.number_of_bytes),
        ),
    ),
    ErrorRange: (Check(_DIRECTIVE + "UnalignedAddress", "gpa", _unaligned(ErrorRange.gpa)),),
}
"""The checks of each structure, in the crate's order; a structure not listed is always taken.

VP_CONTEXT has its own, in `contexts`.
"""
