"""What the checks of single headers look at: rows of one type, and the file around them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from igvm.checks.inspection.record_fields import field_offset
from igvm.checks.reference.rejection import Rejection
from igvm.checks.reference.release_types import RELEASES, TYPE_OF_RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.wire.record import Wire

    Bools = NDArray[np.bool_]

D = TypeVar("D", bound="np.generic")


class CrateFile:
    """A file whose fixed header is sound, as one release of the crate reads it.

    Attributes:
        file: the file.
        release: the release, `0.4` or `0.5`.
        data_start: where the file data starts.
        data_size: bytes of the file data.
        platforms: the platform type of each mask that a platform header has; the last one wins.
    """

    def __init__(self, file: IgvmFile, release: str, platforms: Mapping[int, int]) -> None:
        self.file = file
        self.release = release
        self.data_start = file.section_offset + len(file.section)
        self.data_size = len(file.buffer) - self.data_start
        self.platforms = platforms

    @functools.cached_property
    def octets(self) -> NDArray[np.uint8]:
        """The file data, shape (data_size,), uint8."""
        import numpy as np

        return np.frombuffer(self.file.buffer, np.uint8, self.data_size, self.data_start)


class HeaderRows:
    """Some headers of one type, as columns; n of them."""

    def __init__(self, table: Table[Any], crate_file: CrateFile) -> None:
        self.table = table
        self.crate_file = crate_file

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, field: Wire[Any, D]) -> NDArray[D]:
        """The column of `field`, shape (n,) or (n, size)."""
        return self.table[field]

    @functools.cached_property
    def start(self) -> NDArray[np.uint32]:
        """Where each header's data starts in the file data, shape (n,), uint32.

        It is a difference that wraps at 32 bits.
        """
        import numpy as np

        offsets: NDArray[np.uint32] = self.table[self.table.record.file_offset]
        return offsets - np.uint32(self.crate_file.data_start)

    def outside(self, size: int) -> Bools:
        """Where `size` bytes from `start` on do not lie in the file data, shape (n,), bool."""
        import numpy as np

        if size > self.crate_file.data_size:
            return np.ones(len(self), bool)
        return self.start > np.uint32(self.crate_file.data_size - size)

    def outside_by(self, size: Wire[Any, Any]) -> Bools:
        """Where as many bytes from `start` on as the field `size` says do not lie in the data.

        Returns:
            Shape (n,), bool.
        """
        import numpy as np

        start = self.start.astype(np.uint64)
        data_size = np.uint64(self.crate_file.data_size)
        sizes = self.table[size].astype(np.uint64, copy=False)
        # Where the start is past the end the difference wraps, and is not needed.
        return (start > data_size) | (sizes > data_size - start)


class HeaderCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the crate wants of a header on its own."""

    rule: str
    field: str
    """The field to blame."""
    breaks: Callable[[Any], Bools]
    """From rows to where they break the rule; later checks of a row do not count."""
    description: str = "{field} is {value:#x}"
    """What was found, with {field} and {value}."""
    words: str = ""
    """The rule, where its own words do not fit this field."""
    releases: tuple[str, ...] = RELEASES
    value: Callable[[Any], int] | None = None
    """From a single row to the value that is not taken, where it is not the field's."""


def field_place(table: Table[Any], row: int, field: str) -> tuple[int, str, int]:
    """Index and type name of the header at `row`, and where `field` of it is in the file."""
    header_offset = int(table.offset[row : row + 1][0])
    offset = header_offset + 8 + field_offset(table.record, field)
    return int(table.index[row]), TYPE_OF_RECORD[table.record].name, offset


def rejection_at(rows: HeaderRows, row: int, check: HeaderCheck) -> Rejection:
    """The rejection that `check` makes of the header at `row`, the only one if it has a value."""
    table = rows.table
    index, name, offset = field_place(table, row, check.field)
    value: int | str
    if check.value is not None:
        value = check.value(rows)
    else:
        raw = table[getattr(table.record, check.field)][row]
        value = raw.tobytes().hex() if raw.ndim else int(raw)
    return Rejection(
        rule=check.rule,
        description=check.description.format(field=check.field, value=value),
        header=name,
        field=check.field,
        index=index,
        offset=offset,
        value=value,
        words=check.words,
    )
