"""LaunchPlan: everything that one loader does for one platform, in its order, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from igvm.errors import LoadError, MeasurementError
from igvm.spec.enums import HeaderType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.spec.enums import PlatformType

PAGE = 4096
"""Bytes of a page in a plan: what every isolation technology measures by."""

NO_SOURCE = -1
"""The source of pages that are all zero, and of what has no bytes."""

NO_HEADER = -1
"""The header of what the loader made up."""

NO_AREA = 0xFFFFFFFF
"""The area of rows that are about none."""

MEMORY = (
    Operation.NORMAL,
    Operation.ZERO,
    Operation.UNMEASURED,
    Operation.SECRETS,
    Operation.CPUID,
    Operation.SHARED,
    Operation.PARAMETER,
    Operation.KERNEL_HASHES,
)
"""The operations that put pages into guest memory."""

_ZEROES = bytes(PAGE)


class Row(NamedTuple):
    """One operation of a plan."""

    operation: Operation
    gpa: int
    """Where in guest memory; 0 where it has no address."""
    pages: int
    """Pages of 4 KiB that the header is about, at gpa and up."""
    loaded: int
    """Pages of these that the loader reads or fills."""
    measured: bool
    """Whether the launch measurement covers the loaded pages, or the context."""
    source: int
    """Offset of the bytes in the file; -1 for zeroes; -2 - i for `plan.blobs[i]`."""
    header: int
    """Position of the header in the file, or -1 where the loader made the operation up."""
    vp_index: int
    reason: str
    """Why the loader leaves the row, or a part of it, out; empty where it does all of it."""
    header_type: HeaderType
    data_type: int
    """PageDataType of a PAGE_DATA."""
    flags: int
    """The flags of the header."""
    area: int
    """The parameter area that it is about, or NO_AREA."""
    byte_offset: int
    """Where in the area a parameter goes."""
    batch: int
    """Rows of one number are done at once, such as a run of pages."""

    def __repr__(self) -> str:
        words = [f"<Row {self.operation.name} {self.gpa:#x}"]
        if self.pages:
            words.append(f"{self.loaded} of {self.pages} pages")
        if self.operation == Operation.VP_CONTEXT:
            words.append(f"vCPU {self.vp_index}")
        words.append("made by the loader" if self.header < 0 else f"header {self.header}")
        words.append("measured" if self.measured else "not measured")
        return ", ".join([*words, *([self.reason] if self.reason else [])]) + ">"


class Refusal(msgspec.Struct, frozen=True):
    """One reason for which the loader does not take the file."""

    message: str
    header: int | None = None
    """Position of the header in the file, where there is one to blame."""
    field: str | None = None
    hint: str | None = None


class Missing(msgspec.Struct, frozen=True):
    """Something that the result depends on, that the file does not say and nobody gave."""

    parameter: str
    """Its name: `vcpus`, `cpu`, `realm`."""
    message: str
    """Why it is needed."""


class LaunchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The operations of one loader, in the order in which it does them.

    `rows` is a numpy structured array of shape (n,) with the columns of Row (`reason` is a
    position in `reasons`). Page k of a row lies at `gpa + k * 4096`, and its bytes at
    `source + k * 4096` of the file. Every header that applies to the platform has a row or more,
    those that the loader does nothing with included; measuring takes those whose `measured` is
    set.
    """

    file: IgvmFile
    platform: PlatformType
    mask: int
    """The platform's compatibility mask."""
    loader: str
    rows: NDArray[np.void]
    blobs: tuple[bytes, ...] = ()
    """Bytes that are not in the file but made by the loader, such as a rewritten VMSA."""
    reasons: tuple[str, ...] = ("",)
    """What the column `reason` counts; the first is for rows that are done as they are."""
    assumptions: tuple[str, ...] = ()
    """What the result depends on and the file does not say, one sentence each."""
    missing: tuple[Missing, ...] = ()
    """What would have to be known for the plan to be whole."""
    refusals: tuple[Refusal, ...] = ()
    """Why the loader does not take the file; `igvm.plan` raises the first."""
    is_measured: bool = True
    """Whether the launch has a measurement, as far as the loader is concerned."""
    start: bytes = b""
    """The digest that the measurement goes on from, of pages that were measured elsewhere."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            values = {name: row[name].item() for name in self.rows.dtype.names or ()}
            values["operation"] = Operation(values["operation"])
            values["header_type"] = HeaderType(values["header_type"])
            values["reason"] = self.reasons[values["reason"]]
            yield Row(**values)

    def __repr__(self) -> str:
        words = [self.platform.name, f"loader {self.loader}", f"{len(self.rows)} rows"]
        words.append(f"{self.measured_pages} pages measured")
        words += [f"{each.parameter} missing" for each in self.missing]
        if self.refusals:
            words.append("refused")
        return f"<LaunchPlan {', '.join(words)}>"

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from igvm.launch.notebook_tables import plan_html

        return plan_html(self)

    @property
    def page_count(self) -> int:
        """Pages that are loaded, contexts included; not the number of rows."""
        return exact_sum(self.rows["loaded"][self.loads() & ~self.of(Operation.EXTENDED)])

    @property
    def measured_pages(self) -> int:
        """Pages that are measured."""
        return exact_sum(self.rows["loaded"][self.rows["measured"]])

    def content(self, source: int, size: int = PAGE) -> bytes | memoryview:
        """The `size` bytes of a page or a context at `source`."""
        if source == NO_SOURCE:
            return _ZEROES if size == PAGE else bytes(size)
        if source < NO_SOURCE:
            return self.blobs[-2 - source][:size].ljust(size, b"\0")
        return self.file.buffer[source : source + size]

    def of(self, *operations: Operation) -> NDArray[np.bool_]:
        """Which rows do one of `operations`, shape (n,)."""
        import numpy as np

        column = self.rows["operation"]
        where: NDArray[np.bool_]
        if len(operations) == 1:
            where = column == operations[0]
        else:
            chosen = np.zeros(256, bool)
            chosen[list(operations)] = True
            where = chosen[column]
        return where

    def from_headers(self, *header_types: HeaderType) -> NDArray[np.bool_]:
        """Which rows come from headers of `header_types`, shape (n,).

        A header that does not have the structure of its type is an OTHER, and not among them.
        """
        import numpy as np

        types = self.rows["header_type"]
        where = np.zeros(len(types), bool)
        for header_type in header_types:
            where |= types == np.uint32(header_type)
        where &= self.rows["operation"] != Operation.OTHER
        return where

    def loads(self) -> NDArray[np.bool_]:
        """Which rows put something into memory or into a processor, or measure it, shape (n,).

        An area of no bytes counts as one that does, with no pages.
        """
        where = self.of(*MEMORY, Operation.ERROR_RANGE, Operation.VP_CONTEXT, Operation.EXTENDED)
        where &= (self.rows["loaded"] > 0) | (self.rows["pages"] == 0)
        return where

    def measured_part(self) -> Self:
        """This plan with the rows that are measured, and no others."""
        import numpy as np

        index = np.flatnonzero(self.rows["measured"])
        has_gaps = len(index) == 0 or index[-1] - index[0] + 1 != len(index)
        # Rows without gaps are a view: there may be a quarter of a million.
        return self.with_rows(self.rows[index if has_gaps else slice(index[0], index[-1] + 1)])

    def with_rows(self, rows: NDArray[np.void], *, blobs: Sequence[bytes] | None = None) -> Self:
        """This plan with other rows."""
        return msgspec.structs.replace(
            self, rows=rows, blobs=self.blobs if blobs is None else tuple(blobs)
        )

    def starting_from(self, digest: bytes) -> Self:
        """This plan, whose measurement goes on from `digest`."""
        return msgspec.structs.replace(self, start=digest)

    def explained(self, where: NDArray[np.bool_], reason: str) -> Self:
        """This plan with a reason at the rows `where` that have none yet."""
        if not where.any():
            return self
        reasons = self.reasons
        if reason not in reasons:
            reasons = (*reasons, reason)
        rows = self.rows.copy()
        rows["reason"][where & (rows["reason"] == 0)] = reasons.index(reason)
        return msgspec.structs.replace(self, rows=rows, reasons=reasons)

    def unmeasured(self, where: NDArray[np.bool_], reason: str) -> Self:
        """This plan with the rows `where` left out of the measurement, and why."""
        where = where & self.rows["measured"]
        if not where.any():
            return self
        plan = self.explained(where, reason)
        rows = plan.rows.copy()
        rows["measured"][where] = False
        return plan.with_rows(rows)

    def loading(self, where: NDArray[np.bool_], loaded: NDArray[np.uint64] | int, why: str) -> Self:
        """This plan with so many pages loaded of the rows `where`, and why where that is fewer."""
        import numpy as np

        counts = np.where(where, np.uint64(loaded) if isinstance(loaded, int) else loaded, 0)
        changed = where & (self.rows["loaded"] != counts)
        if not changed.any():
            return self
        plan = self.explained(changed & (counts < self.rows["pages"]), why)
        rows = plan.rows.copy()
        rows["loaded"][changed] = counts[changed]
        return plan.with_rows(rows)

    def refused(self, where: NDArray[np.bool_], message: str, field: str | None = None) -> Self:
        """This plan with a refusal that blames the first of the rows `where`, if there are any."""
        if not where.any():
            return self
        header = int(self.rows["header"][where].min())
        refusal = Refusal(message, None if header < 0 else header, field)
        return self.explained(where, f"fatal: {message}").refusing(refusal)

    def refusing(self, refusal: Refusal) -> Self:
        """This plan with one more refusal."""
        return msgspec.structs.replace(self, refusals=(*self.refusals, refusal))

    def require_loadable(self) -> Self:
        """This plan, if its loader takes the file.

        Raises:
            LoadError: it does not; the error says why, and which header is to blame.
        """
        if not self.refusals:
            return self
        refusal = self.refusals[0]
        if refusal.header is None:
            raise LoadError(
                refusal.message, path=self.file.path, field=refusal.field, hint=refusal.hint
            )
        header = self.file.header(refusal.header)
        raise LoadError(
            refusal.message,
            path=self.file.path,
            offset=header.offset,
            header=header.name,
            field=refusal.field,
            hint=refusal.hint,
        )

    def require_known(self) -> Self:
        """This plan, if nothing is missing that its measurement depends on.

        Raises:
            MeasurementError: something is; `missing` of the error names it.
        """
        if not self.missing:
            return self
        first = self.missing[0]
        raise MeasurementError(first.message, path=self.file.path, missing=first.parameter)


def exact_sum(counts: NDArray[np.uint64]) -> int:
    """The sum of `counts`, however large; a sum of numpy's own wraps at 2^64."""
    import numpy as np

    low, high = counts & np.uint64(0xFFFFFFFF), counts >> np.uint64(32)
    return (int(high.sum()) << 32) + int(low.sum())


