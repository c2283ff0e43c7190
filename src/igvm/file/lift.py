"""Headers taken out of a file, to be changed and written anew, with the data they refer to."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from igvm.errors import FormatError, ValidationError
from igvm.file.data import context_format, data_range
from igvm.file.dedup import References
from igvm.file.pieces import Many
from igvm.spec.context import VBSContextHeader
from igvm.spec.directive import PageData, ParameterArea, VPContext
from igvm.spec.enums import OPTIONAL_BIT, PAGE_SIZE_2M, PageDataFlags
from igvm.spec.initialization import CorimDocument, CorimSignature
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.wire.record import Record

_OVERLAP = 4
_OVERLAP_ANYWAY = 64 << 20
"""Data may overlap, so a small file could make any amount of work and memory. It is refused when
what the headers refer to, each place once, is more than four times the file and 64 MiB."""


class Lifted:
    """Some headers of a file in the order of the sections, as bytes that may be changed.

    Attributes:
        file: where they come from.
        index: position of each in that file.
        offset: where each starts in `section`, in bytes.
        types: the type field of each, optional bit included.
        lengths: the length field of each.
        sections: the Section of each, ascending.
        section: the headers with their padding.
        references: their data in the file, in the order of the headers.
        registers: which references are lists of VBS registers.
    """

    def __init__(self, file: IgvmFile, index: NDArray[np.intp] | None = None) -> None:
        """Lift the headers at `index`, or all of them.

        Raises:
            ValidationError: the data of a header is not in the file, or the headers refer to far
                more than the file holds.
        """
        import numpy as np

        chosen = np.arange(len(file.types)) if index is None else index
        chosen = chosen[np.argsort(file.sections[chosen], kind="stable")]
        self.file = file
        self.index: NDArray[np.intp] = chosen
        self.sections = file.sections[chosen]
        self.types = file.walk.types[chosen]
        self.lengths = file.lengths[chosen]
        old = file.walk.offsets[chosen].astype(np.int64) // 8
        words = 1 + (self.lengths.astype(np.int64) + 7) // 8
        ends = np.cumsum(words)
        new = ends - words
        # The last header's padding may be missing.
        whole = np.zeros(-(-len(file.section) // 8) * 8, np.uint8)
        whole[: len(file.section)] = np.frombuffer(file.section, np.uint8)
        take = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(old - new, words)
        self.section: NDArray[np.uint8] = whole.view("<u8")[take].view(np.uint8)
        self.offset: NDArray[np.int64] = new * 8
        self.references, self.registers = self._find_data()

    def rows(self, record: type[Record]) -> NDArray[np.intp]:
        """Which of the headers have the structure `record`."""
        import numpy as np

        mine = (self.types & np.uint32(OPTIONAL_BIT - 1)) == TYPE_OF[record]
        rows: NDArray[np.intp] = np.flatnonzero(mine & (self.lengths == record.SIZE))
        return rows

    def column(self, record: type[Record], name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        """A copy of the field `name` of the headers at `rows`."""
        column: NDArray[Any] = self._slots(record)[name][self.offset[rows] // 8]
        return column

    def change(self, record: type[Record], name: str, rows: NDArray[np.intp], value: Any) -> None:
        """Set the field `name` of the headers at `rows`."""
        self._slots(record)[name][self.offset[rows] // 8] = value

    def by_section(self) -> list[Many]:
        """The headers in three parts, one for each section."""
        import numpy as np

        cuts = np.searchsorted(self.sections, np.arange(4))
        edges = np.append(self.offset, len(self.section))[cuts].tolist()
        refs = self.references
        result = []
        for begin, end in itertools.pairwise(edges):
            mine = (refs.at >= begin) & (refs.at < end)
            rest = (column[mine] for column in refs[2:])
            found = References(refs.buffers, refs.at[mine] - begin, *rest)
            result.append(Many(self.section[begin:end], found))
        return result

    def _slots(self, record: type[Record]) -> NDArray[np.void]:
        """Every place a record could be in: headers begin at multiples of eight."""
        import numpy as np

        count = max(0, (len(self.section) - 8 - record.SIZE) // 8 + 1)
        return np.ndarray((count,), record.dtype(), self.section, 8 if count else 0, (8,))

    # Data.

    def _find_data(self) -> tuple[References, NDArray[np.bool_]]:
        """References to the data of all headers, and which are VBS registers."""
        import numpy as np

        found = [self._pages(), self._areas(), *self._corim(), *self._contexts()]
        at, start, size, registers = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.argsort(at)
        start, size = start[order], size[order]
        # Sorted and not np.unique, whose hash table a file could be made to fill badly.
        both = np.sort(start.astype(np.uint64) | size.astype(np.uint64) << np.uint64(32))
        both = both[np.append(True, both[1:] != both[:-1])[: len(both)]]
        apart = int((both >> np.uint64(32)).sum())
        end = len(self.file.buffer)
        if apart > _OVERLAP * end + _OVERLAP_ANYWAY:
            raise ValidationError(
                f"the headers refer to {apart:#x} bytes of overlapping data in a file of "
                f"{end:#x} bytes",
                path=self.file.path,
            )
        which = np.zeros(len(at), np.int64)
        references = References([self.file.buffer], at[order], which, start, size)
        return references, registers[order]

    def _columns(
        self,
        record: type[Record],
        rows: NDArray[np.intp],
        start: Any,
        size: Any,
        *,
        registers: bool = False,
    ) -> tuple[NDArray[Any], ...]:
        """The references of the headers at `rows`, in a form to be concatenated."""
        import numpy as np

        inside = next(item.offset for item in record.FIELDS if item.name == "file_offset")
        return (
            self.offset[rows] + 8 + inside,
            np.asarray(start, np.int64),
            np.asarray(size, np.int64),
            np.full(len(rows), registers, np.bool_),
        )

    def _require(self, rows: NDArray[np.intp], start: NDArray[Any], size: NDArray[Any]) -> None:
        """Refuse data that is not in the file."""
        import numpy as np

        end = len(self.file.buffer)
        bad = (start < self.file.fixed_header.SIZE) & (size > 0) | (size > end) | (start > end)
        bad |= start + np.minimum(size, end).astype(np.int64) > end
        if bad.any():
            row = int(np.argmax(bad))
            header = self.file.header(int(self.index[rows[row]]))
            raise ValidationError(
                f"{int(size[row]):#x} bytes at {int(start[row]):#x} are not in a file "
                f"of {end:#x} bytes",
                path=self.file.path,
                offset=header.offset,
                header=header.name,
                field="file_offset",
            )

    def _pages(self) -> tuple[NDArray[Any], ...]:
        import numpy as np

        rows = self.rows(PageData)
        start = self.column(PageData, "file_offset", rows).astype(np.int64)
        rows, start = rows[start != 0], start[start != 0]
        large = self.column(PageData, "flags", rows) & np.uint32(PageDataFlags.IS_2MB_PAGE) != 0
        # The reference reads and writes 4 KiB for a page of 2 MiB, so that is all there may be.
        large &= start + PAGE_SIZE_2M <= len(self.file.buffer)
        size = np.where(large, PAGE_SIZE_2M, self.file.page_size)
        self._require(rows, start, size)
        return self._columns(PageData, rows, start, size)

    def _areas(self) -> tuple[NDArray[Any], ...]:
        import numpy as np

        rows = self.rows(ParameterArea)
        start = self.column(ParameterArea, "file_offset", rows).astype(np.int64)
        size = self.column(ParameterArea, "number_of_bytes", rows)
        self.change(ParameterArea, "file_offset", rows[size == 0], 0)
        there = (start != 0) & (size != 0)
        self._require(rows[there], start[there], size[there])
        return self._columns(ParameterArea, rows[there], start[there], size[there])

    def _corim(self) -> Iterator[tuple[NDArray[Any], ...]]:
        import numpy as np

        for record in (CorimDocument, CorimSignature):
            rows = self.rows(record)
            start = self.column(record, "file_offset", rows).astype(np.int64)
            size = self.column(record, "size_bytes", rows).astype(np.int64)
            # No offset means an empty document, whatever its size says.
            size[start == 0] = 0
            self.change(record, "size_bytes", rows, size)
            self._require(rows, start, size)
            yield self._columns(record, rows, start, size)

    def _contexts(self) -> Iterator[tuple[NDArray[Any], ...]]:
        import numpy as np

        split: dict[bool, tuple[list[int], list[tuple[int, int]]]] = {
            False: ([], []),
            True: ([], []),
        }
        for row in self.rows(VPContext).tolist():
            header = self.file.header(int(self.index[row]))
            try:
                registers = context_format(self.file, header) is VBSContextHeader
                place = data_range(self.file, header)
            except FormatError as error:
                raise ValidationError(
                    error.message,
                    path=error.path,
                    offset=error.offset,
                    header=error.header,
                    field=error.field,
                ) from None
            split[registers][0].append(row)
            split[registers][1].append(place)
        for registers, (rows, places) in split.items():
            pairs = np.array(places, np.int64).reshape(-1, 2)
            yield self._columns(
                VPContext, np.array(rows, np.intp), pairs[:, 0], pairs[:, 1], registers=registers
            )
