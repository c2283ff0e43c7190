"""Which headers to show: by section, type, platform, position and guest address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import ValidationError
from igvm.file.header_extents import memory_columns
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.spec.enums import HeaderType, PlatformType, Section


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
    for spec in HEADERS.values():
        if spec.memory is None:
            continue
        memory = memory_columns(file, spec)
        start, size = memory.start, memory.size
        # The last address, so that nothing has to hold 2**64; what would wrap ends there.
        last = start + np.maximum(size, np.uint64(1)) - np.uint64(1)
        last[last < start] = np.uint64((1 << 64) - 1)
        for first, end in ranges:
            if first < 1 << 64 and end > first:
                low, high = np.uint64(first), np.uint64(min(end, 1 << 64) - 1)
                chosen[memory.index[(start <= high) & (last >= low)]] = True
    return chosen