def made_source(plan: LaunchPlan, number: int) -> int:
    """The source of the blob with this number among those that are added to `plan`."""
    return NO_SOURCE - 1 - len(plan.blobs) - number


def row_dtype() -> np.dtype[np.void]:
    """The dtype of `LaunchPlan.rows`."""
    import numpy as np

    return np.dtype(
        [
            ("gpa", "<u8"),
            ("pages", "<u8"),
            ("loaded", "<u8"),
            ("source", "<i8"),
            ("header", "<i4"),
            ("flags", "<u4"),
            ("area", "<u4"),
            ("byte_offset", "<u4"),
            ("batch", "<i4"),
            ("header_type", "<u4"),
            ("vp_index", "<u2"),
            ("data_type", "<u2"),
            ("reason", "<u2"),
            ("operation", "u1"),
            ("measured", "?"),
        ],
        align=True,
    )


def blank_rows(count: int) -> NDArray[np.void]:
    """So many rows without anything in them, shape (count,)."""
    import numpy as np

    blank = np.zeros((), row_dtype())
    blank["source"], blank["header"], blank["area"] = NO_SOURCE, NO_HEADER, NO_AREA
    # Repeating bytes is several times as fast as numpy's filling of structures.
    rows = np.frombuffer(bytearray(blank.tobytes()) * count, row_dtype())
    rows["batch"] = np.arange(count)
    return rows
