"""The first of many regions that is empty or overlaps an earlier one, without trying all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Masks = NDArray[np.uint32]
    Addresses = NDArray[np.uint64]


def first_refused_region(
    mask: Masks, start: Addresses, size: Addresses
) -> tuple[int, str, str] | None:
    """Where the crate stops while it adds regions to a map of ranges for each mask bit.

    Args:
        mask: mask of each region, in the order of the file, shape (n,), uint32.
        start: first address of each, shape (n,), uint64.
        size: bytes of each, shape (n,), uint64.

    Returns:
        Position of the region, name of the rule, and what was found; or None.
    """
    import numpy as np

    last = start + size - np.uint64(1)  # wraps, as in the crate's release build
    is_empty = last < start
    count = int(is_empty.argmax()) if is_empty.any() else len(start)
    row = _first_overlap(mask[:count], start[:count], last[:count])
    if row is not None:
        return row, "RelocationRegionsOverlap", "the region at {value:#x} overlaps an earlier one"
    if count < len(start):
        return count, "panic.empty-region", f"{int(size[count]):#x} bytes at {{value:#x}}"
    return None


def _first_overlap(mask: Masks, start: Addresses, last: Addresses) -> int | None:
    """The first region that overlaps an earlier one with a common mask bit."""
    import numpy as np

    if not _have_common_address(start, last):
        return None
    first = len(start)
    bits = int(np.bitwise_or.reduce(mask))
    for bit in range(32):
        if bits >> bit & 1:
            rows = np.flatnonzero(mask[:first] & np.uint32(1 << bit))
            position = _first_in_one_map(start[rows], last[rows])
            if position is not None:
                first = int(rows[position])
    return first if first < len(start) else None


def _first_in_one_map(start: Addresses, last: Addresses) -> int | None:
    """The first range that overlaps an earlier one: the shortest overlapping start of the list."""
    if not _have_common_address(start, last):
        return None
    # Doubling first: what comes after an early overlap is not looked at again and again.
    high = 2
    while not _have_common_address(start[:high], last[:high]):
        high *= 2
    low, high = high // 2, min(high, len(start))
    while high - low > 1:
        middle = (low + high) // 2
        if _have_common_address(start[:middle], last[:middle]):
            high = middle
        else:
            low = middle
    return high - 1


def _have_common_address(start: Addresses, last: Addresses) -> bool:
    """Whether any two of the ranges, ends included, have an address in common."""
    import numpy as np

    order = np.argsort(start)
    return bool((start[order][1:] <= last[order][:-1]).any())
