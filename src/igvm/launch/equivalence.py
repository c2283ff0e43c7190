"""`igvm.equivalent`: whether two files ask for the same launches, however they are laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.file.argument_kinds import require_file
from igvm.file.header_extents import data_columns
from igvm.launch.directives import directives
from igvm.spec.enums import HeaderType
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.platforms import Platform
    from igvm.file.view import IgvmFile
    from igvm.spec.registry import HeaderSpec

_LAYOUT = ("compatibility_mask", "file_offset")
"""Fields that may differ: they say how a file is laid out, and not what it asks for."""


def equivalent(first: IgvmFile, second: IgvmFile) -> bool:
    """Whether `first` and `second` ask for the same launch of the same platforms.

    Compared are, for each platform, all headers that apply to it in their order, field by field,
    and the data that they refer to. What may differ is the order of platforms, which mask stands
    for which, the order of headers that no platform has both of, where data lies in the file and
    whether it is shared, and headers that are for no platform. A page without data is not a page
    of zeroes: loaders and measurements tell them apart.

    Args:
        first: an open file.
        second: another, or the same.

    Raises:
        FormatError: a header refers to data that is not in its file.
    """
    require_file(first)
    require_file(second)
    if first.fixed_header.SIZE != second.fixed_header.SIZE:
        return False
    if (first.page_size, first.architecture) != (second.page_size, second.architecture):
        return False
    ours = {platform.type: platform for platform in first.platforms}
    theirs = {platform.type: platform for platform in second.platforms}
    return ours.keys() == theirs.keys() and all(
        _same_platform(first, platform, second, theirs[kind]) for kind, platform in ours.items()
    )


def _same_platform(first: IgvmFile, platform: Platform, second: IgvmFile, other: Platform) -> bool:
    """Whether both files ask for the same launch of one platform."""
    import numpy as np

    names = ("version", "highest_vtl", "shared_gpa_boundary")
    if any(getattr(platform, name) != getattr(other, name) for name in names):
        return False
    our_headers = directives(first, platform.type, platform.mask).rows["header"]
    their_headers = directives(second, other.type, other.mask).rows["header"]
    types = first.types[our_headers]
    if len(our_headers) != len(their_headers) or (types != second.types[their_headers]).any():
        return False
    for number in np.unique(types).tolist():
        spec = HEADERS.get(HeaderType(number))
        where = types == number
        sides = ((first, our_headers[where]), (second, their_headers[where]))
        same = _same_raw(sides) if spec is None or spec.record is None else _same(spec, sides)
        if not same:
            return False
    return True


def _same_raw(sides: Any) -> bool:
    """Whether headers without a structure have the same bytes."""
    texts = [[bytes(file.header(index).raw) for index in at.tolist()] for file, at in sides]
    same: bool = texts[0] == texts[1]
    return same


def _same(spec: HeaderSpec, sides: Any) -> bool:
    """Whether headers of one type have the same fields and the same data."""
    import numpy as np

    assert spec.record is not None
    rows: list[NDArray[np.void]] = []
    extents: list[tuple[IgvmFile, NDArray[np.int64], NDArray[np.int64]]] = []
    has_data: list[NDArray[np.bool_]] = []
    for file, index in sides:
        table = file.table(spec.record)
        at = np.searchsorted(table.index, index)
        rows.append(table.rows()[at])
        if spec.data is not None:
            data = data_columns(file, spec, table)
            wanted = np.isin(data.index, index)
            extents.append((file, data.start[wanted], data.size[wanted]))
            has_data.append(np.isin(index, data.index))
    if has_data and (has_data[0] != has_data[1]).any():
        return False
    for item in spec.record.FIELDS:
        if item.name not in _LAYOUT and (rows[0][item.name] != rows[1][item.name]).any():
            return False
    return not extents or _same_data(*extents)


def _same_data(
    first: tuple[IgvmFile, NDArray[np.int64], NDArray[np.int64]],
    second: tuple[IgvmFile, NDArray[np.int64], NDArray[np.int64]],
) -> bool:
    """Whether as many headers refer to the same bytes."""
    (file, start, size), (other, begin, count) = first, second
    if (size != count).any():
        return False
    pieces = {
        (our_start, their_start, length)
        for our_start, their_start, length in zip(
            start.tolist(), begin.tolist(), size.tolist(), strict=True
        )
        if not (file is other and our_start == their_start)
    }
    return all(
        file.buffer[our_start : our_start + length]
        == other.buffer[their_start : their_start + length]
        for our_start, their_start, length in pieces
    )
