"""Columns: every header of one type as arrays over the mapped bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from igvm.wire.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.wire.record import Wire

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound="np.generic")


class Table(Generic[R]):
    """The headers of one record class, as columns.

    `table[PageData.gpa]` is a numpy array with one value a header, in file order: a strided view
    of the file where the headers are evenly spaced, a copy of that column elsewhere. An `octets`
    field gives a two-dimensional array of bytes, a nested record a structured array.

    Attributes:
        record: the record class.
        index: position of each header among all headers of the file.
        offset: byte offset of each header in the file, prefix included.
    """

    def __init__(
        self,
        record: type[R],
        section: memoryview,
        section_offset: int,
        index: NDArray[np.intp],
        offsets: NDArray[np.uint32],
    ) -> None:
        import numpy as np

        self.record = record
        self.index = index
        self._relative = offsets
        self._section_offset = section_offset
        slots = max(0, (len(section) - 8 - record.SIZE) // 8 + 1)
        # Every place a record could start: headers begin at multiples of eight, eight bytes before.
        # frombuffer holds on to the mapping while a column lives; ndarray(buffer=section) does not.
        held = np.frombuffer(section, np.uint8)
        self._slots = np.ndarray((slots,), record.dtype(), held, 8 if slots else 0, (8,))
        self._where: Any = None
        if len(offsets) > 1:
            step = int(offsets[1]) - int(offsets[0])
            if step > 0 and bool((offsets[1:] - offsets[:-1] == step).all()):
                first = int(offsets[0]) // 8
                self._where = slice(first, first + (len(offsets) - 1) * (step // 8) + 1, step // 8)
        if self._where is None:
            self._where = offsets // 8

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, field: Wire[Any, D]) -> NDArray[D]:
        """The column of `field`."""
        return self.column(field.__name__)

    def column(self, name: str) -> NDArray[Any]:
        """The column of the field called `name`."""
        column: NDArray[Any] = self._slots[name][self._where]
        return column

    @property
    def offset(self) -> NDArray[np.int64]:
        """Byte offset of each header in the file."""
        import numpy as np

        return self._relative.astype(np.int64) + self._section_offset

    def rows(self) -> NDArray[np.void]:
        """The records as one structured array; a copy unless the headers are evenly spaced."""
        rows: NDArray[np.void] = self._slots[self._where]
        return rows

    def __repr__(self) -> str:
        return f"<Table of {len(self)} {self.record.__name__}>"
