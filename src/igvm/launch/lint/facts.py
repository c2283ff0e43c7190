"""What loader rules want to know of a file, computed once for a loader and a platform."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.checks.inspection.inspected_file import InspectedFile
from igvm.checks.reference import verdict
from igvm.errors import IgvmError
from igvm.launch.draft import draft, draft_dtype
from igvm.launch.loaders.qemu import _flush_order  # what waits for what is QEMU's, and known there
from igvm.spec.directive import RequiredMemory
from igvm.spec.enums import HeaderType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.finding import Finding
    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.launch.draft import Draft
    from igvm.launch.lint.loader import Loader
    from igvm.spec.enums import PlatformType
    from igvm.wire.record import Record

    Bools = NDArray[np.bool_]
    Rows = NDArray[np.void]


class LoaderFacts(InspectedFile):
    """A file as one loader looks at it that starts one of its platforms.

    Attributes:
        loader: the loader.
        platform: what it starts, or None where the file has nothing for it.
        mask: the platform's mask bits.
    """

    def __init__(self, file: IgvmFile, loader: Loader, platform: PlatformType | None) -> None:
        super().__init__(file)
        self.loader = loader
        self.platform = platform
        self.mask = 0 if platform is None else file.platform_masks[platform]

    @functools.cached_property
    def stop(self) -> Finding | None:
        """Where the crate that the loader reads files with stops, if it does."""
        found = [one for one in verdict(self.file, self.loader.release) if one.is_error]
        return found[0] if found else None

    @functools.cached_property
    def draft_or_error(self) -> Draft | IgvmError | None:
        """What the platform asks for, or why that cannot be known."""
        if self.platform is None:
            return None
        try:
            return draft(self.file, self.platform)
        except IgvmError as error:
            return error

    @functools.cached_property
    def rows(self) -> Rows:
        """The rows of the draft; none where there is no draft."""
        import numpy as np

        made = self.draft_or_error
        empty: Rows = np.zeros(0, draft_dtype())
        return empty if made is None or isinstance(made, IgvmError) else made.rows

    def of(self, *kinds: HeaderType) -> Rows:
        """The rows that come from headers of `kinds`."""
        import numpy as np

        return self.rows[np.isin(self.rows["kind"], kinds)]

    def at(self, table: Table[Any]) -> Bools:
        """Which headers of `table` are for the platform."""
        import numpy as np

        mine: Bools = table.column("compatibility_mask") & np.uint32(self.mask) != 0
        return mine

    def mine(self, record: type[Record]) -> tuple[NDArray[np.intp], Rows]:
        """The headers of `record` that are for the platform: positions and records."""
        table: Table[Any] = self.table(record)
        where = self.at(table)
        return table.index[where], table.rows()[where]

    def met(self, *kinds: HeaderType) -> NDArray[np.intp]:
        """The headers of `kinds` that the loader comes across, by the crate's and its own filter.

        The crate drops headers whose mask is zero, and with an isolation filter those of other
        platforms; headers without a mask are always there.
        """
        import numpy as np

        if not self.kinds & set(kinds):
            return np.empty(0, np.intp)
        where = np.isin(self.file.types, kinds)
        wanted = self.mask if self.loader.filters else 0xFFFFFFFF
        where &= self.file.masks & np.uint32(wanted) != 0
        return np.flatnonzero(where)

    # Memory.

    @functools.cached_property
    def flushed(self) -> NDArray[np.intp]:
        """For every row, the header at which QEMU gets round to it."""
        import numpy as np

        made = self.draft_or_error
        if made is None or isinstance(made, IgvmError):
            return np.empty(0, np.intp)
        return _flush_order(made)

    @functools.cached_property
    def page_runs(self) -> Rows:
        """The runs of pages that QEMU writes at once: header, last, gpa, pages."""
        import numpy as np

        pages = self.rows["kind"] == HeaderType.PAGE_DATA
        rows, when = self.rows[pages], self.flushed[pages]
        runs = np.zeros(0, run_dtype())
        if not len(rows):
            return runs
        starts = np.flatnonzero(np.concatenate([[True], when[1:] != when[:-1]]))
        ends = np.concatenate([starts[1:], [len(rows)]]) - 1
        runs = np.zeros(len(starts), run_dtype())
        runs["header"], runs["last"] = rows["header"][starts], rows["header"][ends]
        runs["first"] = rows["gpa"][starts] >> np.uint64(12)
        runs["pages"] = np.add.reduceat(rows["pages"], starts)
        return runs

    @functools.cached_property
    def memory(self) -> Rows:
        """What QEMU needs to lie in one piece of memory: page runs, inserts, required memory."""
        import numpy as np

        inserts = self.of(HeaderType.PARAMETER_INSERT)
        index, required = self.mine(RequiredMemory)
        parts = [self.page_runs, np.zeros(len(inserts) + len(index), run_dtype())]
        more, count = parts[1], len(inserts)
        more["header"] = more["last"] = np.concatenate([inserts["header"], index])
        more["first"][:count] = inserts["gpa"] >> np.uint64(12)
        more["pages"][:count] = inserts["pages"]
        more["first"][count:] = required["gpa"] >> np.uint64(12)
        size = required["number_of_bytes"].astype(np.uint64)
        more["pages"][count:] = (size + np.uint64(4095)) >> np.uint64(12)
        made = np.concatenate(parts)
        return made[np.argsort(made["header"], kind="stable")]


def run_dtype() -> np.dtype[np.void]:
    """The dtype of `LoaderFacts.memory`; `first` is the gpa divided by 4096."""
    import numpy as np

    return np.dtype([("header", "<i8"), ("last", "<i8"), ("first", "<u8"), ("pages", "<u8")])


def touches(runs: Rows, start: int, end: int) -> Bools:
    """Which runs have a page in the addresses from `start` up to `end`."""
    import numpy as np

    first = runs["first"]
    low, high = np.uint64(start >> 12), np.uint64(end >> 12)
    result: Bools = (first < high) & (first + runs["pages"] > low) & (runs["pages"] > 0)
    return result


def crosses(runs: Rows, edge: int) -> Bools:
    """Which runs have pages on both sides of the address `edge`."""
    import numpy as np

    first, at = runs["first"], np.uint64(edge >> 12)
    result: Bools = (first < at) & (first + runs["pages"] > at)
    return result
