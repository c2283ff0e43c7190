"""What a Builder holds until it writes: headers one by one or in columns, and their data."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.errors import ValidationError
from igvm.file.context import VBSContext
from igvm.file.header_extents import page_bytes
from igvm.spec.directive import VPContext
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, PlatformType
from igvm.spec.isolation import ISOLATIONS
from igvm.spec.registry import HEADERS, HeaderRecord, type_of
from igvm.wire.record import Record
from igvm.write.deduplication import References
from igvm.write.writer import fit

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.context import Context
    from igvm.spec.registry import Size

    Data = bytes | bytearray | memoryview | mmap.mmap | NDArray[Any]
    """File data: anything that is one contiguous buffer. It is not copied until it is written."""


class PendingHeader(NamedTuple):
    """A header, and its data if it has any."""

    raw: bytes
    """Type, length, body and padding."""
    offset_field: int = 0
    """Where in `raw` the field for the place of the data is."""
    data: memoryview | None = None
    """The data as it is to be stored."""


class PendingColumns(NamedTuple):
    """Headers in a row, and the data they refer to."""

    raw: NDArray[np.uint8]
    """The headers, prefixes and padding included, shape (bytes,)."""
    references: References


def raw_header(raw_type: int, body: bytes) -> bytes:
    """A variable header with its prefix and padding."""
    prefix = raw_type.to_bytes(4, "little") + len(body).to_bytes(4, "little")
    return b"".join((prefix, body, bytes(-len(body) & 7)))


def header_dtype(record: type[Record]) -> np.dtype[np.void]:
    """The dtype of a whole header: the prefix, the fields of `record`, the padding."""
    import numpy as np

    inner = record.dtype()
    names = [item.name for item in record.FIELDS]
    formats: list[Any] = ["<u4", "<u4", *(inner[name] for name in names)]
    return np.dtype(
        {
            "names": ["type", "length", *names],
            "formats": formats,
            "offsets": [0, 4, *(8 + item.offset for item in record.FIELDS)],
            "itemsize": 8 + -(-record.SIZE // 8) * 8,
        }
    )


@functools.cache
def offset_field(record: type[Record]) -> int:
    """Where in a whole header of `record` the field for its data's place is; 0 without data."""
    spec = next((spec for spec in HEADERS.values() if spec.record is record), None)
    if spec is None or spec.data is None:
        return 0
    return 8 + next(item.offset for item in record.FIELDS if item.name == spec.data.offset)


def flat(data: Data, header: str) -> memoryview:
    """`data` as a flat view of bytes, without a copy.

    Raises:
        ValidationError: it is not one contiguous buffer.
    """
    try:
        view = memoryview(data)  # type: ignore[arg-type]  # NDArray
    except TypeError:
        message = f"{type(data).__name__} is not a buffer of bytes"
        raise ValidationError(message, header=header) from None
    if not view.c_contiguous:
        raise ValidationError("the data is not contiguous", header=header)
    if view.nbytes == 0:
        return memoryview(b"")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def padded(data: memoryview, size: int, header: str) -> memoryview:
    """`data` with zeroes after it up to `size`; itself where nothing is missing.

    Raises:
        ValidationError: it has more than `size` bytes, or `size` does not fit into a file.
    """
    fit(size, f"the data of {header} would have", "total_file_size")
    if len(data) > size:
        message = f"{len(data):#x} bytes of data are more than the {size:#x} that there is room for"
        raise ValidationError(message, header=header)
    return data if len(data) == size else memoryview(b"".join((data, bytes(size - len(data)))))


def column(value: Any, bits: int, count: int | None, header: str, field: str) -> NDArray[Any]:
    """`value`, one number or one for each of `count` headers, as an unsigned column.

    Raises:
        ValidationError: a number does not fit `bits`, or there are more or fewer than `count`.
    """
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        # Among them a list of small numbers and one above 2^63, which numpy makes floats.
        array = np.asarray(value, object)
        if not all(isinstance(item, (int, np.integer)) for item in array.flat):
            raise ValidationError(f"{field} must be integers", header=header, field=field)
    if array.ndim > 1 or (array.ndim == 1 and count is not None and len(array) != count):
        message = f"{field} has shape {array.shape}, and there are {count} headers"
        raise ValidationError(message, header=header, field=field)
    if array.size and (int(array.min()) < 0 or int(array.max()) >> bits):
        worst = int(array.min()) if int(array.min()) < 0 else int(array.max())
        message = f"{worst} does not fit {bits} unsigned bits"
        raise ValidationError(message, header=header, field=field)
    return array.astype(f"<u{bits // 8}")


