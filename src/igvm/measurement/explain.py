"""A measurement step by step: each operation of a plan with the running digest after it."""

from __future__ import annotations

import hashlib
import itertools
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.argument_kinds import require_plan
from igvm.launch.plan import NO_SOURCE, PAGE, exact_sum
from igvm.measurement.measure import require_measured
from igvm.measurement.page_digests import windows
from igvm.measurement.technology_table import technology_of
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.realm import RealmParameters
    from igvm.measurement.technology import Links, Technology

    Rows = NDArray[np.void]


# Rows that are looked at together, to keep temporaries small.
_ROWS = 1 << 14
_MOST_PAGES = 1 << 13
"""Pages that are shown one by one of headers with several, for any file; one more is for each eight
bytes of the file."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, or a run of equal ones, and the running digest after it."""

    operation: str
    """The name of an Operation; REALM, RIPAS or REGISTER for what is no operation of a plan."""
    gpa: int | None
    """Where its pages start; None where it has no address."""
    pages: int
    """Pages of 4 KiB, one after the other."""
    header: int
    """Position in the file of the header that the first page comes from, or -1."""
    source: int
    """Offset of the first byte in the file; -1 for zeroes; less where the loader made it."""
    note: str = ""
    """What else there is to say: which vCPU, which register, that pages are empty."""
    measured: bool
    """Whether it changed the digest."""
    digest: bytes
    """The running digest after it."""

    def __repr__(self) -> str:
        place = "" if self.gpa is None else f" {self.gpa:#x}, {self.pages} pages"
        note = f", {self.note}" if self.note else ""
        digest = self.digest.hex() if self.measured else "unchanged"
        return f"<Step {self.operation}{place}{note}: {digest}>"


def explain(
    plan: LaunchPlan, *, realm: RealmParameters | None = None, every_page: bool = False
) -> Iterator[Step]:
    """How the measurement of `plan` comes about.

    The digest of the last step is that of `igvm.measure_plan(plan)`. Operations that the
    technology does not measure are there too, with the digest unchanged.

    Args:
        plan: from `igvm.plan`.
        realm: what the VMM chooses for a Realm; needed for CCA.
        every_page: a step for every page, register and RTT entry, instead of one for each run of
            pages of one kind at addresses that follow each other. Where there are more than 8,192
            and one for each 8 bytes of the file, the pages of a header without data stay together.

    Raises:
        LoadError: the loader refuses the file.
        MeasurementError: the platform is not measured, or something is not known that the
            measurement depends on; `missing` of the error says what.
    """
    technology = technology_of(require_plan(plan).platform)
    require_measured(plan, realm)
    groups = _pages(plan, joined=_has_many_pages(plan)) if every_page else _runs(plan)
    if technology.chain is not None:
        return _chained(plan, technology, groups, realm, every_page=every_page)
    return _hashed(plan, technology, groups)


def _pages(plan: LaunchPlan, *, joined: bool) -> Iterator[Rows]:
    """Every page of `plan` as one row; if `joined`, the pages of a row without data together."""
    import numpy as np

    index = np.flatnonzero(plan.loads())
    for start in range(0, len(index), _ROWS):
        rows = plan.rows[index[start : start + _ROWS]].copy()
        loaded = rows["loaded"].copy()
        is_joined = (rows["source"] == NO_SOURCE) & (loaded > 1) & joined
        rows["loaded"][is_joined] = 1
        for pages in windows(plan.with_rows(rows), np.ones(len(rows), bool)):
            shown = rows[pages.row]
            shown["loaded"] = np.where(is_joined[pages.row], loaded[pages.row], 1)
            shown["pages"] = shown["loaded"]
            shown["gpa"], shown["source"] = pages.gpa, pages.source
            yield from (shown[index : index + 1] for index in range(len(shown)))


def _has_many_pages(plan: LaunchPlan) -> bool:
    """Whether the rows with several pages have more of them than the size of the file allows.

    Raises:
        MeasurementError: those with data alone have; the error names the limit.
    """
    rows = plan.rows
    several = plan.loads() & (rows["loaded"] > 1)
    count = exact_sum(rows["loaded"][several & (rows["source"] != NO_SOURCE)])
    most = _MOST_PAGES + len(plan.file.buffer) // 8
    if count > most:
        raise MeasurementError(
            f"there are {count:,} pages to show one by one, and the limit for a file of "
            f"{len(plan.file.buffer)} bytes is {most:,}",
            path=plan.file.path,
        )
    return exact_sum(rows["loaded"][several]) > most


