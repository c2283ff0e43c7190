"""Finds runs of page headers: neighbours that load consecutive pages alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.header_extents import page_bytes
from igvm.report.cpuid_table import CPUID_TYPES
from igvm.spec.directive import PageData

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile


class PageRun(msgspec.Struct, frozen=True, gc=False):
    """`count` headers from position `index` on, equal up to these steps from one to the next."""

    index: int
    count: int = 1
    gpa: int = 0
    file_offset: int = 0


def page_runs(file: IgvmFile, chosen: NDArray[np.intp], *, join: bool = True) -> Iterator[PageRun]:
    """The chosen headers in order, pages that go on from the page before joined.

    Pages go on where type, mask, flags and the rest are equal, the address is the next page's
    and the data is adjacent, the same throughout, or none. CPUID pages with data of their own do
    not.
    """
    import numpy as np

    if not join:
        yield from (PageRun(index) for index in chosen.tolist())
        return
    if not len(chosen):
        return
    # Where the headers of `chosen` are not neighbours in the file, nothing goes on.
    steps = np.where(np.diff(chosen, append=-2) == 1, _steps(file)[chosen], -1)
    # A block is a stretch of equal steps; a page between two blocks belongs to the first.
    edges = np.flatnonzero(np.diff(steps, prepend=-2))
    start = 0
    for edge, end in zip(edges.tolist(), [*edges[1:].tolist(), len(chosen)], strict=True):
        step = int(steps[edge])
        first = max(edge, start)
        if step >= 0 and end > first:
            index, count = int(chosen[first]), end - first + 1
            page = page_bytes(int(file.header(index).flags), file.page_size)
            yield PageRun(index, count, page, page if step else 0)
            start = end + 1
        elif step < 0:
            for position in range(first, end):
                yield PageRun(int(chosen[position]))
            start = max(start, end)


def _steps(file: IgvmFile) -> NDArray[np.int8]:
    """For each header, how its successor goes on: -1 not, 0 with the same data, 1 with the next."""
    import numpy as np

    result = np.full(len(file.types), -1, np.int8)
    table = file.table(PageData)
    if len(table) < 2:
        return result
    gpa = table[PageData.gpa].astype(np.uint64)
    flags = table[PageData.flags]
    offset = table[PageData.file_offset].astype(np.int64)
    size = page_bytes(flags, file.page_size)
    types = file.walk.types[table.index]
    alike = (np.diff(table.index) == 1) & (gpa[1:] > gpa[:-1])
    alike &= gpa[1:] - gpa[:-1] == size[:-1].astype(np.uint64)
    for column in (types, flags, *(table.column(name) for name in _EQUAL)):
        alike &= column[1:] == column[:-1]
    step = np.diff(offset)
    adjacent = alike & (step == size[:-1]) & (offset[:-1] != 0)
    # Each CPUID page is shown with its own leaves.
    adjacent &= ~np.isin(table[PageData.data_type][1:], CPUID_TYPES)
    result[table.index[:-1][alike & (step == 0)]] = 0
    result[table.index[:-1][adjacent]] = 1
    return result


_EQUAL = ("compatibility_mask", "data_type", "reserved")
