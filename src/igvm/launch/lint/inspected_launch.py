"""A file as one loader looks at it that starts one of its platforms, each thing computed once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.checks.inspection.inspected_file import InspectedFile
from igvm.checks.reference import verdict
from igvm.file.record_places import RecordPlaces
from igvm.launch.machine import Machine
from igvm.launch.plan import blank_rows
from igvm.launch.request import PlanRequest
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.finding import Finding
    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.launch.kvm.vmm import VMM
    from igvm.launch.loader import Loader
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.programs.qemu_regions import PreparedMemory
    from igvm.spec.enums import PlatformType
    from igvm.wire.record import Record

    Bools = NDArray[np.bool_]
    Rows = NDArray[np.void]


class InspectedLaunch(InspectedFile):
    """A file, a loader, the platform that it starts, and the plan that it makes for it.

    Attributes:
        loader: the loader.
        platform: what it starts, or None where the file has nothing for it.
        mask: the platform's mask bits.
        machine: what the guest is started on, where the loader knows machines.
    """

    def __init__(
        self,
        file: IgvmFile,
        loader: Loader,
        platform: PlatformType | None,
        machine: Machine | None = None,
    ) -> None:
        super().__init__(file)
        self.loader = loader
        self.platform = platform
        self.mask = 0 if platform is None else file.platform_masks[platform]
        self.machine = machine or Machine()

    @functools.cached_property
    def stop(self) -> Finding | None:
        """Where the crate that the loader reads files with stops, if it does."""
        if self.loader.crate is None:
            return None
        findings = verdict(self.file, self.loader.crate)
        return next((finding for finding in findings if finding.is_error), None)

    @property
    def vmm(self) -> VMM:
        """How the loader hands contexts to KVM.

        Raises:
            TypeError: it does not; the rule that asks is not for it.
        """
        if self.loader.vmm is None:
            message = f"loader {self.loader.name} hands no contexts to KVM"
            raise TypeError(message)
        return self.loader.vmm

    @functools.cached_property
    def asked_for(self) -> LaunchPlan | None:
        """What the platform asks for of any loader; None where there is no platform."""
        if self.platform is None:
            return None
        return self.loader.directives(self.file, self.platform, self.mask)

    @functools.cached_property
    def plan(self) -> LaunchPlan | None:
        """What the loader does with it, refused or not; None where there is no platform."""
        if self.platform is None:
            return None
        return self.loader.plan(self.file, self.platform, self.mask, PlanRequest())

    @property
    def is_readable(self) -> bool:
        """Whether there is a platform, and what it asks for is in the file and fits a guest."""
        return self.asked_for is not None and not self.asked_for.refusals

    def of(self, *header_types: HeaderType) -> Rows:
        """What the platform asks for in headers of `header_types`: plan rows, shape (n,)."""
        if self.asked_for is None or not self.is_readable:
            return blank_rows(0)
        rows: Rows = self.asked_for.rows[self.asked_for.from_headers(*header_types)]
        return rows

    def records(self, rows: Rows, record: type[Record]) -> RecordPlaces:
        """The records at the sources of `rows`."""
        return RecordPlaces(self.file.buffer, record, rows["source"])

    def at(self, table: Table[Any]) -> Bools:
        """Which headers of `table` are for the platform."""
        import numpy as np

        is_mine: Bools = table.column("compatibility_mask") & np.uint32(self.mask) != 0
        return is_mine

    def mine(self, record: type[Record]) -> tuple[NDArray[np.intp], Rows]:
        """The headers of `record` that are for the platform: positions and records."""
        table: Table[Any] = self.table(record)
        where = self.at(table)
        return table.index[where], table.rows()[where]

    def met(self, *header_types: HeaderType) -> NDArray[np.intp]:
        """The headers of `header_types` that the loader comes across, by the crate's filter.

        The crate drops headers whose mask is zero, and with an isolation filter those of other
        platforms; headers without a mask are always there.
        """
        import numpy as np

        if not self.kinds & set(header_types):
            return np.empty(0, np.intp)
        where = np.isin(self.file.types, header_types)
        wanted = self.mask if self.loader.filters else 0xFFFFFFFF
        where &= self.file.masks & np.uint32(wanted) != 0
        return np.flatnonzero(where)

    # Memory.

    @functools.cached_property
    def qemu_memory(self) -> PreparedMemory | None:
        """What becomes of the memory that the plan of a loader for QEMU wants on the machine."""
        from igvm.launch.programs.qemu_regions import prepared_memory

        if self.plan is None or not self.is_readable:
            return None
        return prepared_memory(self.plan, self.machine)

    @functools.cached_property
    def page_runs(self) -> Rows:
        """Pages that go on: those of one batch, or, where each is done for itself, those alike.

        Returns:
            Shape (n,), of `run_dtype`.
        """
        import numpy as np

        if self.plan is None or not self.is_readable:
            return np.zeros(0, run_dtype())
        rows = self.plan.rows[self.plan.from_headers(HeaderType.PAGE_DATA)]
        if not len(rows):
            return np.zeros(0, run_dtype())
        pages = rows["pages"]
        is_next = rows["batch"][1:] == rows["batch"][:-1]
        if not self.loader.writes_runs:
            is_next = rows["gpa"][1:] == rows["gpa"][:-1] + pages[:-1] * np.uint64(4096)
            for name in ("flags", "data_type"):
                is_next &= rows[name][1:] == rows[name][:-1]
        starts = np.flatnonzero(np.concatenate([[True], ~is_next]))
        ends = np.concatenate([starts[1:], [len(rows)]]) - 1
        runs = np.zeros(len(starts), run_dtype())
        runs["header"], runs["last"] = rows["header"][starts], rows["header"][ends]
        runs["first"] = rows["gpa"][starts] >> np.uint64(12)
        runs["pages"] = np.add.reduceat(pages, starts)
        return runs

    @functools.cached_property
    def memory(self) -> Rows:
        """What must lie in one piece of memory: page runs, inserts and required memory.

        Returns:
            Shape (n,), of `run_dtype`, in the order of headers.
        """
        import numpy as np

        others = self.of(HeaderType.PARAMETER_INSERT, HeaderType.REQUIRED_MEMORY)
        more = np.zeros(len(others), run_dtype())
        more["header"] = more["last"] = others["header"]
        more["first"] = others["gpa"] >> np.uint64(12)
        more["pages"] = others["pages"]
        made = np.concatenate([self.page_runs, more])
        return made[np.argsort(made["header"], kind="stable")]


def run_dtype() -> np.dtype[np.void]:
    """The dtype of `InspectedLaunch.memory`; `first` is the gpa divided by 4096."""
    import numpy as np

    return np.dtype([("header", "<i8"), ("last", "<i8"), ("first", "<u8"), ("pages", "<u8")])


def touches(runs: Rows, start: int, end: int) -> Bools:
    """Which runs have a page in the addresses from `start` up to `end`."""
    import numpy as np

    first = runs["first"]
    low, high = np.uint64(start >> 12), np.uint64(end >> 12)
    result: Bools = (first < high) & (first + runs["pages"] > low) & (runs["pages"] > 0)
    return result
