"""Ranges of addresses, ends included: which of very many overlap, by sorting and not by pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Addresses = NDArray[np.uint64]
    Positions = NDArray[np.intp]


class Ranges(msgspec.Struct, frozen=True, gc=False):
    """Memory that headers name."""

    index: Positions
    """Position of each header in the file."""
    start: Addresses
    last: Addresses
    """The last byte's address."""
    mask: NDArray[np.uint32]

    def __getitem__(self, where: Any) -> Ranges:
        return Ranges(self.index[where], self.start[where], self.last[where], self.mask[where])


def ranges(index: Positions, start: Addresses, size: Any, mask: NDArray[np.uint32]) -> Ranges:
    """Ranges of `size` bytes; empty ones are left out, and ends past 2^64 are cut."""
    import numpy as np

    sizes = np.broadcast_to(np.asarray(size, np.uint64), start.shape)
    last = start + (sizes - np.uint64(1))
    last = np.where(last < start, np.uint64(0xFFFF_FFFF_FFFF_FFFF), last)
    whole = Ranges(index, start, last, mask)
    some = sizes != 0
    return whole if some.all() else whole[some]


def wraps(start: Addresses, size: Any) -> NDArray[np.bool_]:
    """Where a range ends past 2^64."""
    import numpy as np

    sizes = np.asarray(size, np.uint64)
    result: NDArray[np.bool_] = (sizes != 0) & (start + (sizes - np.uint64(1)) < start)
    return result


def together(parts: Iterable[Ranges]) -> Ranges:
    """All ranges of `parts`."""
    import numpy as np

    columns = list(zip(*map(msgspec.structs.astuple, parts), strict=True))
    return Ranges(
        *(column[0] if len(column) == 1 else np.concatenate(column) for column in columns)
    )


def overlaps(some: Ranges, bits: Iterable[int]) -> tuple[Positions, Positions]:
    """Headers whose memory overlaps that of an earlier header with one of `bits` in common.

    Returns:
        The later headers, ascending, each once, and for each an earlier header that it meets.
    """
    import numpy as np

    order = np.argsort(some.start, kind="stable")
    some = some[order]
    later, earlier = [order[:0]], [order[:0]]
    if _meetings(some.start, some.last).any():
        for bit in bits:
            mine = some[(some.mask & np.uint32(bit)) != 0]
            meets = np.flatnonzero(_meetings(mine.start, mine.last))
            if len(meets):
                # The one that reaches furthest of all before.
                reach = np.maximum.accumulate(mine.last)
                places = np.where(mine.last == reach, np.arange(len(reach)), 0)
                holder = np.maximum.accumulate(places)[meets]
                one, other = mine.index[meets + 1], mine.index[holder]
                later.append(np.maximum(one, other))
                earlier.append(np.minimum(one, other))
    headers, first = np.unique(np.concatenate(later), return_index=True)
    return headers, np.concatenate(earlier)[first]


def _meetings(start: Addresses, last: Addresses) -> NDArray[np.bool_]:
    """Whether each range but the first, in order of their starts, meets one before it."""
    import numpy as np

    meets: NDArray[np.bool_] = start[1:] <= np.maximum.accumulate(last)[:-1]
    return meets


def touching(some: Ranges, others: Ranges, bits: Iterable[int]) -> tuple[Positions, Positions]:
    """Headers of `some` whose memory overlaps one of `others` with one of `bits` in common.

    Returns:
        The headers of `some`, ascending, each once, and for each a header of `others`.
    """
    import numpy as np

    found, met = [some.index[:0]], [some.index[:0]]
    if len(some.index) and len(others.index):
        others = others[np.argsort(others.start, kind="stable")]
        for bit in bits:
            mine = some[(some.mask & np.uint32(bit)) != 0]
            theirs = others[(others.mask & np.uint32(bit)) != 0]
            if not len(theirs.index):
                continue
            reach = np.maximum.accumulate(theirs.last)
            places = np.where(theirs.last == reach, np.arange(len(reach)), 0)
            holder = np.maximum.accumulate(places)
            before = np.searchsorted(theirs.start, mine.last, "right").astype(np.intp) - 1
            meets = np.flatnonzero((before >= 0) & (reach[before] >= mine.start))
            found.append(mine.index[meets])
            met.append(theirs.index[holder[before[meets]]])
    headers, first = np.unique(np.concatenate(found), return_index=True)
    return headers, np.concatenate(met)[first]
