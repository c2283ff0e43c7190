"""Which blobs are the same: all that are, and no others, whatever the fingerprints say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.write.deduplication import References, distinct, fingerprint

if TYPE_CHECKING:
    from numpy.typing import NDArray


def refer(blobs: list[tuple[memoryview, int, int]]) -> References:
    """References to `size` bytes at `start` of a buffer each, in this order."""
    columns = [(8 * i, i, start, size) for i, (_, start, size) in enumerate(blobs)]
    at, which, start, size = np.array(columns, np.int64).reshape(-1, 4).T
    return References([buffer for buffer, _, _ in blobs], at, which, start, size)


def whole(*blobs: bytes) -> References:
    """References to whole buffers."""
    return refer([(memoryview(blob), 0, len(blob)) for blob in blobs])


def expected(refs: References) -> list[int]:
    """The first reference with the same bytes, by a dictionary."""
    seen: dict[bytes, int] = {}
    rows = zip(refs.which.tolist(), refs.start.tolist(), refs.size.tolist(), strict=True)
    blobs = [bytes(refs.buffers[which][start : start + size]) for which, start, size in rows]
    return [seen.setdefault(blob, i) for i, blob in enumerate(blobs)]


def all_alike(rows: NDArray[np.uint8], weights: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A fingerprint that tells nothing."""
    del weights
    return np.zeros(len(rows), np.uint64)


def first_byte(rows: NDArray[np.uint8], weights: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A fingerprint that tells little."""
    del weights
    return rows[:, 0].astype(np.uint64)


FINGERPRINTS = pytest.mark.parametrize(
    "by", [fingerprint, first_byte, all_alike], ids=["real", "weak", "none"]
)


def test_nothing() -> None:
    """No references give no answer."""
    assert [] == distinct(References.none()).tolist()


@FINGERPRINTS
def test_equal_pages(by: object) -> None:
    """Equal pages have one holder, the first of them."""
    a, b, c = b"a" * 4096, b"b" * 4096, b"a" * 4095 + b"b"
    refs = whole(a, b, c, bytes(bytearray(a)), b, c)
    assert [0, 1, 2, 0, 1, 2] == distinct(refs, fingerprint=by).tolist()  # type: ignore[arg-type]


def test_sizes_are_apart() -> None:
    """A blob is never a part of a longer one."""
    assert [0, 1, 2, 0] == distinct(
        whole(bytes(4096), bytes(8192), bytes(100), bytes(4096))
    ).tolist()


def test_empty_blobs_are_equal() -> None:
    """Empty blobs share the place of the first."""
    assert [0, 1, 0] == distinct(whole(b"", b"x", b"")).tolist()


@pytest.mark.parametrize("size", [1, 36, 100, 4096, 65536, 3 << 20, (2 << 20) + 8, (1 << 20) + 1])
def test_every_size(size: int) -> None:
    """Blobs of any size are told apart by their last byte."""
    a, b = bytes(size), bytes(size - 1) + b"\1"
    assert [0, 1, 0, 1] == distinct(whole(a, b, bytes(bytearray(a)), bytes(bytearray(b)))).tolist()


def test_overlapping_places() -> None:
    """Blobs may overlap, and lie at any address."""
    buffer = memoryview(bytes(9000) + b"\1")
    refs = refer([(buffer, start, 4096) for start in (0, 1, 4905, 4904, 2, 0)])
    assert [0, 0, 2, 0, 0, 0] == distinct(refs).tolist()


def test_the_same_memory_is_read_once() -> None:
    """Places that are the same start and buffer have no fingerprint taken twice."""
    data = bytearray(range(256)) * 64
    read: list[int] = []

    def counting(rows: NDArray[np.uint8], weights: NDArray[np.uint64]) -> NDArray[np.uint64]:
        read.append(len(rows))
        return fingerprint(rows, weights)

    pages = [(memoryview(data), start, 4096) for start in (0, 4096, 8192)]
    refs = refer([*pages, *pages, *pages])
    assert [0] * 9 == distinct(refs, fingerprint=counting).tolist()
    assert [3] == read


def test_collisions_cost_no_more_than_their_bytes() -> None:
    """Thousands of different pages of one fingerprint are told apart in linear time."""
    count = 6000
    pages = np.zeros((count, 512), np.uint64)
    pages[:, 7] = np.arange(count)
    buffer = pages.data.cast("B")
    refs = refer([(buffer, 4096 * i, 4096) for i in range(count)])
    begin = time.process_time()
    assert list(range(count)) == distinct(refs, fingerprint=all_alike).tolist()
    # Quadratic work would compare 18 million pages: more than 10 s.
    assert time.process_time() - begin < 5


def test_top_bits_collide_and_are_told_apart() -> None:
    """Pages that differ in top bits only, which the product can lose, stay different."""
    count = 256
    pages = np.zeros((count, 512), np.uint64)
    for bit in range(8):
        pages[:, bit] = ((np.arange(count) >> bit) & 1).astype(np.uint64) << np.uint64(63)
    buffer = pages.data.cast("B")
    refs = refer([(buffer, 4096 * i, 4096) for i in range(count)])
    assert list(range(count)) == distinct(refs).tolist()


@FINGERPRINTS
@given(
    blobs=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.sampled_from([0, 1, 8, 16, 24])),
        max_size=12,
    ),
    seed=st.integers(0, 3),
)
def test_as_a_dictionary_would(by: object, blobs: list[tuple[int, int, int]], seed: int) -> None:
    """Any references get the answer of a dictionary of bytes."""
    bits = np.random.default_rng(seed).integers(0, 2, (3, 64), dtype=np.uint8)
    bits[2] = bits[0]
    bits[:, 8:] *= seed % 2
    buffers = [memoryview(row.tobytes()) for row in bits]
    refs = refer([(buffers[which], start, size) for which, start, size in blobs])
    assert expected(refs) == distinct(refs, fingerprint=by).tolist()  # type: ignore[arg-type]
