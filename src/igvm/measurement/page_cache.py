"""What measuring one plan of a file leaves for the next: page digests, and shared beginnings."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.launch.plan import LaunchPlan

T = TypeVar("T")

_MOST_KEPT = 1 << 17
"""Pages whose digests are kept, besides as many as the file has room for."""


class ContentCache:
    """Digests of the pages of one file, shared by all plans that are measured with it.

    Most loaders import the same pages and differ in order, in zero pages or in the contexts at
    the end. With a cache the contents of a page are hashed once for each algorithm, and plans
    that begin alike, such as those for 1, 2, 4 and 8 vCPUs, are measured up to there once. It
    holds 56 bytes for each distinct page, of as many as the file has room for and some.

    Args:
        file: the file that all plans are of.
    """

    def __init__(self, file: IgvmFile) -> None:
        self.file = file
        self._pages: dict[str, tuple[NDArray[np.int64], NDArray[np.uint8]]] = {}
        self._starts: dict[tuple[str, bytes], object] = {}

    def require(self, plan: LaunchPlan) -> None:
        """Refuse a plan of another file.

        Raises:
            MeasurementError: it is one.
        """
        if plan.file is not self.file:
            raise MeasurementError("the plan is not of the file whose digests are kept")

    def recall(
        self, algorithm: str, sources: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.bool_], bytearray]:
        """Which of `sources` have a known digest, and room for all digests with those in it."""
        import numpy as np

        room = np.zeros((len(sources), size), np.uint8)
        known = np.zeros(len(sources), bool)
        if algorithm in self._pages:
            offsets, digests = self._pages[algorithm]
            at = np.searchsorted(offsets, sources).clip(max=len(offsets) - 1)
            known = offsets[at] == sources
            room[known] = digests[at[known]]
        return known, bytearray(room.data)

    def learn(
        self, algorithm: str, sources: NDArray[np.int64], digests: bytearray, size: int
    ) -> None:
        """Keep the digests of `sources`, distinct offsets; those outside the file are dropped."""
        import numpy as np

        table = np.frombuffer(digests, np.uint8).reshape(-1, size)
        offsets, mine = np.zeros(0, np.int64), np.zeros((0, size), np.uint8)
        if algorithm in self._pages:
            offsets, mine = self._pages[algorithm]
        room = _MOST_KEPT + len(self.file.buffer) // PAGE - len(offsets)
        new = sources >= 0
        if len(offsets):
            at = np.searchsorted(offsets, sources).clip(max=len(offsets) - 1)
            new &= offsets[at] != sources
        new[np.flatnonzero(new)[max(0, room) :]] = False
        if not new.any():
            return
        offsets, mine = np.concatenate([offsets, sources[new]]), np.concatenate([mine, table[new]])
        order = offsets.argsort()
        self._pages[algorithm] = offsets[order], mine[order]

    def start(self, name: str, plan: LaunchPlan, make: Callable[[LaunchPlan], T]) -> T:
        """What `make` gives for `plan`, made once for all plans with the same operations."""
        key = name, _fingerprint(plan)
        if key not in self._starts:
            self._starts[key] = make(plan)
        found: T = self._starts[key]  # type: ignore[assignment]
        return found


def parted(plan: LaunchPlan) -> tuple[LaunchPlan, LaunchPlan]:
    """`plan` up to the contexts that it ends with, and those."""
    import numpy as np

    others = np.flatnonzero(plan.rows["operation"] != Operation.VP_CONTEXT)
    end = int(others[-1]) + 1 if len(others) else 0
    return plan.with_rows(plan.rows[:end]), plan.with_rows(plan.rows[end:])


def _fingerprint(plan: LaunchPlan) -> bytes:
    """A digest of all that a measurement looks at: operations, addresses, sources and blobs."""
    rows = plan.rows
    hasher = hashlib.sha256(len(rows).to_bytes(8, "little") + plan.start)
    for column in ("operation", "gpa", "loaded", "source"):
        hasher.update(rows[column].tobytes())
    for source in rows["source"][rows["source"] < NO_SOURCE].tolist():
        hasher.update(hashlib.sha256(plan.blobs[NO_SOURCE - 1 - source]).digest())
    return hasher.digest()
