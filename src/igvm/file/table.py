"""Columns: every header of one type as arrays over the mapped bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from igvm.errors import MissingAttributeError, ToolError, ValidationError, nearest
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.wire.record import Wire

R = TypeVar("R", bound=Record)
D = TypeVar("D", bound="np.generic")

_ARROW = (("pyarrow", "table"), ("polars", "DataFrame"))
"""Libraries that make an Arrow stream of a dictionary of columns, and what does it there."""


class Table(Generic[R]):
    """The headers of one record class, as columns.

    `table[PageData.gpa]`, or `table["gpa"]`, is a numpy array with one value a header, in file
    order: a strided view of the file where the headers are evenly spaced, a copy of that column
    elsewhere; read-only in any case. An `octets` field gives a two-dimensional array of bytes, a
    nested record a structured array. `len(table)` counts the headers, and iterating gives their
    records one by one. pyarrow, polars and pandas take a table as it is
    (`pandas.DataFrame.from_arrow(table)`).

    Attributes:
        record: the record class.
        index: position of each header among all headers of the file, shape (n,), intp.
    """

    def __init__(
        self,
        record: type[R],
        section: memoryview,
        section_offset: int,
        index: NDArray[np.intp],
        offsets: NDArray[np.uint32],
    ) -> None:
        """Columns of the headers at `offsets` of `section`.

        Args:
            record: the structure of each of them.
            section: the bytes of the variable headers.
            section_offset: where they start in the file.
            index: position of each header in the file, shape (n,).
            offsets: where each header starts in the section, in bytes, shape (n,), uint32.
        """
        import numpy as np

        self.record = record
        self.index = index
        self._relative = offsets
        self._section = section
        self._section_offset = section_offset
        slots = max(0, (len(section) - 8 - record.SIZE) // 8 + 1)
        # Every place a record could start: headers begin at multiples of eight, eight bytes before.
        # frombuffer holds on to the mapping while a column lives; ndarray(buffer=section) does not.
        held = np.frombuffer(section, np.uint8)
        held.flags.writeable = False
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

    def __iter__(self) -> Iterator[R]:
        """The records, one by one."""
        unpack = self.record.unpack_from
        for offset in self._relative.tolist():
            yield unpack(self._section, offset + 8)

    def __getitem__(self, field: Wire[Any, D] | str) -> NDArray[D]:
        """The column of `field`.

        Raises:
            ValidationError: the record has no such field; the message names the nearest.
        """
        name = field if isinstance(field, str) else getattr(field, "__name__", None)
        if not isinstance(name, str):
            record = self.record.__name__
            raise ValidationError(
                f"a column is called by its field, not {field!r:.40}",
                hint=f"table[igvm.{record}.{self.record.FIELDS[0].name}] is one; "
                "table.rows() has rows, and list(table) records",
            )
        return self.column(name)

    if not TYPE_CHECKING:  # checkers are to see names that there are not

        def __getattr__(self, name: str) -> NoReturn:
            """Say how a column is asked for, where `name` is a field or nearly one.

            Raises:
                MissingAttributeError: always.
            """
            fields = [] if name.startswith("_") else [item.name for item in self.record.FIELDS]
            hint = f"a column is table[{name!r}]" if name in fields else None
            if fields and hint is None:
                hint = nearest(name, [*fields, *(own for own in dir(Table) if own[0] != "_")])
            raise MissingAttributeError(f"a table has no attribute {name!r}", hint=hint)

    def column(self, name: str) -> NDArray[Any]:
        """The column of the field called `name`.

        Raises:
            ValidationError: the record has no such field; the message names the nearest.
        """
        try:
            column: NDArray[Any] = self._slots[name][self._where]
        except ValueError:
            fields = [item.name for item in self.record.FIELDS]
            message = f"{self.record.__name__} has no field {name!r}"
            raise ValidationError(message, hint=nearest(name, fields)) from None
        column.flags.writeable = False
        return column

    @property
    def offset(self) -> NDArray[np.int64]:
        """Byte offset of each header in the file, prefix included, shape (n,)."""
        import numpy as np

        return self._relative.astype(np.int64) + self._section_offset

    def rows(self) -> NDArray[np.void]:
        """The records as one structured array, shape (n,); a copy unless evenly spaced."""
        rows: NDArray[np.void] = self._slots[self._where]
        rows.flags.writeable = False
        return rows

    def to_dict(self) -> dict[str, NDArray[Any] | list[bytes]]:
        """Every column by its name, each with one value a header: what data frames are made of.

        Numbers are arrays of shape (n,), `octets` lists of bytes; the fields of a nested record
        are columns of their own under dotted names, such as `id_public_key.curve`.
        """
        return dict(_flat_columns(self.record, self.rows()))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The table as an Arrow C stream, for every library that takes one.

        Raises:
            ToolError: neither pyarrow nor polars is installed.
        """
        import importlib

        for module, maker in _ARROW:
            try:
                make = getattr(importlib.import_module(module), maker)
            except ImportError:
                continue
            return make(self.to_dict()).__arrow_c_stream__(requested_schema)
        raise ToolError("an Arrow table needs pyarrow or polars", hint="pip install pyarrow")

    def __repr__(self) -> str:
        return f"<Table of {len(self)} {self.record.__name__}>"

    def _repr_html_(self) -> str:
        """What notebooks show."""
        from igvm.file.notebook_tables import table_html

        return table_html(self)


def _flat_columns(
    record: type[Record], rows: NDArray[np.void], prefix: str = ""
) -> Iterator[tuple[str, NDArray[Any] | list[bytes]]]:
    """The columns of `rows`, those of nested records under dotted names."""
    for item in record.FIELDS:
        name, column = prefix + item.name, rows[item.name]
        if item.kind == "record":
            yield from _flat_columns(item.type, column, f"{name}.")
        elif item.kind == "octets":
            yield name, [value.tobytes() for value in column]
        else:
            yield name, column
