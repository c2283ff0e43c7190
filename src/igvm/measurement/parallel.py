"""Measurements of several plans at the same time: some here, some in a second process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from igvm.measurement.technology_table import technologies
from igvm.measurement.worker import Worker, may_fork

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator, Sequence

    from igvm.launch.plan import LaunchPlan

# A second process costs as much as this many pages.
_WORTH_A_PROCESS = 1024
_MOST = 64
"""Bytes of the longest digest."""


class Elsewhere:
    """The plans that another process measures.

    Attributes:
        mine: their positions, in the order in which they are measured.
    """

    def __init__(
        self, plans: Sequence[LaunchPlan], mine: list[int], digest: Callable[[LaunchPlan], bytes]
    ) -> None:
        self.mine = mine
        self._plans, self._digest = plans, digest
        self._worker: Worker | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[Elsewhere]:
        """Measure them in another process meanwhile, where there are any."""
        if not self.mine:
            yield self
            return
        pages = max(self._plans[index].measured_pages for index in self.mine)
        with Worker(len(self.mine) * (_MOST + 1), self._work, pages=pages) as worker:
            self._worker = worker
            yield self

    def _work(self, memory: mmap.mmap, tell: Callable[[], object]) -> None:  # pragma: no cover
        for step, index in enumerate(self.mine):
            digest = self._digest(self._plans[index])
            at = step * (_MOST + 1)
            memory[at : at + 1 + len(digest)] = bytes([len(digest)]) + digest
            tell()

    def digest(self, index: int) -> bytes:
        """The digest of the plan at `index`; measured here after all if that process failed."""
        step = self.mine.index(index)
        if self._worker is not None and self._worker.wait(step + 1):
            at = step * (_MOST + 1)
            return self._worker.memory[at + 1 : at + 1 + self._worker.memory[at]]
        return self._digest(self._plans[index])


def elsewhere(
    plans: Sequence[LaunchPlan], digest: Callable[[LaunchPlan], bytes]
) -> contextlib.AbstractContextManager[Elsewhere]:
    """Which of `plans` another process measures, so that both have about as much to do.

    What leaves page digests that others can use stays here.
    """
    table = technologies()
    costs = [
        table[plan.platform].cost * plan.measured_pages if plan.platform in table else 0
        for plan in plans
    ]
    mine: list[int] = []
    if sum(costs) > _WORTH_A_PROCESS and may_fork():
        away = 0.0
        for index in sorted(range(len(plans)), key=lambda at: -costs[at]):
            fits = (away + costs[index]) * 2 <= sum(costs) * 1.1
            leaves = fits and table[plans[index].platform].leaves_page_digests
            if fits and not leaves:
                mine.append(index)
                away += costs[index]
    return Elsewhere(plans, mine, digest).running()
