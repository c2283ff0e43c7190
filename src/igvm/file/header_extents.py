"""Where the data and the guest memory of headers are, as `spec` declares it for their types.

Data of one header at a time (`data_range`) or in whole columns (`data_columns`), memory in columns
(`memory_columns`). Nothing else in the project computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import msgspec

from igvm.errors import FormatError
from igvm.file.context_columns import context_columns, context_formats
from igvm.spec.directive import ParameterArea
from igvm.spec.enums import PAGE_SIZE_2M, PAGE_SIZE_4K, PageDataFlags
from igvm.spec.isolation import CONTEXT_FORMATS
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.header import Header
    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.spec.isolation import ContextFormat
    from igvm.spec.registry import HeaderSpec, Size

LARGEST = 1 << 40
"""More bytes than a file can have, whose size is a u32: sizes of data are cut there."""


class DataColumns(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The file data of the headers of one type that refer to some; arrays of shape (n,)."""

    index: NDArray[np.intp]
    """Position of each header in the file."""
    start: NDArray[np.int64]
    """Where the data starts in the file."""
    size: NDArray[np.int64]
    """Bytes of it, as the specification has them; at most LARGEST."""
    least: NDArray[np.int64]
    """Bytes that every reader takes: one page of the file's size for a page of 2 MiB."""


