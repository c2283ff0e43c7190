"""The file data that headers refer to, as sorted intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.spec.directive import PageData, ParameterArea
from igvm.spec.enums import PAGE_SIZE_2M, PageDataFlags
from igvm.spec.initialization import CorimDocument, CorimSignature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts

_MOST = 1 << 40
"""More bytes than a file can have, whose size is a u32."""


class Extents(msgspec.Struct, frozen=True, gc=False):
    """Where the data of headers lies, one row for each header that refers to data."""

    index: NDArray[np.intp]
    """Position of the header in the file."""
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    """Bytes that every loader reads; one page of a large page."""
    reach: NDArray[np.int64]
    """Bytes that a loader may read: 2 MiB of a large page, where the file has them."""


def read_extents(facts: Facts) -> Extents:
    """The data that each header of a file refers to."""
    import numpy as np

    parts: list[tuple[Any, Any, Any, Any]] = []

    def add(index: Any, start: Any, size: Any, reach: Any = None) -> None:
        some = start != 0
        start = start.astype(np.int64)
        most = np.minimum(np.asarray(size, np.uint64), np.uint64(_MOST))
        sizes = np.broadcast_to(most.astype(np.int64), start.shape)
        reaches = sizes if reach is None else reach
        if len(index):
            parts.append((index[some], start[some], sizes[some], reaches[some]))

    pages = facts.table(PageData)
    offset = pages[PageData.file_offset]
    large = (pages[PageData.flags] & np.uint32(PageDataFlags.IS_2MB_PAGE)) != 0
    reach = np.where(
        large & (offset.astype(np.int64) + PAGE_SIZE_2M <= facts.size), PAGE_SIZE_2M, facts.page
    )
    add(pages.index, offset, facts.page, reach)
    areas = facts.table(ParameterArea)
    add(areas.index, areas[ParameterArea.file_offset], areas[ParameterArea.number_of_bytes])
    for record in (CorimDocument, CorimSignature):
        table = facts.table(record)
        add(table.index, table.column("file_offset"), table.column("size_bytes"))
    contexts = facts.contexts
    add(contexts.index, contexts.offset, contexts.size)
    if not parts:
        none = np.empty(0, np.int64)
        return Extents(none.astype(np.intp), none, none, none)
    return Extents(*(np.concatenate(column) for column in zip(*parts, strict=True)))
