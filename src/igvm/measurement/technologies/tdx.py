"""TDX MRTD: SHA-384 over MEM.PAGE.ADD and MR.EXTEND records (TDX module, TDH.MEM.PAGE.ADD)."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.measurement.host_axes import (
    AREA_PAGES,
    EMPTY_CONTENTS,
    EXTEND_ORDER,
    SHARED_PAGES,
    UNMEASURED_PAGES,
)
from igvm.measurement.page_digests import windows
from igvm.measurement.technology import Technology
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters

_RECORD = 128
_CHUNK = 256
_CHUNKS = PAGE // _CHUNK
_EXTENDS = _CHUNKS * (_RECORD + _CHUNK)
"""Bytes that the contents of one page add to the stream."""
_ADDED, _WHOLE, _CONTENTS = 1, 2, 3
"""What is measured of a page: that it is added, its contents besides, or those alone."""

# Pages in one update of the hash: large enough to leave Python behind, small enough for a cache.
_BATCH = 128

ADDED = (Operation.UNMEASURED, Operation.PARAMETER)
"""Operations that add pages without measuring their contents."""


def digest(
    plan: LaunchPlan, _realm: RealmParameters | None = None, cache: ContentCache | None = None
) -> bytes:
    """MRTD, 48 bytes."""
    if cache is None:
        return _digest(plan)
    return cache.start("tdx", plan, _digest)


def _digest(plan: LaunchPlan) -> bytes:
    hasher = hashlib.sha384()
    for part in stream(plan):
        hasher.update(part)
    return hasher.digest()


def stream(plan: LaunchPlan) -> Iterator[memoryview]:
    """The bytes that MRTD is the hash of, in pieces that are only valid until the next one."""
    import numpy as np

    measured = np.zeros(256, np.uint8)
    measured[Operation.NORMAL], measured[list(ADDED)] = _WHOLE, _ADDED
    measured[Operation.EXTENDED] = _CONTENTS
    kinds = measured[plan.rows["operation"]]
    added = _Added()
    filled: dict[int, _Measured] = {}
    for pages in windows(plan, kinds != 0):
        kind = kinds[pages.row]
        edges = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(kind)]
        for start, end in itertools.pairwise(edges):
            for first in range(start, end, _BATCH):
                last = min(first + _BATCH, end)
                which = int(kind[first])
                if which == _ADDED:
                    yield added.fill(pages.gpa[first:last])
                    continue
                if which not in filled:
                    filled[which] = _Measured(_RECORD if which == _WHOLE else 0)
                yield filled[which].fill(plan, pages.gpa[first:last], pages.source[first:last])


class _Added:
    """Records of pages that are added and not measured."""

    def __init__(self) -> None:
        import numpy as np

        self._records = np.zeros((_BATCH, _RECORD), np.uint8)
        self._records[:, :12] = np.frombuffer(b"MEM.PAGE.ADD", np.uint8)
        self._gpa = self._records[:, 16:24].view("<u8")

    def fill(self, gpa: NDArray[np.uint64]) -> memoryview:
        """The records of pages at `gpa`."""
        self._gpa[: len(gpa), 0] = gpa
        return self._records[: len(gpa)].data


class _Measured:
    """Records of pages whose contents are extended, 256 bytes at a time.

    Args:
        head: bytes for the record that says that the page is added; 0 if it was before.
    """

    def __init__(self, head: int) -> None:
        import numpy as np

        self._records = np.zeros((_BATCH, head + _EXTENDS), np.uint8)
        self._is_added = head > 0
        self._gpa = self._records[:, 16:24].view("<u8")
        if self._is_added:
            self._records[:, :12] = np.frombuffer(b"MEM.PAGE.ADD", np.uint8)
        extends = self._records[:, head:].reshape(_BATCH, _CHUNKS, _RECORD + _CHUNK)
        extends[:, :, :9] = np.frombuffer(b"MR.EXTEND", np.uint8)
        self._chunk_gpa = extends[:, :, 16:24].view("<u8")[:, :, 0]
        self._chunks = extends[:, :, _RECORD:]
        self._steps = np.arange(0, PAGE, _CHUNK, dtype=np.uint64)

    def fill(
        self, plan: LaunchPlan, gpa: NDArray[np.uint64], sources: NDArray[np.int64]
    ) -> memoryview:
        """The records of pages at `gpa` with the contents at `sources`."""
        import numpy as np

        count = len(gpa)
        if self._is_added:
            self._gpa[:count, 0] = gpa
        self._chunk_gpa[:count] = gpa[:, None] + self._steps
        first = int(sources[0])
        if first >= 0 and (np.diff(sources) == PAGE).all():
            data = np.frombuffer(plan.content(first, count * PAGE), np.uint8)
            self._chunks[:count] = data.reshape(count, _CHUNKS, _CHUNK)
        elif (sources == NO_SOURCE).all():
            self._chunks[:count] = 0
        else:
            for page, source in enumerate(sources.tolist()):
                data = np.frombuffer(plan.content(source), np.uint8)
                self._chunks[page] = data.reshape(_CHUNKS, _CHUNK)
        return self._records[:count].data


TECHNOLOGY = Technology(
    platforms=(PlatformType.TDX,),
    measurement="MRTD",
    algorithms=("sha384",),
    digest=digest,
    stream=stream,
    cost=1.5,
    hashed={Operation.NORMAL: _RECORD + _EXTENDS, Operation.EXTENDED: _EXTENDS}
    | dict.fromkeys(ADDED, _RECORD),
    axes=(AREA_PAGES, EMPTY_CONTENTS, SHARED_PAGES, UNMEASURED_PAGES, EXTEND_ORDER),
)
