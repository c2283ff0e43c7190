"""Runs of PAGE_DATA headers, made from one buffer or from columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.errors import ValidationError
from igvm.file.header_extents import page_bytes
from igvm.spec.directive import PageData
from igvm.spec.enums import HeaderType
from igvm.spec.registry import TYPE_OF
from igvm.write.deduplication import References
from igvm.write.pending_headers import (
    PendingColumns,
    PendingHeader,
    column,
    flat,
    header_dtype,
    offset_field,
    raw_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

_FEW = 8
"""Up to so many headers it is faster to make them one by one."""
_BATCH = 1 << 20
"""Bytes that are looked at in one go."""


def page_run(
    first: PageData, data: memoryview, step: int, *, elide_zero: bool
) -> Iterator[PendingHeader | PendingColumns]:
    """Headers like `first` for `data`, `step` bytes each; the last page is padded with zeroes.

    Raises:
        FormatError: a value of `first` does not fit its field.
        ValidationError: the pages end past the 64 bit address space.
    """
    import numpy as np

    whole, rest = divmod(len(data), step)
    count = whole + (rest > 0)
    within_memory(first.gpa, count, step)
    if whole > _FEW:
        first.pack()  # names a value that does not fit
        rows = _rows(whole)
        rows["gpa"] = np.arange(whole, dtype=np.uint64) * np.uint64(step) + np.uint64(first.gpa)
        rows["compatibility_mask"] = first.compatibility_mask
        rows["flags"] = first.flags
        rows["data_type"] = first.data_type
        kept = _not_zero(data, whole, step) if elide_zero else np.arange(whole)
        yield _many(rows, kept, data, kept, step)
        done = whole
    else:
        done = 0
    at = offset_field(PageData)
    for page in range(done, count):
        blob: memoryview | None = data[page * step : (page + 1) * step] if count > 1 else data
        if elide_zero and not np.frombuffer(data[page * step : (page + 1) * step], np.uint8).any():
            blob = None
        elif page == whole:
            blob = memoryview(bytes(data[page * step :]) + bytes(step - rest))
        record = first.replace(gpa=first.gpa + page * step) if page else first
        yield PendingHeader(raw_header(HeaderType.PAGE_DATA, record.pack()), at, blob)


def page_columns(
    gpa: Any,
    data: NDArray[np.uint8] | None,
    source: Any,
    *,
    page_size: int,
    **columns: Any,
) -> PendingColumns:
    """Headers from columns; see `Builder.page_columns`."""
    import numpy as np

    gpas = column(gpa, 64, None, "PAGE_DATA", "gpa")
    if gpas.ndim != 1:
        raise _wrong("gpa must be one-dimensional")
    rows = _rows(len(gpas))
    rows["gpa"] = gpas
    for name, value in columns.items():
        bits = rows.dtype[name].itemsize * 8
        rows[name] = column(value, bits, len(rows), "PAGE_DATA", name)
    if data is None:
        if source is not None:
            raise _wrong("source names rows of data, and there is none")
        none = np.empty(0, np.int64)
        return _many(rows, none, memoryview(b""), none, page_size)

    sizes = page_bytes(rows["flags"], page_size)
    step = int(sizes.min()) if len(rows) else page_size
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != step:
        raise _wrong(
            f"data must be bytes of shape (rows, {step}) and is {data.dtype} {data.shape}"
            + (
                ", and pages of 2 MiB need a call of their own"
                if (sizes != page_size).any()
                else ""
            )
        )
    if source is None:
        if len(data) != len(rows):
            raise _wrong(f"there are {len(rows)} headers and {len(data)} rows of data")
        index = np.arange(len(rows))
    else:
        index = np.asarray(source)
        if index.shape != rows.shape or (index.dtype.kind not in "iu" and len(index)):
            raise _wrong(f"source must be {len(rows)} integers and is {index.dtype} {index.shape}")
        index = index.astype(np.int64)
        if len(index) and not (index.min() >= -1 and index.max() < len(data)):
            raise _wrong(f"source names a row that is not among the {len(data)} of data")
    kept = np.flatnonzero(index >= 0)
    return _many(rows, kept, flat(np.ascontiguousarray(data), "PAGE_DATA"), index[kept], step)


def within_memory(gpa: int, count: int, step: int) -> None:
    """Refuse pages that end past the 64 bit address space."""
    if gpa + count * step > 1 << 64:
        message = f"{count} pages of {step:#x} bytes from {gpa:#x} end past 2^64"
        raise ValidationError(message, header="PAGE_DATA", field="gpa")


def _wrong(message: str) -> ValidationError:
    return ValidationError(message, header="PAGE_DATA")


def _rows(count: int) -> NDArray[np.void]:
    """Headers without values."""
    import numpy as np

    rows = np.zeros(count, header_dtype(PageData))
    rows["type"] = TYPE_OF[PageData]
    rows["length"] = PageData.SIZE
    return rows


def _many(
    rows: NDArray[np.void],
    kept: NDArray[Any],
    data: memoryview,
    source: NDArray[Any],
    step: int,
) -> PendingColumns:
    """`rows`, of which those `kept` refer to the pages `source` of `data`."""
    import numpy as np

    at = kept.astype(np.int64) * rows.dtype.itemsize + offset_field(PageData)
    which = np.zeros(len(kept), np.int64)
    refs = References([data], at, which, source.astype(np.int64) * step, np.full_like(at, step))
    return PendingColumns(rows.view(np.uint8), refs)


def _not_zero(data: memoryview, count: int, step: int) -> NDArray[Any]:
    """Which of the first `count` pages hold anything."""
    import numpy as np

    pages = np.frombuffer(data[: count * step], np.uint8).reshape(count, step)
    words = pages.view("<u8") if step % 8 == 0 else pages
    batch = max(1, _BATCH // step)
    batches = [words[i : i + batch].any(axis=1) for i in range(0, count, batch)]
    return np.flatnonzero(np.concatenate(batches))
