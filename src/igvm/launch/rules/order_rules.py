"""The order in which things reach the guest, and what is loaded twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.spec.enums import HeaderType, PageDataType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

    Rows = NDArray[np.void]

_LOADED = (HeaderType.PAGE_DATA, HeaderType.PARAMETER_INSERT)


def _late(inspected: InspectedLaunch) -> tuple[Rows, Rows]:
    """Inserts that come while pages wait, and the run that waits at each."""
    import numpy as np

    inserts, runs = inspected.of(HeaderType.PARAMETER_INSERT), inspected.page_runs
    if not len(runs):
        return inserts[:0], runs
    # The run whose first page is the last before the insert; it may have pages after it as well.
    before = np.searchsorted(runs["header"], inserts["header"]) - 1
    late = before >= 0
    return inserts[late], runs[before[late]]


def order_trap(inspected: InspectedLaunch) -> Found:
    """A page that is reserved for parameters, followed by their insert, overwrites them.

    Leave such pages out, or write every PARAMETER_INSERT before the first PAGE_DATA.
    """
    inserts, runs = _late(inspected)
    first = inserts["gpa"] >> 12
    over = (first < runs["first"] + runs["pages"]) & (first + inserts["pages"] > runs["first"])
    if over.any():
        yield Many(inserts["header"][over], "gpa", "a page that waits to be written covers {shown}")


def order_measured(inspected: InspectedLaunch) -> Found:
    """PAGE A, INSERT P, PAGE B is measured P, A, B; `igvm measure --loader qemu-kvm` knows it.

    A file in which every PARAMETER_INSERT comes before the first PAGE_DATA has one digest.
    """
    inserts, _ = _late(inspected)
    if len(inserts):
        yield Many(inserts["header"], "", "pages come before this insert")


def _overlap(inspected: InspectedLaunch, rows: Rows) -> Found:
    """Rows that lie where others do, in the order of addresses; the later header is blamed."""
    import numpy as np

    if len(rows) < 2:
        return
    rows = rows[rows["pages"] > 0]
    rows = rows[np.lexsort((rows["header"], rows["gpa"]))]
    first = rows["gpa"] >> np.uint64(12)
    end = first + rows["pages"]
    reach = np.maximum.accumulate(end)
    # Which row reaches that far, for each row.
    holder = np.maximum.accumulate(np.where(end == reach, np.arange(len(rows)), 0))
    hit = np.flatnonzero(first[1:] < reach[:-1]) + 1
    if not len(hit):
        return
    pair = np.stack([rows["header"][hit], rows["header"][holder[hit - 1]]])
    late, early = pair.max(axis=0), pair.min(axis=0)

    def place(number: int) -> Place:
        gpa = int(rows["gpa"][hit[number]])
        other = inspected.file.header(int(early[number]))
        message = f"{gpa:#x} is loaded by header {other.index} ({other.name}) already"
        return Place(message, int(late[number]), field="gpa", value=gpa)

    yield Lazy(len(hit), place)


def overlap(inspected: InspectedLaunch) -> Found:
    """A page has one place in the launch. Leave out the one that is not meant."""
    yield from _overlap(inspected, _loaded(inspected))


def _loaded(inspected: InspectedLaunch) -> Rows:
    """Pages, with as many of 4 KiB as the loader loads of each, and inserts."""
    import numpy as np

    rows, plan = inspected.of(*_LOADED), inspected.plan
    if plan is None or not len(rows):
        return rows
    loaded = np.zeros(len(inspected.file.types), np.uint64)
    pages = plan.rows[plan.from_headers(HeaderType.PAGE_DATA)]
    np.add.at(loaded, pages["header"], pages["loaded"])
    is_page = rows["header_type"] == HeaderType.PAGE_DATA
    rows["pages"] = np.where(is_page, loaded[rows["header"]], rows["pages"])
    return rows


def _with_data(inspected: InspectedLaunch) -> Rows:
    """What Cloud Hypervisor writes into the guest, and so does not import twice."""
    rows = _loaded(inspected)
    empty = (rows["header_type"] == HeaderType.PAGE_DATA) & (rows["source"] < 0)
    if inspected.loader.vmm is not None:
        empty &= rows["data_type"] != PageDataType.CPUID_DATA  # it has a table of its own for them
    kept: Rows = rows[~empty]
    return kept


def mshv_overlap(inspected: InspectedLaunch) -> Found:
    """Pages without data are not looked at there; the hypervisor may refuse them."""
    yield from _overlap(inspected, _with_data(inspected))


def context_overlap(inspected: InspectedLaunch) -> Found:
    """Give vCPU 0 one context, at an address where nothing else is loaded.

    The contexts of other vCPUs may share an address with it.
    """
    import numpy as np

    contexts = inspected.of(HeaderType.VP_CONTEXT)
    contexts = contexts[contexts["vp_index"] == 0]
    if not len(contexts):
        return
    rows = _with_data(inspected)
    context_pages = np.unique(contexts["gpa"] >> np.uint64(12))
    first = rows["gpa"] >> np.uint64(12)
    low, high = (
        np.searchsorted(context_pages, first),
        np.searchsorted(context_pages, first + rows["pages"]),
    )
    yield from _overlap(inspected, np.concatenate([rows[low < high], contexts]))
