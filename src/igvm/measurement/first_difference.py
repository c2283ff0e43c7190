"""Where two plans part ways: the first operation that differs, and what differs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.argument_kinds import require_plan
from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.measurement.page_digests import Pages, windows
from igvm.measurement.row_difference import fields_of, first_unlike, unloaded_rows
from igvm.measurement.technology_table import technologies
from igvm.spec.hyperv import register_name
from igvm.spec.isolation import VBS_CONTEXT, isolation_of
from igvm.spec.operations import Operation
from igvm.spec.vmsa import SEVSelector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.wire.record import Record

Kind = Literal["operation", "address", "contents", "context", "count", "order", "missing", "header"]
Basis = Literal["measurement", "plan"]
"""What two launches are compared by: what their measurements cover, or all that loaders do."""

_MOST_PAGES = 1 << 20
"""Pages that are compared for any file: 4 GiB; 16 more are for each byte of the file."""
_MEASURED = (Operation.NORMAL, Operation.VP_CONTEXT)
_FILLED = (
    *_MEASURED,
    Operation.UNMEASURED,
    Operation.SECRETS,
    Operation.CPUID,
    Operation.SHARED,
    Operation.PARAMETER,
)
"""The operations that may have contents from the file, measured or not."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a plan."""

    operation: str
    gpa: int
    page: int
    """Which page of its operation it is, from 0."""
    pages: int
    """Pages of the operation."""
    row: int
    """Which of the operations that load something it belongs to."""
    header: int
    """Position in the file of the header it comes from, or -1 where the loader made it up."""
    source: int
    """Offset of its bytes in the file; -1 for zeroes; less where the loader made them."""
    vp_index: int
    measured: bool
    """Whether the launch measurement covers it."""

    def __repr__(self) -> str:
        header = "made by the loader" if self.header < 0 else f"header {self.header}"
        return f"<Place {self.operation} {self.gpa:#x}, {header}>"


class FieldDifference(msgspec.Struct, frozen=True):
    """A field of a context that is not the same."""

    name: str
    first: str
    second: str


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where two plans part ways."""

    kind: Kind
    """What differs, in one word.

    Under `operation` the same page is loaded or counted in another way, under `address` the same
    operation is for another page; `contents` and `context` say that bytes differ, `count` that an
    operation has more pages, `order` that both have the page at another place, and `missing` that
    only one has it. A `header` loads nothing, such as a parameter or a policy.
    """
    index: int
    """Pages before it, all of them equal; of a header, those of its kind."""
    first: Place | None
    """The page in the first plan; None if that plan is at its end."""
    second: Place | None
    offset: int | None = None
    """Of contents: where in the page the first byte differs."""
    bytes: int = 0
    """Of contents: how many bytes of the page differ."""
    fields: tuple[FieldDifference, ...] = ()
    """Of a context or a header: what differs in it."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{field.name} {field.first} {field.second}" for field in self.fields)
        words = f"<Difference in {self.kind} after {self.index} pages: {self.first} {self.second}"
        return f"{words}: {fields}>" if fields else f"{words}>"


class _Side(NamedTuple):
    """A window of the pages of one plan."""

    plan: LaunchPlan
    start: int
    """Pages of the plan before the window."""
    pages: Pages
    operation: NDArray[np.uint8]
    measured: NDArray[np.bool_]
    by: Basis


def basis_of(*plans: LaunchPlan) -> Basis:
    """What launches can be compared by: their measurements, where all of them have one."""
    are_measured = all(plan.is_measured and plan.platform in technologies() for plan in plans)
    return "measurement" if are_measured else "plan"


def first_difference(
    first: LaunchPlan, second: LaunchPlan, *, by: Basis | None = None
) -> Difference | None:
    """The first page at which two plans for one technology part ways, or None.

    By measurement contents are compared where they are measured, and two plans without a
    difference have the same measurement. By plan the contents of all pages and contexts are
    compared, and after them what loads nothing: parameters, policies, required memory and
    relocations, by their fields. Endorsements are no part of a launch.

    Args:
        first: from `igvm.plan`.
        second: another.
        by: what to compare; None for the measurement where both launches have one, else the plan.

    Raises:
        MeasurementError: the plans are for different platforms, a context cannot be read, or the
            pages are more than the size of a file allows.
    """
    if require_plan(first).platform != require_plan(second).platform:
        message = f"{first.platform.name} and {second.platform.name} have nothing in common"
        raise MeasurementError(message)
    by = by or basis_of(first, second)
    for plan in (first, second):
        _require_few_pages(plan)
    ours, theirs = (plan.with_rows(plan.rows[plan.loads()]) for plan in (first, second))
    difference = _loaded_difference(ours, theirs, by)
    if difference is None and by == "plan":
        return _unloaded_difference(unloaded_rows(first), unloaded_rows(second))
    return difference


