"""Finds file data that is there more than once: every pair of equal blobs, and only those."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    Fingerprint = Callable[["NDArray[np.uint8]", "NDArray[np.uint64]"], "NDArray[np.uint64]"]

_BATCH = 1 << 20
"""Bytes that are looked at in one go: they stay in the cache of the processor."""
_LARGEST_VECTOR = 2 << 20
"""Blobs up to here have a fingerprint; for larger ones the random vector would be too large."""


class References(NamedTuple):
    """Which header refers to which bytes, as columns, in the order of the headers.

    A reference is `size` bytes at `start` of `buffers[which]`, and the file_offset field that
    shall point at them lies at `at` of the header section.
    """

    buffers: list[memoryview]
    """Each a flat view of bytes."""
    at: NDArray[np.int64]
    which: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]

    @classmethod
    def none(cls) -> References:
        """No reference at all."""
        import numpy as np

        empty = np.empty(0, np.int64)
        return cls([], empty, empty, empty, empty)


def fingerprint(rows: NDArray[np.uint8], weights: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One number for each of `rows`, equal for equal rows: their product with a secret vector."""
    import numpy as np

    result: NDArray[np.uint64] = np.einsum("ij,j->i", rows.view("<u8"), weights)
    return result


def distinct(refs: References, *, fingerprint: Fingerprint = fingerprint) -> NDArray[np.intp]:
    """For each reference the first one with the same bytes, itself where there is none before it.

    Bytes that are referred to several times are read once. The work is linear in the bytes,
    whatever they are: blobs that share a fingerprint and differ are told apart by BLAKE2b.
    """
    import numpy as np

    first = np.arange(len(refs.at))
    places = _places(refs)
    by_size = np.argsort(refs.size, kind="stable")
    cuts = np.flatnonzero(np.diff(refs.size[by_size])) + 1
    for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(first)], strict=True):
        if end - begin < 2:
            continue
        members = by_size[begin:end]
        if refs.size[members[0]] == 0:
            first[members] = members[0]
            continue
        _, index, inverse = np.unique(places[members], return_index=True, return_inverse=True)
        # From ascending places to the order in which they are met.
        order = np.argsort(index)
        met = np.empty_like(order)
        met[order] = np.arange(len(order))
        holders = members[index[order]]
        equal_to = _Blobs(refs, holders).first_equal(fingerprint)
        first[members] = holders[equal_to[met[inverse]]]
    return first


def _places(refs: References) -> NDArray[np.int64]:
    """A number for each reference, the same where start and memory are: no need to look there."""
    import numpy as np

    bases: dict[tuple[int, int], int] = {}
    base_of: list[int] = []
    end = 0
    for buffer in refs.buffers:
        size = len(buffer)
        address = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0] if size else 0
        base = bases.setdefault((address, size), end)
        base_of.append(base)
        if base == end:
            end += size + 1
    return np.array(base_of, np.int64)[refs.which] + refs.start if base_of else refs.start


class _Blobs:
    """Blobs of one size, each in a place of its own."""

    def __init__(self, refs: References, holders: NDArray[np.intp]) -> None:
        self._buffers = refs.buffers
        self._which = refs.which[holders]
        self._start = refs.start[holders]
        self._size = int(refs.size[holders[0]])
        self._at_once = max(1, _BATCH // self._size)

    def first_equal(self, fingerprint: Fingerprint) -> NDArray[np.intp]:
        """For each blob the first one with the same bytes."""
        import numpy as np

        everyone = np.arange(len(self._start))
        result = everyone.copy()
        if len(everyone) < 2:
            return result
        rest = everyone
        if self._size % 8 == 0 and self._size <= _LARGEST_VECTOR:
            weights = np.frombuffer(secrets.token_bytes(self._size), "<u8")
            keys = np.empty(len(everyone), np.uint64)
            for part in self._batches(everyone):
                keys[part] = fingerprint(self._rows(part), weights)
            _, index, inverse = np.unique(keys, return_index=True, return_inverse=True)
            rest = self._settle(result, everyone, index[inverse])
        if len(rest):
            self._settle(result, rest, self._by_digest(rest))
        return result

    def _settle(
        self, result: NDArray[np.intp], blobs: NDArray[np.intp], likely: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Note which of `blobs` equal the one that is `likely` the same; the others come back."""
        import numpy as np

        ask = blobs != likely
        blobs, likely = blobs[ask], likely[ask]
        equal = np.empty(len(blobs), np.bool_)
        for part in self._batches(np.arange(len(blobs))):
            equal[part] = self._equal(blobs[part], likely[part])
        result[blobs[equal]] = likely[equal]
        rest: NDArray[np.intp] = blobs[~equal]
        return rest

    def _by_digest(self, blobs: NDArray[np.intp]) -> NDArray[np.intp]:
        """For each of `blobs` the first of them with the same digest."""
        import numpy as np

        seen: dict[bytes, int] = {}
        result = np.empty_like(blobs)
        for i, blob in enumerate(blobs.tolist()):
            digest = hashlib.blake2b(self._bytes(blob), digest_size=32).digest()
            result[i] = seen.setdefault(digest, blob)
        return result

    def _equal(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether the blobs `left` have the bytes of those on the `right`, pair by pair."""
        import numpy as np

        if self._size <= _BATCH:
            left_rows, right_rows = self._rows(left), self._rows(right)
            if self._size % 8 == 0:
                left_rows, right_rows = left_rows.view("<u8"), right_rows.view("<u8")
            same: NDArray[np.bool_] = (left_rows == right_rows).all(axis=1)
            return same
        a = np.frombuffer(self._bytes(int(left[0])), np.uint8)
        b = np.frombuffer(self._bytes(int(right[0])), np.uint8)
        steps = range(0, self._size, _BATCH)
        return np.array([all(np.array_equal(a[i : i + _BATCH], b[i : i + _BATCH]) for i in steps)])

    def _batches(self, blobs: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        for i in range(0, len(blobs), self._at_once):
            yield blobs[i : i + self._at_once]

    def _bytes(self, blob: int) -> memoryview:
        start = int(self._start[blob])
        return self._buffers[int(self._which[blob])][start : start + self._size]

    def _rows(self, blobs: NDArray[np.intp]) -> NDArray[np.uint8]:
        """The bytes of some blobs, a row each; without a copy where they lie in a row."""
        import numpy as np

        size = self._size
        which, start = self._which[blobs], self._start[blobs]
        if len(blobs) > 1 and not (which == which[0]).all():
            joined = b"".join([self._bytes(blob) for blob in blobs.tolist()])
            return np.frombuffer(joined, np.uint8).reshape(-1, size)
        flat = np.frombuffer(self._buffers[int(which[0])], np.uint8)
        if len(blobs) == 1 or bool((np.diff(start) == size).all()):
            begin = int(start[0])
            return flat[begin : begin + size * len(blobs)].reshape(-1, size)
        windows = np.lib.stride_tricks.sliding_window_view(flat, size)
        rows: NDArray[np.uint8] = windows[start]
        return rows