def _runs(plan: LaunchPlan) -> Iterator[Rows]:
    """The rows of `plan` in runs of one kind at addresses that follow each other."""
    import numpy as np

    index = np.flatnonzero(plan.loads())
    first = 0
    for start in range(0, len(index), _ROWS):
        # With the last row before these, from which they may go on.
        before = max(start - 1, 0)
        rows = plan.rows[index[before : start + _ROWS]]
        for edge in (np.flatnonzero(_parts(rows)) + before + 1).tolist():
            yield _rows(plan, index[first:edge])
            first = edge
    if first < len(index):
        yield _rows(plan, index[first:])


def _parts(rows: Rows) -> NDArray[np.bool_]:
    """Whether each of `rows` but the first begins another run, shape (n - 1,)."""
    import numpy as np

    ends = rows["gpa"] + rows["loaded"] * np.uint64(PAGE)
    empty = rows["source"] == NO_SOURCE
    parts: NDArray[np.bool_] = (
        (rows["operation"][1:] != rows["operation"][:-1])
        | (rows["measured"][1:] != rows["measured"][:-1])
        | (rows["operation"][1:] == Operation.VP_CONTEXT)
        | (empty[1:] != empty[:-1])
        | (rows["gpa"][1:] != ends[:-1])
    )
    return parts


def _rows(plan: LaunchPlan, index: NDArray[np.intp]) -> Rows:
    """The rows of `plan` at `index`, ascending; a view where there is nothing between them."""
    first, last = int(index[0]), int(index[-1])
    has_gaps = last - first + 1 != len(index)
    rows: Rows = plan.rows[index if has_gaps else slice(first, last + 1)]
    return rows


def _step(rows: Rows, digest: bytes, *, measured: bool) -> Step:
    """The step for `rows`, which are of one kind."""
    first = rows[0]
    operation, header, source = (
        Operation(first["operation"]),
        int(first["header"]),
        int(first["source"]),
    )
    note = ""
    if operation == Operation.VP_CONTEXT:
        note = f"vCPU {first['vp_index']}"
        if header < 0:
            note += ", made by the loader"
        elif source < NO_SOURCE:
            note += ", changed by the loader"
    elif operation == Operation.NORMAL and source == NO_SOURCE:
        note = "empty"
    elif source < NO_SOURCE:
        note = "made by the loader"
    return Step(
        operation=operation.name,
        gpa=int(first["gpa"]),
        pages=exact_sum(rows["loaded"]),
        header=header,
        source=source,
        note=note,
        measured=measured,
        digest=digest,
    )


def _hashed(plan: LaunchPlan, technology: Technology, groups: Iterator[Rows]) -> Iterator[Step]:
    """Steps of a digest that is one hash over a stream."""
    assert technology.stream is not None
    hasher = hashlib.new(technology.algorithm(plan))
    for rows in groups:
        measured = False
        if rows["measured"][0]:
            for part in technology.stream(plan.with_rows(rows)):
                hasher.update(part)
                measured = True
        yield _step(rows, hasher.digest(), measured=measured)


def _chained(
    plan: LaunchPlan,
    technology: Technology,
    groups: Iterator[Rows],
    realm: RealmParameters | None,
    *,
    every_page: bool,
) -> Iterator[Step]:
    """Steps of a digest that is a chain with a link for every page."""
    assert technology.chain is not None
    part = plan.measured_part()
    chain = technology.chain(part, realm)
    digest = plan.start or bytes(hashlib.new(technology.algorithm(plan)).digest_size)
    for links in technology.links_before(part, realm):
        for step in _linked(links, chain, every_page=every_page):
            digest = step.digest
            yield step
    for rows in groups:
        count = technology.links_of(plan, rows) if rows["measured"][0] else 0
        if count:
            digest = next(itertools.islice(chain, count - 1, None))
        yield _step(rows, digest, measured=bool(count))
    for links in technology.links_after(part, realm):
        yield from _linked(links, chain, every_page=every_page)


def _linked(links: Links, chain: Iterator[bytes], *, every_page: bool) -> Iterator[Step]:
    """The steps for links that are no pages: one for all of them, or one each."""
    digests: Iterator[bytes] = itertools.islice(chain, links.links)
    notes = links.notes
    if not every_page:
        notes, digests = (links.summary,), iter(deque(digests, maxlen=1))
    for note, digest in zip(notes, digests, strict=False):
        yield Step(
            operation=links.operation,
            gpa=None,
            pages=0,
            header=links.header,
            source=NO_SOURCE,
            note=note,
            measured=True,
            digest=digest,
        )
