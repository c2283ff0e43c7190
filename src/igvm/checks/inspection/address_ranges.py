"""Ranges of addresses, ends included: which of very many overlap, by sorting and not by pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Addresses = NDArray[np.uint64]
    Positions = NDArray[np.intp]
    Headers = NDArray[np.int32]

_LAST_ADDRESS = (1 << 64) - 1
_BLOCK = 1 << 16
"""Ranges that are looked at together."""


class AddressRanges(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Memory that headers name; n ranges."""

    index: Positions
    """Position of each header in the file, shape (n,), intp."""
    start: Addresses
    """The first byte's address, shape (n,), uint64."""
    last: Addresses
    """The last byte's address, shape (n,), uint64."""
    mask: NDArray[np.uint32]
    """Compatibility masks of the headers, shape (n,), uint32."""

    @classmethod
    def of(
        cls, *, index: Positions, start: Addresses, size: Any, mask: NDArray[np.uint32]
    ) -> AddressRanges:
        """Ranges of `size` bytes; empty ones are left out, and ends past 2^64 are cut.

        Args:
            index: shape (n,), intp.
            start: shape (n,), uint64.
            size: one number for all, or shape (n,), unsigned.
            mask: shape (n,), uint32.
        """
        import numpy as np

        sizes = np.broadcast_to(np.asarray(size, np.uint64), start.shape)
        last = start + (sizes - np.uint64(1))
        last = np.where(last < start, np.uint64(_LAST_ADDRESS), last)
        ranges = cls(index=index, start=start, last=last, mask=mask)
        has_bytes = sizes != 0
        return ranges if has_bytes.all() else ranges[has_bytes]

    def __getitem__(self, where: Any) -> AddressRanges:
        return AddressRanges(
            index=self.index[where],
            start=self.start[where],
            last=self.last[where],
            mask=self.mask[where],
        )

    def of_bit(self, bit: int) -> AddressRanges:
        """The ranges whose mask has `bit`."""
        import numpy as np

        return self[(self.mask & np.uint32(bit)) != 0]


def wraps(start: Addresses, size: Any) -> NDArray[np.bool_]:
    """Where a range ends past 2^64.

    Args:
        start: shape (n,), uint64.
        size: bytes: one number for all, or shape (n,), unsigned.

    Returns:
        Shape (n,), bool.
    """
    import numpy as np

    sizes = np.asarray(size, np.uint64)
    result: NDArray[np.bool_] = (sizes != 0) & (start + (sizes - np.uint64(1)) < start)
    return result


def joined(parts: Sequence[AddressRanges]) -> AddressRanges:
    """All ranges of `parts`, of which there is at least one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    return AddressRanges(
        index=np.concatenate([part.index for part in parts]),
        start=np.concatenate([part.start for part in parts]),
        last=np.concatenate([part.last for part in parts]),
        mask=np.concatenate([part.mask for part in parts]),
    )


def overlaps(ranges: AddressRanges, bits: Iterable[int]) -> tuple[Headers, Headers]:
    """Headers whose memory overlaps that of an earlier header with one of `bits` in common.

    Returns:
        The later headers, ascending, each once, and for each an earlier header that it meets;
        both of shape (m,), int32.
    """
    import numpy as np

    start = ranges.start
    is_sorted = bool((start[1:] >= start[:-1]).all())
    order = None if is_sorted else np.argsort(start, kind="stable")
    later, earlier = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    if any(len(before) for before, _ in _meetings(ranges, order, None)):
        for bit in bits:
            for before, after in _meetings(ranges, order, bit):
                headers, met = ranges.index[after], ranges.index[before]
                # Half as wide, for a million of them: no file has 2^31 headers.
                later.append(np.maximum(headers, met).astype(np.int32))
                earlier.append(np.minimum(headers, met).astype(np.int32))
    both = np.concatenate(later)
    del later
    if bool((both[1:] > both[:-1]).all()):
        return both, np.concatenate(earlier)
    distinct, first = np.unique(both, return_index=True)
    return distinct, np.concatenate(earlier)[first]


def _meetings(
    ranges: AddressRanges, order: Positions | None, bit: int | None
) -> Iterator[tuple[Positions, Positions]]:
    """Ranges that meet one before them in order of their starts, and of those the furthest.

    They are looked at some at a time, so that a million take little more memory than they have.

    Args:
        ranges: n of them.
        order: positions of the ranges by their starts, shape (n,); None where they are sorted.
        bit: ranges without this bit of the mask are left out; None for all.

    Yields:
        Positions of the range before, and of the one that meets it, each of shape (m,).
    """
    import numpy as np

    reach, furthest = np.zeros(1, np.uint64), np.full(1, -1, np.intp)
    for begin in range(0, len(ranges.index), _BLOCK):
        end = min(begin + _BLOCK, len(ranges.index))
        at = np.arange(begin, end) if order is None else order[begin:end]
        if bit is not None:
            at = at[ranges.mask[at] & np.uint32(bit) != 0]
        if not len(at):
            continue
        # The range that ends furthest so far stands before those of the block.
        last = np.concatenate([reach, ranges.last[at]])
        position = np.concatenate([furthest, at])
        so_far = np.maximum.accumulate(last)
        meeting = np.flatnonzero(ranges.start[at] <= so_far[:-1])
        if furthest[0] < 0:
            meeting = meeting[meeting > 0]
        holder = _furthest_so_far(last)
        yield position[holder[meeting]], at[meeting]
        reach, furthest = so_far[-1:], position[holder[-1:]]


def touching(
    ranges: AddressRanges, others: AddressRanges, bits: Iterable[int]
) -> tuple[Positions, Positions]:
    """Headers of `ranges` whose memory overlaps one of `others` with one of `bits` in common.

    Returns:
        The headers of `ranges`, ascending, each once, and for each a header of `others`; both of
        shape (m,), intp.
    """
    import numpy as np

    headers, met = [ranges.index[:0]], [ranges.index[:0]]
    if len(ranges.index) and len(others.index):
        others = others[np.argsort(others.start, kind="stable")]
        for bit in bits:
            chosen, against = ranges.of_bit(bit), others.of_bit(bit)
            if not len(against.index):
                continue
            furthest = _furthest_so_far(against.last)
            reach = against.last[furthest]
            before = np.searchsorted(against.start, chosen.last, "right").astype(np.intp) - 1
            meeting = np.flatnonzero((before >= 0) & (reach[before] >= chosen.start))
            headers.append(chosen.index[meeting])
            met.append(against.index[furthest[before[meeting]]])
    distinct, first = np.unique(np.concatenate(headers), return_index=True)
    return distinct, np.concatenate(met)[first]


def _furthest_so_far(last: Addresses) -> Positions:
    """For each range the one that ends furthest of those up to it.

    Args:
        last: shape (n,), uint64.

    Returns:
        Positions in `last`, shape (n,), intp.
    """
    import numpy as np

    reach = np.maximum.accumulate(last)
    where_it_grows = np.where(last == reach, np.arange(len(reach)), 0)
    return np.maximum.accumulate(where_it_grows)
