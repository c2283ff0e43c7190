"""File data: where headers say it is, and what nobody refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Many, Place, headers, rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@rule(
    "data-range",
    ERROR,
    "the data of a header must be in the file",
    "igvm_defs, File Data; file_offset of every structure that has one",
)
def data_range(facts: Facts) -> Found:
    """A loader would read past the end of the file.

    The file was cut, or the offset or the size is wrong. The reference crate refuses it, but for
    VBS contexts: they make it crash.
    """
    extents = facts.extents
    past = extents.start + extents.size > facts.size
    order = extents.index[past].argsort()
    sizes = extents.size[past][order]
    if len(order):
        yield Many(
            extents.index[past][order],
            "file_offset",
            lambda k: f"{int(sizes[k]):#x} bytes from there end past {facts.size:#x}",
        )


@rule(
    "data-in-headers",
    ERROR,
    "file_offset must be zero or in the file data",
    "igvm_defs, File Data; file_offset of every structure that has one",
)
def data_in_headers(facts: Facts) -> Found:
    """The offset counts from the start of the file; this one points into the headers.

    A tool that counts from the start of the file data makes such files. The reference crate
    refuses them, or crashes.
    """
    extents = facts.extents
    before = extents.start < facts.data_start
    yield from headers(extents.index, before, "file_offset")


@rule(
    "data-missing",
    ERROR,
    "a VP_CONTEXT must have file data",
    "IGVM_VHS_VP_CONTEXT.file_offset",
)
def data_missing(facts: Facts) -> Found:
    """Registers are in the file data always; an offset of zero does not mean zeroes here.

    The reference crate refuses the file, and crashes where the context is for VBS.
    """
    contexts = facts.contexts
    yield from headers(contexts.index, contexts.offset == 0, "file_offset")


@rule(
    "data-none",
    WARNING,
    "a file should have file data",
    "the igvm crate (InvalidFixedHeader)",
)
def data_none(facts: Facts) -> Found:
    """The reference crate refuses a file that ends with its headers, and writes such files itself.

    The specification does not ask for file data. Append a page to please loaders.
    """
    if facts.data_start >= facts.size:
        yield Place("there is none", offset=facts.data_start)


def _sorted(facts: Facts) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """The data that headers refer to, by where it starts: header, start and end in the data."""
    import numpy as np

    extents = facts.extents
    order = np.argsort(extents.start, kind="stable")
    # What starts in the headers is no reference to file data.
    order = order[np.searchsorted(extents.start[order], facts.data_start) :]
    start = np.minimum(extents.start[order], facts.size)
    end = np.minimum(start + extents.reach[order], facts.size)
    return extents.index[order], start, end


@rule(
    "data-unreferenced",
    WARNING,
    "file data should be referred to by a header",
    "igvm_defs, File Data",
)
def data_unreferenced(facts: Facts) -> Found:
    """The bytes are in the file and reach no guest: no header refers to them.

    Neither the checksum nor a measurement covers them, so that they can hide anything. A header
    of unknown type may refer to them after all.
    """
    import numpy as np

    _, start, end = _sorted(facts)
    reach = np.maximum.accumulate(np.concatenate([[facts.data_start], end]))
    until = np.concatenate([start, [facts.size]])
    gaps = np.flatnonzero(until > reach)
    found = [
        (int(reach[gap]), int(until[gap]))
        for gap in gaps.tolist()
        if facts.octets[reach[gap] : until[gap]].any()
    ]

    def place(number: int) -> Place:
        low, high = found[number]
        return Place(f"nothing refers to {high - low:#x} bytes", offset=low, value=high - low)

    if found:
        yield Lazy(len(found), place)


@rule(
    "data-gap",
    NOTE,
    "zeroes between the data of headers make a file larger",
    "igvm_defs, File Data",
)
def data_gap(facts: Facts) -> Found:
    """Some tools align the file data, or leave out pages that no header needs any more."""
    import numpy as np

    _, start, end = _sorted(facts)
    reach = np.maximum.accumulate(np.concatenate([[facts.data_start], end]))
    until = np.concatenate([start, [facts.size]])
    gaps = [
        gap
        for gap in np.flatnonzero(until > reach).tolist()
        if not facts.octets[reach[gap] : until[gap]].any()
    ]
    if gaps:
        total = int((until[gaps] - reach[gaps]).sum())
        yield Place(
            f"{total:#x} bytes in {len(gaps)} places are zero and not referred to",
            offset=int(reach[gaps[0]]),
            value=total,
        )


@rule(
    "data-overlap",
    NOTE,
    "data of headers that overlaps in part is hardly meant",
    "igvm_defs, File Data",
)
def data_overlap(facts: Facts) -> Found:
    """Headers may share their data. That one starts inside that of another is allowed too.

    It is what a wrong offset looks like.
    """
    import numpy as np

    index, start, end = _sorted(facts)
    some = end > start
    index, start, end = index[some], start[some], end[some]
    if len(start) < 2:
        return
    same = (start[1:] == start[:-1]) & (end[1:] == end[:-1])
    inside = start[1:] < np.maximum.accumulate(end)[:-1]
    # A row is fine where it repeats one that is fine.
    fresh = np.concatenate([[True], ~same])
    partly = np.concatenate([[False], inside & ~same])
    heads = np.flatnonzero(fresh)
    found = partly[heads][np.cumsum(fresh) - 1]
    if found.any():
        yield Many(np.sort(index[found]), "file_offset")