class MemoryColumns(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The guest memory of the headers of one type; arrays of shape (n,)."""

    index: NDArray[np.intp]
    """Position of each header in the file."""
    start: NDArray[np.uint64]
    """The first address."""
    size: NDArray[np.uint64]
    """Bytes; 0 for a parameter area that is not declared."""


@overload
def page_bytes(flags: int, page_size: int) -> int: ...
@overload
def page_bytes(flags: NDArray[Any], page_size: int) -> NDArray[np.int64]: ...
def page_bytes(flags: Any, page_size: int) -> Any:
    """Bytes of a page with `flags`, one number or a column: 2 MiB with IS_2MB_PAGE."""
    if isinstance(flags, int):
        return PAGE_SIZE_2M if flags & PageDataFlags.IS_2MB_PAGE else page_size
    import numpy as np

    is_large = flags & np.uint32(PageDataFlags.IS_2MB_PAGE) != 0
    if not is_large.any():
        return np.broadcast_to(np.int64(page_size), is_large.shape)
    return np.where(is_large, np.int64(PAGE_SIZE_2M), np.int64(page_size))


# One header.


def context_format(file: IgvmFile, header: Header[Any]) -> ContextFormat:
    """The format of the registers of the VP_CONTEXT `header`, by the platforms of its mask.

    Raises:
        FormatError: the mask names no platform, one without contexts, or two that differ.
    """
    import numpy as np

    mask = header.record.compatibility_mask
    formats, _ = context_formats(file, np.array([mask], np.uint32))
    number = int(formats[0])
    if number >= 0:
        return CONTEXT_FORMATS[number]
    kinds = [kind for kind, bits in file.platform_masks.items() if bits & mask]
    names = " and ".join(kind.name for kind in kinds) or "no platform"
    raise FormatError(
        f"mask {mask:#x} names {names}, which does not say how the registers are stored",
        path=file.path,
        offset=header.offset + 16,
        header=header.name,
        field="compatibility_mask",
    )


def data_range(file: IgvmFile, header: Header[Any]) -> tuple[int, int]:
    """Offset and size of the file data that `header` refers to; size 0 where it refers to none.

    Raises:
        FormatError: the range is not inside the file, or cannot be known.
    """
    spec = _spec_of(header)
    if spec is None or spec.data is None:
        return 0, 0
    if spec.data.empty == "refused":
        context_format(file, header)  # says why where it cannot be known
    offset: int = getattr(header.record, spec.data.offset)
    if offset == 0 and spec.data.empty != "refused":
        return 0, 0
    size = _size(file, header, spec.data.size)
    _require(file, header, offset, size)
    return offset, size


def _spec_of(header: Header[Any]) -> HeaderSpec | None:
    """The declaration of a header, if its body is the structure of its type."""
    spec = HEADERS.get(header.header_type)
    return spec if spec is not None and isinstance(header.record, spec.record or ()) else None


def _size(file: IgvmFile, header: Header[Any], size: Size) -> int:
    """Bytes that a size rule gives for one header."""
    record = header.record
    if size.rule == "field":
        value: int = getattr(record, size.field)
        return value
    if size.rule == "page":
        return page_bytes(int(record.flags), file.page_size)
    if size.rule == "area":
        import numpy as np

        number = np.array([record.parameter_area_index], np.uint32)
        return int(area_sizes(file, number)[0])
    context = context_format(file, header)
    if context.element is None:
        return PAGE_SIZE_4K
    offset = record.file_offset
    _require(file, header, offset, context.record.SIZE)
    counted = context.record.unpack_from(file.buffer, offset)
    count: int = getattr(counted, counted.FIELDS[0].name)
    return context.record.SIZE + count * context.element.SIZE


def _require(file: IgvmFile, header: Header[Any], offset: int, size: int) -> None:
    """Refuse a range that is not in the file data."""
    if offset + size > len(file.buffer) or offset < file.fixed_header.SIZE:
        raise FormatError(
            f"{size:#x} bytes at {offset:#x} are not in a file of {len(file.buffer):#x} bytes",
            path=file.path,
            offset=header.offset,
            header=header.name,
            field="file_offset",
        )


# Columns.


def data_columns(
    file: IgvmFile,
    spec: HeaderSpec,
    table: Table[Any] | None = None,
    *,
    page_size: int | None = None,
) -> DataColumns:
    """The file data of the headers of type `spec`, whether it is in the file or not.

    Headers that refer to none are left out: an offset of zero is none, of a VP_CONTEXT too.

    Args:
        file: an open file.
        spec: the type; it must declare data.
        table: the headers, where the caller has them as columns.
        page_size: bytes of a page, where not as the file says.
    """
    import numpy as np

    page_size = file.page_size if page_size is None else page_size

    if spec.record is None or spec.data is None:
        raise TypeError(spec.name)
    table = file.table(spec.record) if table is None else table
    start = table.column(spec.data.offset)
    rows: Any = np.flatnonzero(start)
    if len(rows) == len(start):
        rows = slice(None)  # of which nothing needs to be copied
    index, start = table.index[rows], start[rows].astype(np.int64)
    rule = spec.data.size.rule
    if rule == "field":
        sizes = table.column(spec.data.size.field)[rows].astype(np.uint64)
        size = np.minimum(sizes, np.uint64(LARGEST)).astype(np.int64)
        return DataColumns(index=index, start=start, size=size, least=size)
    if rule == "page":
        size = page_bytes(table.column("flags")[rows], page_size)
        least = np.broadcast_to(np.int64(page_size), len(index))
        return DataColumns(index=index, start=start, size=size, least=least)
    size = context_columns(file).size[np.searchsorted(file.table(spec.record).index, index)]
    return DataColumns(index=index, start=start, size=size, least=size)


def memory_columns(
    file: IgvmFile,
    spec: HeaderSpec,
    table: Table[Any] | None = None,
    *,
    page_size: int | None = None,
) -> MemoryColumns:
    """The guest memory of the headers of type `spec`, wherever it is.

    Args:
        file: an open file.
        spec: the type; it must declare memory.
        table: the headers, where the caller has them as columns.
        page_size: bytes of a page, where not as the file says.
    """
    import numpy as np

    page_size = file.page_size if page_size is None else page_size

    if spec.record is None or spec.memory is None:
        raise TypeError(spec.name)
    table = file.table(spec.record) if table is None else table
    index, start = table.index, table.column(spec.memory.address).astype(np.uint64)
    rule = spec.memory.size.rule
    if rule == "field":
        size = table.column(spec.memory.size.field).astype(np.uint64)
    elif rule == "page":
        size = page_bytes(table.column("flags"), page_size).view(np.uint64)
    elif rule == "area":
        size = area_sizes(file, table.column("parameter_area_index"))
    else:
        formats, _ = context_formats(file, table.column("compatibility_mask"))
        in_memory = np.array([*(context.in_memory for context in CONTEXT_FORMATS), False])
        rows = np.flatnonzero(in_memory[formats])
        index, start = index[rows], start[rows]
        size = np.full(len(rows), PAGE_SIZE_4K, np.uint64)
    return MemoryColumns(index=index, start=start, size=size)


def area_sizes(file: IgvmFile, numbers: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Bytes of the parameter areas called `numbers`, by their first declaration; 0 without one."""
    import numpy as np

    areas = file.table(ParameterArea)
    if not len(areas):
        return np.zeros(len(numbers), np.uint64)
    declared, first = np.unique(areas[ParameterArea.parameter_area_index], return_index=True)
    at = np.minimum(np.searchsorted(declared, numbers), len(declared) - 1)
    sizes = areas[ParameterArea.number_of_bytes][first[at]].astype(np.uint64)
    return np.where(declared[at] == numbers, sizes, np.uint64(0))
