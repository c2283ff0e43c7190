"""Fields of records: where they are, what they hold, and which values of a column are not zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.wire.record import Record


def field_offset(record: type[Record], path: str) -> int:
    """Byte offset in `record` of the field `path`; dots go into nested records."""
    offset = 0
    owner: Any = record
    for name in path.split("."):
        field = next(field for field in owner.FIELDS if field.name == name)
        offset, owner = offset + field.offset, field.type
    return offset


def field_at(record: type[Record], offset: int) -> str | None:
    """Name of the field of `record` that holds the byte at `offset`; None past its end."""
    for field in record.FIELDS:
        if field.offset <= offset < field.offset + field.size:
            return field.name
    return None


def field_value(record: Any, path: str) -> int | str:
    """The value of the field `path`: a number, or its bytes in hex."""
    value = record
    for name in path.split("."):
        value = getattr(value, name)
    if isinstance(value, int):
        return int(value)
    return bytes(value if isinstance(value, bytes) else value.pack()).hex()


def not_zero(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of `column` have a byte that is not zero.

    Args:
        column: bytes, shape (n, size), uint8; or nested records, shape (n,), structured.

    Returns:
        Shape (n,), bool.
    """
    import numpy as np

    octets = column if column.dtype == np.uint8 else np.ascontiguousarray(column).view(np.uint8)
    dirty: NDArray[np.bool_] = np.any(octets.reshape(len(column), -1 if len(column) else 1), axis=1)
    return dirty
