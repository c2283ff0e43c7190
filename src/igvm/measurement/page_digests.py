"""Digests of page contents: each distinct page once, on two processes where that pays."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, NamedTuple

from igvm.launch.plan import NO_SOURCE, PAGE, exact_sum
from igvm.measurement.worker import Worker, may_fork

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Generator, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache

# Below this many pages a second process costs more than it saves.
_WORTH_A_PROCESS = 1024
# Pages are dealt out in blocks, so that both processes advance along the chain together. Of
# twelve blocks the other process takes seven; this one has the chain to compute besides.
_BLOCK = 32
_DEAL, _THEIRS = 12, 7
# Pages looked at together for being zero, to keep temporaries small.
_ZERO_WINDOW = 1024
# Pages written out together: a run may have as many as a file has room to say.
WINDOW = 1 << 15
# Pages with data whose digests are kept at a time, and that come to a second process in one go.
_SEGMENT = 1 << 18


class Pages(NamedTuple):
    """Pages of a plan, one by one: runs written out."""

    row: NDArray[np.intp]
    """The row of the plan that each page comes from."""
    gpa: NDArray[np.uint64]
    source: NDArray[np.int64]


def windows(plan: LaunchPlan, where: NDArray[np.bool_]) -> Iterator[Pages]:
    """Every page of the rows of `plan` at `where`, in order, at most WINDOW at a time."""
    import numpy as np

    rows = plan.rows
    chosen = np.flatnonzero(where)
    counts = rows["loaded"][chosen].astype(np.int64)
    if (counts == 1).all():
        for start in range(0, len(chosen), WINDOW):
            chunk = chosen[start : start + WINDOW]
            yield Pages(chunk, rows["gpa"][chunk], rows["source"][chunk])
        return
    ends = np.cumsum(counts)
    total = int(ends[-1])
    for start in range(0, total, WINDOW):
        page = np.arange(start, min(start + WINDOW, total))
        at = np.searchsorted(ends, page, side="right")
        row = chosen[at]
        steps = (page - (ends - counts)[at]) * PAGE
        source = rows["source"][row]
        yield Pages(
            row,
            rows["gpa"][row] + steps.astype(np.uint64),
            np.where(source >= 0, source + steps, source),
        )


def page_sources(plan: LaunchPlan, where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The source of every page with data of the rows of `plan` at `where`, in order.

    Pages of zeroes without a source are left out: a run of them can be of any length.
    """
    import numpy as np

    has_source = where & (plan.rows["source"] != NO_SOURCE)
    parts = [pages.source for pages in windows(plan, has_source)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def segments(plan: LaunchPlan) -> Iterator[LaunchPlan]:
    """`plan` in parts one after the other, each with so few pages with data that all fit memory.

    An ordinary plan is one part. A small file may name its data so often that the pages are
    millions.
    """
    import numpy as np

    rows = plan.rows
    if exact_sum(rows["loaded"][rows["source"] >= 0]) <= _SEGMENT:
        yield plan
        return
    # A row with data has at most the pages of its header, far fewer than a segment.
    pages = np.where(rows["source"] >= 0, rows["loaded"].clip(max=_SEGMENT), np.uint64(0))
    number = np.cumsum(pages) // np.uint64(_SEGMENT)
    edges = np.flatnonzero(np.diff(number)) + 1
    for start, end in itertools.pairwise([0, *edges.tolist(), len(rows)]):
        yield plan.with_rows(rows[start:end])


class PageDigests:
    """The digests of pages that are not zero, one by one, in the order of a chain.

    Args:
        plan: where the bytes are.
        sources: the source of every page with data whose contents count, repeated or not.
        algorithm: a name that hashlib knows.
        cache: digests known already, and a place for new ones.

    Attributes:
        size: bytes of a digest.
        zero: the digest of a page of zeroes.
        is_zero: which of `sources` are pages of zeroes, for which no digest is given.
    """

    def __init__(
        self,
        plan: LaunchPlan,
        sources: NDArray[np.int64],
        algorithm: str,
        cache: ContentCache | None = None,
    ) -> None:
        import numpy as np

        self._plan = plan
        self._buffer = plan.file.buffer
        self._new: Callable[..., hashlib._Hash] = getattr(hashlib, algorithm)
        self._algorithm, self._cache = algorithm, cache
        self.size = self._new().digest_size
        self.zero = self._new(bytes(PAGE)).digest()
        distinct, rank = sources, np.arange(len(sources))
        if (np.diff(sources) <= 0).any():
            distinct, first, place = np.unique(sources, return_index=True, return_inverse=True)
            order = np.argsort(first, kind="stable")  # by first use, as the chain wants them
            rank = np.empty(len(order), np.intp)
            rank[order] = np.arange(len(order))
            distinct, rank = distinct[order], rank[place]
        zero = _zero_pages(plan, distinct)
        self.is_zero: NDArray[np.bool_] = zero[rank]
        self._sources: NDArray[np.int64] = distinct[~zero]
        self._rank = (np.cumsum(~zero) - 1)[rank[~self.is_zero]]

    def __len__(self) -> int:
        """Pages whose contents are hashed: distinct ones, all zeroes counting as one."""
        return len(self._sources) + bool(self.is_zero.any())

    def __iter__(self) -> Iterator[bytes | bytearray]:
        """The digest of every page asked for that is not zero, in the order they were given."""
        if self._cache is None and len(self._rank) == len(self._sources):
            yield from self._hashed(self._sources.tolist())
            return
        yield from self._kept()

    def _kept(self) -> Iterator[bytearray]:
        """The same, with digests at hand that come again or are known."""
        import numpy as np

        size = self.size
        known, store = np.zeros(len(self._sources), bool), bytearray(len(self._sources) * size)
        if self._cache is not None:
            known, store = self._cache.recall(self._algorithm, self._sources, size)
        stream = self._hashed(self._sources[~known].tolist())
        here = known.tolist()
        done = 0
        for rank in self._rank.tolist():
            while rank >= done:
                if not here[done]:
                    store[done * size : (done + 1) * size] = next(stream)
                done += 1
            yield store[rank * size : (rank + 1) * size]
        stream.close()
        if self._cache is not None:
            self._cache.learn(self._algorithm, self._sources, store, size)

    def _digest(self, source: int) -> bytes:
        if source >= 0:
            return self._new(self._buffer[source : source + PAGE]).digest()
        return self._new(self._plan.content(source)).digest()

    def _hashed(self, sources: list[int]) -> Generator[bytes]:
        """Digests of `sources`, some of them by another process."""
        if len(sources) < _WORTH_A_PROCESS or not may_fork():
            yield from map(self._digest, sources)
            return
        size = self.size
        step = _BLOCK * size
        blocks = [sources[start : start + _BLOCK] for start in range(0, len(sources), _BLOCK)]
        given = [block for index, block in enumerate(blocks) if index % _DEAL < _THEIRS]

        def work(memory: mmap.mmap, tell: Callable[[], object]) -> None:
            for index, block in enumerate(given):  # pragma: no cover - in the other process
                digests = b"".join(map(self._digest, block))
                memory[index * step : index * step + len(digests)] = digests
                tell()

        with Worker(len(given) * step, work) as worker:
            theirs = 0
            for index, block in enumerate(blocks):
                start = theirs * step
                away = index % _DEAL < _THEIRS
                theirs += away
                if away and worker.wait(theirs):
                    done = worker.memory[start : start + len(block) * size]
                    yield from (done[at : at + size] for at in range(0, len(done), size))
                else:
                    yield from map(self._digest, block)


def _zero_pages(plan: LaunchPlan, sources: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `sources` are pages of zeroes, all of which share one digest."""
    import numpy as np

    zero: NDArray[np.bool_] = np.zeros(len(sources), bool)
    data = np.frombuffer(plan.file.buffer, np.uint8)
    whole = np.flatnonzero((sources >= 0) & (sources + PAGE <= len(data)))
    # One byte tells most pages apart from zeroes; only the rest are read whole.
    candidates = whole[(data[sources[whole]] == 0) & (data[sources[whole] + (PAGE - 1)] == 0)]
    starts = sources[candidates]
    breaks = np.flatnonzero(np.diff(starts) != PAGE) + 1
    for run in np.split(np.arange(len(starts)), breaks):
        for first in range(0, len(run), _ZERO_WINDOW):
            window = run[first : first + _ZERO_WINDOW]
            begin = int(starts[window[0]])
            words = data[begin : begin + len(window) * PAGE].view(np.uint64).reshape(-1, PAGE // 8)
            zero[candidates[window]] = np.bitwise_or.reduce(words, axis=1) == 0
    return zero