def assemble(
    pending: Iterable[PendingHeader | PendingColumns],
) -> tuple[NDArray[np.uint8], References]:
    """The header section that `pending` headers make, and the references of its headers.

    Raises:
        ValidationError: the section has more bytes than the fixed header can say.
    """
    import numpy as np

    raws: list[bytes | memoryview] = []
    buffers: list[memoryview] = []
    columns: list[NDArray[np.int64]] = []
    singles: list[tuple[int, int, int, int]] = []
    position = 0

    def flush() -> None:
        if singles:
            columns.append(np.array(singles, np.int64))
            singles.clear()

    for headers in pending:
        if isinstance(headers, PendingHeader):
            if headers.data is not None:
                field = position + headers.offset_field
                singles.append((field, len(buffers), 0, len(headers.data)))
                buffers.append(headers.data)
            raws.append(headers.raw)
        else:
            flush()
            refs = headers.references
            which = refs.which + len(buffers)
            columns.append(np.stack((refs.at + position, which, refs.start, refs.size), axis=1))
            buffers += refs.buffers
            raws.append(headers.raw.data)
        position += len(headers.raw)
    flush()
    fit(position, "the variable headers have", "variable_header_size")
    section = np.frombuffer(bytearray().join(raws), np.uint8)
    if not columns:
        return section, References.none()
    at, which, start, size = np.concatenate(columns).T
    return section, References(buffers, *map(np.ascontiguousarray, (at, which, start, size)))


def stored(
    record: HeaderRecord,
    data: Data | Context | None,
    page_size: int,
    architecture: Architecture,
    platforms: Mapping[int, PlatformType],
) -> memoryview | None:
    """`data` as it is stored for `record`, padding included; None where there is none to store.

    Args:
        record: the header.
        data: bytes, or the registers of a VP_CONTEXT.
        page_size: bytes of a page of the file.
        architecture: the processor that the file is for.
        platforms: the platform type of each mask.

    Raises:
        ValidationError: there is data where none can be, too much or none where some must be.
    """
    kind = type_of(record)
    spec = HEADERS.get(kind)
    declared = None if spec is None else spec.data
    if declared is None:
        if data is not None:
            raise ValidationError("this header refers to no data", header=kind.name)
        return None
    if getattr(record, declared.offset, 0):
        message = "the writer fills this in; give the data and leave it 0"
        raise ValidationError(message, header=kind.name, field=declared.offset)
    if declared.size.rule == "context":
        assert isinstance(record, VPContext)
        return _registers(record, data, architecture, platforms)
    if isinstance(data, (Record, VBSContext)):
        raise ValidationError("registers are the data of a VP_CONTEXT", header=kind.name)
    blob = memoryview(b"") if data is None else flat(data, kind.name)
    if not len(blob):
        return blob if declared.empty == "stored" else None
    if not declared.is_padded:
        return blob
    return padded(blob, _size(declared.size, record, page_size), kind.name)


def with_size(record: HeaderRecord, blob: memoryview | None) -> HeaderRecord:
    """`record` with its field for the size of its data set, where the data decides it."""
    spec = HEADERS.get(type_of(record))
    if spec is None or spec.data is None or blob is None or spec.data.is_padded:
        return record
    assert isinstance(record, Record)
    return record.replace(**{spec.data.size.field: len(blob)})


def _size(size: Size, record: HeaderRecord, page_size: int) -> int:
    """Bytes of the data of `record`."""
    if size.rule == "page":
        return page_bytes(int(record.flags), page_size)  # type: ignore[union-attr]
    value: int = getattr(record, size.field)
    return value


def _registers(
    record: VPContext,
    data: Data | Context | None,
    architecture: Architecture,
    platforms: Mapping[int, PlatformType],
) -> memoryview:
    """The registers of a VP_CONTEXT: a counted list as it is, everything else on 4 KiB."""
    if data is None:
        raise ValidationError("registers are missing", header="VP_CONTEXT")
    if isinstance(data, VBSContext):
        if data.architecture != architecture:
            message = f"registers of {data.architecture.name} in a file for {architecture.name}"
            raise ValidationError(message, header="VP_CONTEXT")
        return memoryview(data.pack())
    if isinstance(data, Record):
        return padded(memoryview(data.pack()), PAGE_SIZE_4K, "VP_CONTEXT")
    blob = flat(data, "VP_CONTEXT")
    kind = platforms.get(record.compatibility_mask)
    isolation = None if kind is None else ISOLATIONS.get(kind)
    if isolation is not None and isolation.context is not None and isolation.context.element:
        return blob
    return padded(blob, PAGE_SIZE_4K, "VP_CONTEXT")
