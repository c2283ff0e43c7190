"""Digests of page contents: each distinct page once, on two processes where that pays."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

from igvm.launch.plan import NO_SOURCE, PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan

# Below this many pages a second process costs more than it saves.
_WORTH_A_PROCESS = 1024
# Pages are dealt out in blocks, so that both processes advance along the chain together. Of
# twelve blocks the other process takes seven; this one has the chain to compute besides.
_BLOCK = 32
_DEAL, _THEIRS = 12, 7
# Pages looked at together for being zero, to keep temporaries small.
_ZERO_WINDOW = 1024


class Pages(NamedTuple):
    """The pages of a plan, one by one: the rows' runs written out."""

    row: NDArray[np.intp]
    """The row of the plan that each page comes from."""
    gpa: NDArray[np.uint64]
    source: NDArray[np.int64]


def pages_of(plan: LaunchPlan, where: NDArray[np.bool_] | None = None) -> Pages:
    """Every page of the rows of `plan`, or of those at `where`."""
    import numpy as np

    rows = plan.rows
    chosen = np.arange(len(rows)) if where is None else np.flatnonzero(where)
    counts = rows["pages"][chosen].astype(np.intp)
    if (counts == 1).all():
        return Pages(chosen, rows["gpa"][chosen], rows["source"][chosen])
    row = np.repeat(chosen, counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    steps = (np.arange(len(row)) - starts) * PAGE
    source = rows["source"][row]
    return Pages(
        row,
        rows["gpa"][row] + steps.astype(np.uint64),
        np.where(source >= 0, source + steps, source),
    )


class Contents:
    """The digests of page contents, page by page, in the order of a chain.

    Args:
        plan: where the bytes are.
        sources: the source of every page whose contents count, repeated or not.
        algorithm: a name that hashlib knows.
    """

    def __init__(self, plan: LaunchPlan, sources: NDArray[np.int64], algorithm: str) -> None:
        import numpy as np

        self._plan = plan
        self._buffer = plan.file.buffer
        self._new: Callable[..., hashlib._Hash] = getattr(hashlib, algorithm)
        self.size = self._new().digest_size
        found, first, place = np.unique(sources, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")  # by first use, as the chain wants them
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        self._sources: NDArray[np.int64] = found[order]
        self._rank = rank[place]
        self._zero = _zero_pages(plan, self._sources)

    def __len__(self) -> int:
        """Pages whose contents are hashed: distinct ones, all zeroes counting as one."""
        return int((~self._zero).sum()) + bool(self._zero.any())

    def __iter__(self) -> Iterator[bytes]:
        """The digest of every page asked for, in the order they were given."""
        zero = self._new(bytes(PAGE)).digest()
        stream = self._hashed(self._sources[~self._zero].tolist())
        is_zero = self._zero.tolist()
        digests: list[bytes] = []
        for rank in self._rank.tolist():
            while rank >= len(digests):
                digests.append(zero if is_zero[len(digests)] else next(stream))
            yield digests[rank]
        stream.close()

    def _digest(self, source: int) -> bytes:
        if source >= 0:
            return self._new(self._buffer[source : source + PAGE]).digest()
        return self._new(self._plan.content(source)).digest()

    def _hashed(self, sources: list[int]) -> Generator[bytes]:
        """Digests of `sources`, some of them by another process."""
        if len(sources) < _WORTH_A_PROCESS or not _may_fork():
            yield from map(self._digest, sources)
            return
        blocks = [sources[start : start + _BLOCK] for start in range(0, len(sources), _BLOCK)]
        theirs = [index % _DEAL < _THEIRS for index in range(len(blocks))]
        given = [block for block, away in zip(blocks, theirs, strict=True) if away]
        with self._elsewhere(given) as other:
            for block, away in zip(blocks, theirs, strict=True):
                done = next(other) if away else None
                if done is None:  # ours, or theirs and they are gone
                    yield from map(self._digest, block)
                else:
                    yield from (done[at : at + self.size] for at in range(0, len(done), self.size))

    @contextlib.contextmanager
    def _elsewhere(self, blocks: list[list[int]]) -> Iterator[Iterator[bytes | None]]:
        """The digests of each block, one string a block, hashed by a forked process.

        The child shares the mapping, does nothing but hash, writes to memory that both see, tells
        of each block with a byte, and leaves without clean-up. If it dies, what is missing comes
        as None.
        """
        step = _BLOCK * self.size
        shared = mmap.mmap(-1, len(blocks) * step)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.close(reader)
                for index, block in enumerate(blocks):
                    digests = b"".join(map(self._digest, block))
                    shared[index * step : index * step + len(digests)] = digests
                    os.write(writer, b"+")
            os._exit(0)
        os.close(writer)

        def results() -> Iterator[bytes | None]:
            ready = 0
            for index, block in enumerate(blocks):
                while ready <= index:
                    told = os.read(reader, 4096)
                    if not told:
                        break
                    ready += len(told)
                start = index * step
                yield shared[start : start + len(block) * self.size] if ready > index else None

        try:
            yield results()
        finally:
            os.close(reader)
            os.waitpid(child, 0)
            shared.close()


def _zero_pages(plan: LaunchPlan, sources: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `sources` are pages of zeroes, all of which share one digest."""
    import numpy as np

    zero: NDArray[np.bool_] = sources == NO_SOURCE
    data = np.frombuffer(plan.file.buffer, np.uint8)
    whole = np.flatnonzero((sources >= 0) & (sources + PAGE <= len(data)))
    # One byte tells most pages apart from zeroes; only the rest are read whole.
    candidates = whole[(data[sources[whole]] == 0) & (data[sources[whole] + (PAGE - 1)] == 0)]
    starts = sources[candidates]
    breaks = np.flatnonzero(np.diff(starts) != PAGE) + 1
    for run in np.split(np.arange(len(starts)), breaks):
        for first in range(0, len(run), _ZERO_WINDOW):
            some = run[first : first + _ZERO_WINDOW]
            begin = int(starts[some[0]])
            words = data[begin : begin + len(some) * PAGE].view(np.uint64).reshape(-1, PAGE // 8)
            zero[candidates[some]] = ~words.any(axis=1)
    return zero


def _may_fork() -> bool:
    """Whether a second process is to be had and safe: two processors, and no other thread."""
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return False
    return len(os.sched_getaffinity(0)) > 1