def _loaded_difference(first: LaunchPlan, second: LaunchPlan, by: Basis) -> Difference | None:
    """The first page at which two plans part ways whose rows all load something."""
    for left, right in zip(_windows(first, by), _windows(second, by), strict=False):
        both = min(len(left.operation), len(right.operation))
        same = (left.operation[:both] == right.operation[:both]) & (
            left.pages.gpa[:both] == right.pages.gpa[:both]
        )
        if by == "measurement":
            same &= left.measured[:both] == right.measured[:both]
        parted = both if same.all() else int(same.argmin())
        difference = _first_contents(left, right, parted)
        if difference is not None:
            return difference
        if parted < max(len(left.operation), len(right.operation)):
            return _parted(left, right, parted)
    return None


def _require_few_pages(plan: LaunchPlan) -> None:
    """Refuse a plan with more pages than the size of its file allows.

    Raises:
        MeasurementError: it has; the error names the limit.
    """
    most = _MOST_PAGES + 16 * len(plan.file.buffer)
    if plan.page_count > most:
        raise MeasurementError(
            f"the launch has {plan.page_count:,} pages, and the limit for a file of "
            f"{len(plan.file.buffer)} bytes is {most:,}",
            path=plan.file.path,
        )


def _unloaded_difference(first: LaunchPlan, second: LaunchPlan) -> Difference | None:
    """The first header that loads nothing at which two plans part ways."""
    position = first_unlike(first, second)
    if position is None:
        return None
    sides = [fields_of(plan, position) for plan in (first, second)]
    return Difference(
        kind="header",
        index=position,
        first=_row_place(first, position),
        second=_row_place(second, position),
        fields=_unlike(*sides),
    )


def _row_place(plan: LaunchPlan, position: int) -> Place | None:
    """A row that loads nothing, if `plan` has it."""
    if position >= len(plan.rows):
        return None
    row = plan.rows[position]
    return Place(
        operation=Operation(int(row["operation"])).name,
        gpa=int(row["gpa"]),
        page=0,
        pages=int(row["pages"]),
        row=position,
        header=int(row["header"]),
        source=int(row["source"]),
        vp_index=int(row["vp_index"]),
        measured=False,
    )


