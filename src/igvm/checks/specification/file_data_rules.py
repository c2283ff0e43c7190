"""File data: where headers say it is, and what nobody refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Many, Place, headers, rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@rule(
    "data-range",
    ERROR,
    "the data of a header must be in the file",
    "igvm_defs, File Data; file_offset of every structure that has one",
)
def data_range(inspected: InspectedFile) -> Found:
    """A loader would read past the end of the file.

    The file was cut, or the offset or the size is wrong. The reference crate refuses it, but for
    VBS contexts: they make it crash.
    """
    extents = inspected.data_extents
    is_past = extents.start + extents.size > inspected.file_size
    order = extents.index[is_past].argsort()
    sizes = extents.size[is_past][order]
    if len(order):
        yield Many(
            extents.index[is_past][order],
            "file_offset",
            lambda row: f"{int(sizes[row]):#x} bytes from there end past {inspected.file_size:#x}",
        )


@rule(
    "data-in-headers",
    ERROR,
    "file_offset must be zero or in the file data",
    "igvm_defs, File Data; file_offset of every structure that has one",
)
def data_in_headers(inspected: InspectedFile) -> Found:
    """The offset counts from the start of the file; this one points into the headers.

    A tool that counts from the start of the file data makes such files. The reference crate
    refuses them, or crashes.
    """
    extents = inspected.data_extents
    is_before = extents.start < inspected.file.data_offset
    yield from headers(extents.index, is_before, "file_offset")


@rule(
    "data-missing",
    ERROR,
    "a VP_CONTEXT must have file data",
    "IGVM_VHS_VP_CONTEXT.file_offset",
)
def data_missing(inspected: InspectedFile) -> Found:
    """Registers are in the file data; an offset of zero does not mean zeroes here.

    The reference crate refuses the file, and crashes where the context is for VBS.
    """
    contexts = inspected.contexts
    yield from headers(contexts.index, contexts.offset == 0, "file_offset")


@rule(
    "data-none",
    WARNING,
    "a file should have file data",
    "the igvm crate (InvalidFixedHeader)",
)
def data_none(inspected: InspectedFile) -> Found:
    """The reference crate refuses a file that ends with its headers, and writes such files itself.

    The specification does not ask for file data. Append a page to please loaders.
    """
    if inspected.file.data_offset >= inspected.file_size:
        yield Place("there is none", offset=inspected.file.data_offset)


def _sorted_extents(
    inspected: InspectedFile,
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """The data that headers refer to, by where it starts, the longest first.

    Returns:
        Positions of the headers, shape (n,), intp; byte offsets of start and end of what of it
        is in the file, each of shape (n,), int64.
    """
    import numpy as np

    extents = inspected.data_extents
    start, reach, order = extents.start, extents.reach, None
    is_sorted = start[1:] == start[:-1]
    is_sorted &= reach[1:] <= reach[:-1]
    is_sorted |= start[1:] > start[:-1]
    if not is_sorted.all():
        order = np.lexsort((-reach, start))
        start, reach = start[order], reach[order]
    # What starts in the headers is no reference to file data.
    first = int(np.searchsorted(start, inspected.file.data_offset))
    start, reach = start[first:], reach[first:]
    end = start + reach
    np.minimum(end, inspected.file_size, out=end)
    if len(start) and start[-1] > inspected.file_size:
        start = np.minimum(start, inspected.file_size)
    index = extents.index[first:] if order is None else extents.index[order[first:]]
    return index, start, end


def _gaps(inspected: InspectedFile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The file data that no header refers to.

    Returns:
        Byte offsets of start and end of each gap, each of shape (m,), int64.
    """
    import numpy as np

    _, start, end = _sorted_extents(inspected)
    data_offset, file_size = inspected.file.data_offset, inspected.file_size
    if not len(start):
        gap = slice(0, 1 if file_size > data_offset else 0)
        return np.array([data_offset])[gap], np.array([file_size])[gap]
    reach = np.maximum(end, data_offset, out=end)
    np.maximum.accumulate(reach, out=reach)
    gaps = np.flatnonzero(start[1:] > reach[:-1])
    starts, ends = [reach[gaps]], [start[gaps + 1]]
    if start[0] > data_offset:
        starts, ends = [np.array([data_offset]), *starts], [start[:1], *ends]
    if file_size > reach[-1]:
        starts, ends = [*starts, reach[-1:]], [*ends, np.array([file_size])]
    return np.concatenate(starts), np.concatenate(ends)


@rule(
    "data-unreferenced",
    WARNING,
    "file data should be referred to by a header",
    "igvm_defs, File Data",
)
def data_unreferenced(inspected: InspectedFile) -> Found:
    """The bytes are in the file and reach no guest: no header refers to them.

    Neither the checksum nor a measurement covers them, so that they can hide anything. A header
    of unknown type may refer to them after all.
    """
    starts, ends = _gaps(inspected)
    gaps = [
        (start, end)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if inspected.octets[start:end].any()
    ]

    def place(number: int) -> Place:
        start, end = gaps[number]
        size = end - start
        return Place(f"nothing refers to {size:#x} bytes", offset=start, value=size)

    if gaps:
        yield Lazy(len(gaps), place)


@rule(
    "data-gap",
    NOTE,
    "zeroes between the data of headers make a file larger",
    "igvm_defs, File Data",
)
def data_gap(inspected: InspectedFile) -> Found:
    """Some tools align the file data, or leave out pages that no header needs any more."""
    starts, ends = _gaps(inspected)
    gaps = [
        (start, end)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if not inspected.octets[start:end].any()
    ]
    if gaps:
        total = sum(end - start for start, end in gaps)
        yield Place(
            f"{total:#x} bytes in {len(gaps)} places are zero and not referred to",
            offset=gaps[0][0],
            value=total,
        )


@rule(
    "data-overlap",
    NOTE,
    "data of headers that overlaps in part is hardly meant",
    "igvm_defs, File Data",
)
def data_overlap(inspected: InspectedFile) -> Found:
    """Headers may share their data. That one starts inside that of another is allowed too.

    It is what a wrong offset looks like.
    """
    import numpy as np

    index, start, end = _sorted_extents(inspected)
    has_bytes = end > start
    if not has_bytes.all():
        index, start, end = index[has_bytes], start[has_bytes], end[has_bytes]
    if len(start) < 2:
        return
    is_repeated = (start[1:] == start[:-1]) & (end[1:] == end[:-1])
    starts_inside = start[1:] < np.maximum.accumulate(end)[:-1]
    # A row is fine where it repeats one that is fine.
    is_new = np.concatenate([[True], ~is_repeated])
    overlaps = np.concatenate([[False], starts_inside & ~is_repeated])
    first_rows = np.flatnonzero(is_new)
    if not overlaps.any():
        return
    is_partial = overlaps[first_rows][np.cumsum(is_new) - 1]
    if is_partial.any():
        yield Many(np.sort(index[is_partial]), "file_offset")
