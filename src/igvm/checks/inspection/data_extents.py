"""The file data that headers refer to, as intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.header_extents import data_columns
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile


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
    """The data that each header of a file refers to, of every type that declares some."""
    import numpy as np

    none = np.empty(0, np.int64)
    parts = []
    contexts = inspected.contexts
    for spec in HEADERS.values():
        if spec.data is None or spec.record is None or spec.header_type not in inspected.kinds:
            continue
        if spec.data.size.rule == "context":
            has_data = contexts.offset != 0
            index, start = contexts.index[has_data], contexts.offset[has_data]
            size = reach = contexts.size[has_data]
        else:
            table = inspected.table(spec.record)
            data = data_columns(inspected.file, spec, table, page_size=inspected.page_size)
            index, start, size = data.index, data.start, data.least
            is_there = (data.size > size) & (start + data.size <= inspected.file_size)
            reach = np.where(is_there, data.size, size) if is_there.any() else size
        parts.append((index, start, size, reach))
    if len(parts) <= 1:  # of which nothing needs to be copied
        index, start, size, reach = parts[0] if parts else (none.astype(np.intp), none, none, none)
        return DataExtents(index=index, start=start, size=size, reach=reach)
    index, start, size, reach = (np.concatenate(column) for column in zip(*parts, strict=True))
    return DataExtents(index=index, start=start, size=size, reach=reach)
