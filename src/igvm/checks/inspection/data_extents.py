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

    from igvm.checks.inspection.inspected_file import InspectedFile

_MOST = 1 << 40
"""More bytes than a file can have, whose size is a u32."""


class DataExtents(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where the data of headers lies, one row for each header that refers to data; n rows."""

    index: NDArray[np.intp]
    """Position of the header in the file, shape (n,), intp."""
    start: NDArray[np.int64]
    """Byte offset in the file, shape (n,), int64."""
    size: NDArray[np.int64]
    """Bytes that every loader reads; one page of a large page. Shape (n,), int64."""
    reach: NDArray[np.int64]
    """Bytes that a loader may read: 2 MiB of a large page, where the file has them. Shape (n,),
    int64."""


def read_extents(inspected: InspectedFile) -> DataExtents:
    """The data that each header of a file refers to."""
    import numpy as np

    parts: list[tuple[Any, Any, Any, Any]] = []

    def add(index: Any, start: Any, size: Any, reach: Any = None) -> None:
        has_data = start != 0
        start = start.astype(np.int64)
        bounded = np.minimum(np.asarray(size, np.uint64), np.uint64(_MOST))
        sizes = np.broadcast_to(bounded.astype(np.int64), start.shape)
        reaches = sizes if reach is None else reach
        if len(index):
            parts.append((index[has_data], start[has_data], sizes[has_data], reaches[has_data]))

    pages = inspected.table(PageData)
    offset = pages[PageData.file_offset]
    is_large = (pages[PageData.flags] & np.uint32(PageDataFlags.IS_2MB_PAGE)) != 0
    reach = np.where(
        is_large & (offset.astype(np.int64) + PAGE_SIZE_2M <= inspected.file_size),
        PAGE_SIZE_2M,
        inspected.page_size,
    )
    add(pages.index, offset, inspected.page_size, reach)
    areas = inspected.table(ParameterArea)
    add(areas.index, areas[ParameterArea.file_offset], areas[ParameterArea.number_of_bytes])
    for record in (CorimDocument, CorimSignature):
        table = inspected.table(record)
        add(table.index, table.column("file_offset"), table.column("size_bytes"))
    contexts = inspected.contexts
    add(contexts.index, contexts.offset, contexts.size)
    if not parts:
        none = np.empty(0, np.int64)
        return DataExtents(index=none.astype(np.intp), start=none, size=none, reach=none)
    index, start, size, reaches = (np.concatenate(column) for column in zip(*parts, strict=True))
    return DataExtents(index=index, start=start, size=size, reach=reaches)
