"""Records of one type wherever they lie in a file, by field, and the bytes that must be zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.wire.record import Record

_BATCH = 256
"""Pieces of the file that are looked at in one go: a megabyte of pages."""


class RecordPlaces:
    """The records of one type at n byte offsets of a file; very many may share an offset.

    Attributes:
        record: the type.
        offsets: where each begins, shape (n,), int64; each lies in the file.
    """

    def __init__(self, buffer: memoryview, record: type[Record], offsets: NDArray[Any]) -> None:
        self.record = record
        self.offsets = offsets
        self._buffer = buffer
        self._places = every_place(buffer, record)

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, field: str) -> NDArray[Any]:
        """The column `field`, shape (n,); structured for a field that is a record."""
        column: NDArray[Any] = self._places[field][self.offsets]
        return column

    def first_stray(self, forbidden: bytes) -> NDArray[np.intp]:
        """For each record its first byte with a bit where `forbidden` has one; -1 without any.

        Args:
            forbidden: ones where a record must have zeroes; as long as what is looked at.

        Returns:
            Positions in the records, shape (n,), intp.
        """
        import numpy as np

        distinct, back = np.unique(self.offsets, return_inverse=True)
        first = np.full(len(distinct), -1, np.intp)
        bits = np.frombuffer(forbidden, np.uint8)
        octets = np.frombuffer(self._buffer, np.uint8)
        count = max(0, len(octets) - len(bits) + 1)
        pieces = np.ndarray((count, len(bits)), np.uint8, octets if count else None, 0, (1, 1))
        for start in range(0, len(distinct), _BATCH):
            is_stray = (pieces[distinct[start : start + _BATCH]] & bits) != 0
            dirty = np.flatnonzero(is_stray.any(axis=1))
            first[start + dirty] = is_stray[dirty].argmax(axis=1)
        return first[back]


def every_place(buffer: memoryview, record: type[Record]) -> NDArray[np.void]:
    """Every place of `buffer` that `record` fits, by byte offset; nothing is copied.

    Returns:
        Shape (len(buffer) - record.SIZE + 1,), the record's dtype; element i starts at byte i.
    """
    import numpy as np

    count = max(0, len(buffer) - record.SIZE + 1)
    if count == 0:
        return np.empty(0, record.dtype())
    return np.ndarray((count,), record.dtype(), buffer, 0, (1,))
