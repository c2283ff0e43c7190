"""Sorting finds the overlaps that comparing all pairs finds."""

from __future__ import annotations

import random

import numpy as np
import pytest

import igvm
from igvm.checks.inspection.address_ranges import AddressRanges, overlaps, touching, wraps
from igvm.checks.inspection.inspected_file import InspectedFile
from tests.small_files.sound_files import SNP_GUEST


def _few(seed: int, first: int = 0) -> AddressRanges:
    """A few ranges in a small space, for up to four platforms."""
    rng = random.Random(seed)
    count = rng.randrange(12)
    return AddressRanges.of(
        index=np.arange(first, first + count),
        start=np.array([rng.randrange(40) for _ in range(count)], np.uint64),
        size=np.array([rng.randrange(6) for _ in range(count)], np.uint64),
        mask=np.array([rng.randrange(16) for _ in range(count)], np.uint32),
    )


def _rows(ranges: AddressRanges) -> list[tuple[int, int, int, int]]:
    columns = (ranges.index, ranges.start, ranges.last, ranges.mask)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _meet(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return bool(first[3] & second[3]) and first[1] <= second[2] and second[1] <= first[2]


@pytest.mark.parametrize("seed", range(300))
def test_overlaps_are_those_of_all_pairs(seed: int) -> None:
    """Every header that overlaps an earlier one of its platform has an overlap found for it."""
    ranges = _few(seed)
    rows = _rows(ranges)
    pairs = {
        (max(a[0], b[0]), min(a[0], b[0])) for a in rows for b in rows if a < b and _meet(a, b)
    }
    later, earlier = overlaps(ranges, (1, 2, 4, 8))
    overlapping = set(zip(later.tolist(), earlier.tolist(), strict=True))
    assert overlapping <= pairs
    assert bool(pairs) == bool(overlapping)


@pytest.mark.parametrize("seed", range(300))
def test_touching_is_that_of_all_pairs(seed: int) -> None:
    """Exactly the headers that meet one of the others are found."""
    ranges, others = _few(seed), _few(seed + 1000, first=50)
    pairs = {(a[0], b[0]) for a in _rows(ranges) for b in _rows(others) if _meet(a, b)}
    own, theirs = touching(ranges, others, (1, 2, 4, 8))
    touched = set(zip(own.tolist(), theirs.tolist(), strict=True))
    assert {pair[0] for pair in pairs} == set(own.tolist())
    assert touched <= pairs


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        (0, 0, False),
        ((1 << 64) - 1, 0, False),
        ((1 << 64) - 1, 1, False),
        ((1 << 64) - 1, 2, True),
        (0, (1 << 64) - 1, False),
        (2, (1 << 64) - 1, True),
    ],
)
def test_a_range_wraps_when_its_last_byte_does(start: int, size: int, expected: bool) -> None:  # noqa: FBT001
    """A range may end at 2^64 and no further."""
    assert [expected] == wraps(np.array([start], np.uint64), np.array([size], np.uint64)).tolist()


def _platforms(count: int) -> InspectedFile:
    """A file for `count` platforms."""
    heads = {
        f"platform{i}": igvm.SupportedPlatform(
            compatibility_mask=1 << i, platform_type=igvm.PlatformType(i)
        )
        for i in range(count)
    }
    return InspectedFile(SNP_GUEST.only("page").first(**heads).parsed())


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([7, 7, 7], [1]),
        ([1, 2, 4], [1, 2, 4]),
        ([3, 4, 3], [1, 4]),
        ([8, 16], []),
        ([9, 8], [1]),
        ([], []),
    ],
)
def test_platforms_that_load_the_same_are_looked_at_once(
    masks: list[int], expected: list[int]
) -> None:
    """One bit stands for all platforms that have the same headers; others are left out."""
    assert expected == list(_platforms(3).distinct_platform_bits(np.array(masks, np.uint32)))