def _unlike(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[FieldDifference, ...]:
    """The fields that are not the same, or that one has."""
    return tuple(
        FieldDifference(name, ours.get(name, "nothing"), theirs.get(name, "nothing"))
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    )


def _windows(plan: LaunchPlan, by: Basis) -> Iterator[_Side]:
    """The pages of `plan`, some at a time, and after them none."""
    import numpy as np

    start = 0
    for pages in windows(plan, np.ones(len(plan.rows), bool)):
        rows = plan.rows[pages.row]
        yield _Side(plan, start, pages, rows["operation"], rows["measured"], by)
        start += len(pages.gpa)
    none = np.zeros(0, np.int64)
    nothing = Pages(none, none.astype(np.uint64), none)
    yield _Side(plan, start, nothing, none.astype(np.uint8), none.astype(bool), by)


def _place(side: _Side, index: int) -> Place | None:
    """What `side` does at `index` of its window, if it is not at its end."""
    if index >= len(side.operation):
        return None
    row = int(side.pages.row[index])
    fields = side.plan.rows[row]
    gpa = int(side.pages.gpa[index])
    return Place(
        operation=Operation(int(side.operation[index])).name,
        gpa=gpa,
        page=(gpa - int(fields["gpa"])) // PAGE,
        pages=int(fields["loaded"]),
        row=row,
        header=int(fields["header"]),
        source=int(side.pages.source[index]),
        vp_index=int(fields["vp_index"]),
        measured=bool(fields["measured"]),
    )


def _first_contents(left: _Side, right: _Side, end: int) -> Difference | None:
    """The first of the pages before `end` whose contents count and differ."""
    import numpy as np

    candidates = np.isin(left.operation[:end], _MEASURED if left.by == "measurement" else _FILLED)
    ours, theirs = left.pages.source[:end], right.pages.source[:end]
    candidates &= (ours != NO_SOURCE) | (theirs != NO_SOURCE)
    if left.plan.file is right.plan.file:
        candidates &= (ours != theirs) | (ours < NO_SOURCE)
    for index in np.flatnonzero(candidates).tolist():
        if left.operation[index] == Operation.VP_CONTEXT:
            difference = _context(left, right, index)
        else:
            difference = _contents(left, right, index)
        if difference is not None:
            return difference
    return None


def _contents(left: _Side, right: _Side, index: int) -> Difference | None:
    import numpy as np

    ours = left.plan.content(int(left.pages.source[index]))
    theirs = right.plan.content(int(right.pages.source[index]))
    if ours == theirs:
        return None
    size = max(len(ours), len(theirs))  # the last page of a file may be cut short
    differ = np.frombuffer(bytes(ours).ljust(size, b"\0"), np.uint8) != np.frombuffer(
        bytes(theirs).ljust(size, b"\0"), np.uint8
    )
    if not differ.any():
        return None
    return Difference(
        kind="contents",
        index=left.start + index,
        first=_place(left, index),
        second=_place(right, index),
        offset=int(differ.argmax()),
        bytes=int(differ.sum()),
    )


def _context(left: _Side, right: _Side, index: int) -> Difference | None:
    """What differs in two contexts, field by field."""
    if isolation_of(left.plan.platform).context is None:
        return None
    if left.plan.file.architecture == right.plan.file.architecture and (
        _context_bytes(left, index) == _context_bytes(right, index)
    ):
        return None
    sides = [_fields(side, index) for side in (left, right)]
    if sides[0] == sides[1]:
        return None
    return Difference(
        kind="context",
        index=left.start + index,
        first=_place(left, index),
        second=_place(right, index),
        fields=_unlike(*sides),
    )


def _context_bytes(side: _Side, index: int) -> bytes:
    """The bytes that the fields of the context at `index` are made from."""
    plan, source = side.plan, int(side.pages.source[index])
    context = isolation_of(plan.platform).context
    if context is VBS_CONTEXT:
        from igvm.measurement.technologies.vbs import registers

        header = int(plan.rows["header"][side.pages.row[index]])
        return registers(plan, source, header).tobytes()
    return bytes(plan.content(source, PAGE if context is None else context.record.SIZE))


def _fields(side: _Side, index: int) -> dict[str, str]:
    """The fields of the context at `index`, as text; nested ones by their dotted names."""
    plan, source = side.plan, int(side.pages.source[index])
    context = isolation_of(plan.platform).context
    if context is VBS_CONTEXT:
        from igvm.measurement.technologies.vbs import registers

        header = int(plan.rows["header"][side.pages.row[index]])
        fields: dict[str, str] = {}
        for place, register in enumerate(registers(plan, source, header)):
            name = register_name(plan.file.architecture, int(register["register_name"])).name
            value = int.from_bytes(register["register_value"].tobytes(), "little")
            fields[f"register {place}"] = f"VTL {register['vtl']} {name} {value:#x}"
        return fields
    if context is None:
        return {"bytes": bytes(plan.content(source)).hex()}
    return _flat(context.record.unpack_from(plan.content(source, context.record.SIZE)))


def _flat(record: Record) -> dict[str, str]:
    fields: dict[str, str] = {}
    for item in type(record).FIELDS:
        value: Any = getattr(record, item.name)
        if isinstance(value, SEVSelector):
            fields |= {f"{item.name}.{name}": text for name, text in _flat(value).items()}
        elif isinstance(value, (bytes, memoryview)):
            fields[item.name] = bytes(value).hex()
        else:
            fields[item.name] = f"{int(value):#x}"
    return fields


def _parted(left: _Side, right: _Side, index: int) -> Difference:
    """What to say of two plans that do not do the same at `index` of their windows."""
    ours, theirs = _place(left, index), _place(right, index)
    return Difference(
        kind=_kind(left.plan, right.plan, ours, theirs),
        index=left.start + index,
        first=ours,
        second=theirs,
    )


def _kind(left: LaunchPlan, right: LaunchPlan, ours: Place | None, theirs: Place | None) -> Kind:
    if ours is not None and theirs is not None and ours.gpa == theirs.gpa:
        return "operation"
    if _goes_on(ours, right, theirs) or _goes_on(theirs, left, ours):
        return "count"
    if ours is None or theirs is None:
        return "missing"
    later = _has(right, theirs.row, ours), _has(left, ours.row, theirs)
    if all(later):
        return "order"
    if any(later):
        return "missing"
    return "address" if ours.operation == theirs.operation else "missing"


def _goes_on(longer: Place | None, plan: LaunchPlan, shorter: Place | None) -> bool:
    """Whether `longer` goes on with an operation that `plan` has finished before `shorter`."""
    if longer is None or longer.page == 0 or (shorter is not None and shorter.page):
        return False
    row = (len(plan.rows) if shorter is None else shorter.row) - 1
    done = plan.rows[row]
    end = int(done["gpa"]) + int(done["loaded"]) * PAGE
    return (Operation(done["operation"]).name, end) == (longer.operation, longer.gpa)


def _has(plan: LaunchPlan, row: int, place: Place) -> bool:
    """Whether `plan` does from `row` on what `place` does."""
    rows = plan.rows[row:]
    same = (rows["gpa"] <= place.gpa) & (place.gpa - rows["gpa"] < rows["loaded"] * PAGE)
    same &= rows["operation"] == int(Operation[place.operation])
    return bool(same.any())
