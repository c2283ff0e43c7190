"""Which headers to show: by section, type, platform, position and guest address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import ValidationError
from igvm.spec.directive import (
    ErrorRange,
    PageData,
    ParameterArea,
    ParameterInsert,
    RequiredMemory,
    VPContext,
)
from igvm.spec.enums import (
    PAGE_SIZE_2M,
    HeaderType,
    PageDataFlags,
    PlatformType,
    Section,
)
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What to show; everything by default. A header must fit all that is said."""

    sections: tuple[Section, ...] = ()
    types: tuple[HeaderType, ...] = ()
    platforms: tuple[PlatformType, ...] = ()
    """Platforms that a loader would load the header for."""
    indexes: tuple[tuple[int, int], ...] = ()
    """Ranges of positions in the file, the last not included."""
    addresses: tuple[tuple[int, int], ...] = ()
    """Ranges of guest addresses, the last not included, that the header must touch."""

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()


def select(file: IgvmFile, selection: Selection) -> NDArray[np.intp]:
    """The positions of the headers that `selection` asks for, ascending.

    Raises:
        ValidationError: the file is not for a platform that was asked for.
    """
    import numpy as np

    count = len(file.types)
    chosen = np.ones(count, np.bool_)
    if selection.sections:
        chosen &= np.isin(file.sections, [int(section) for section in selection.sections])
    if selection.types:
        chosen &= np.isin(file.types, [int(header_type) for header_type in selection.types])
    if selection.platforms:
        chosen &= _for_platforms(file, selection.platforms)
    if selection.indexes:
        in_range = np.zeros(count, np.bool_)
        for first, end in selection.indexes:
            in_range[max(first, 0) : max(end, 0)] = True
        chosen &= in_range
    if selection.addresses:
        chosen &= _touching(file, selection.addresses)
    return np.flatnonzero(chosen)


def _for_platforms(file: IgvmFile, platforms: tuple[PlatformType, ...]) -> NDArray[np.bool_]:
    """Headers that are for one of `platforms`; of the platform headers, their own."""
    import numpy as np

    mask = 0
    for kind in platforms:
        if kind not in file.platform_masks:
            names = ", ".join(platform.name for platform in file.platform_masks) or "no platform"
            message = f"the file is for {names}, not for {kind.name}"
            raise ValidationError(message, path=file.path)
        mask |= file.platform_masks[kind]
    chosen: NDArray[np.bool_] = file.masks & np.uint32(mask) != 0
    return chosen


def _touching(file: IgvmFile, ranges: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    """Headers whose guest memory has an address in one of `ranges`."""
    import numpy as np

    chosen = np.zeros(len(file.types), np.bool_)
    for index, start, size in _extents(file):
        # The last address, so that nothing has to hold 2**64; what would wrap ends there.
        last = start + np.maximum(size, np.uint64(1)) - np.uint64(1)
        last[last < start] = np.uint64((1 << 64) - 1)
        for first, end in ranges:
            if first < 1 << 64 and end > first:
                low, high = np.uint64(first), np.uint64(min(end, 1 << 64) - 1)
                chosen[index[(start <= high) & (last >= low)]] = True
    return chosen


def _extents(
    file: IgvmFile,
) -> list[tuple[NDArray[np.intp], NDArray[np.uint64], NDArray[np.uint64]]]:
    """Position, guest address and bytes of every header that has some."""
    import numpy as np

    pages = file.table(PageData)
    is_large = pages[PageData.flags] & PageDataFlags.IS_2MB_PAGE != 0
    sizes = np.where(is_large, np.uint64(PAGE_SIZE_2M), np.uint64(file.page_size))
    result = [(pages.index, pages[PageData.gpa].astype(np.uint64), sizes)]

    areas = file.table(ParameterArea)
    area_indexes = areas[ParameterArea.parameter_area_index]
    order = np.argsort(area_indexes, kind="stable")
    inserts = file.table(ParameterInsert)
    inserted = inserts[ParameterInsert.parameter_area_index]
    length = np.zeros(len(inserted), np.uint64)
    if len(order):
        position = np.searchsorted(area_indexes[order], inserted)
        row = order[np.where(position < len(order), position, 0)]
        has_area = (position < len(order)) & (area_indexes[row] == inserted)
        length = np.where(has_area, areas[ParameterArea.number_of_bytes][row], np.uint64(0))
    result.append((inserts.index, inserts[ParameterInsert.gpa].astype(np.uint64), length))

    contexts = file.table(VPContext)
    is_in_memory = contexts[VPContext.gpa] != 0
    start = contexts[VPContext.gpa][is_in_memory].astype(np.uint64)
    result.append((contexts.index[is_in_memory], start, np.full(len(start), 4096, np.uint64)))
    for record, gpa, size in (
        (RequiredMemory, "gpa", "number_of_bytes"),
        (ErrorRange, "gpa", "size_bytes"),
        (RelocatableRegion, "relocation_region_gpa", "relocation_region_size"),
        (PageTableRelocation, "gpa", "size"),
    ):
        table = file.table(record)
        start = table.column(gpa).astype(np.uint64)
        result.append((table.index, start, table.column(size).astype(np.uint64)))
    return result
