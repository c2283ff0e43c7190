"""Headers taken out of a file, to be changed and written anew, with the data they refer to."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from igvm.errors import FormatError, ValidationError
from igvm.file.context_columns import context_columns
from igvm.file.header_extents import context_format, data_columns
from igvm.spec.enums import OPTIONAL_BIT, PAST_TYPES
from igvm.spec.isolation import CONTEXT_FORMATS
from igvm.spec.registry import HEADERS, TYPE_OF
from igvm.write.deduplication import References
from igvm.write.pending_headers import PendingColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.spec.registry import HeaderSpec
    from igvm.wire.record import Record

_OVERLAP = 4
_OVERLAP_ANYWAY = 64 << 20
"""Data may overlap, so a small file could make any amount of work and memory. It is refused when
what the headers refer to, each place once, is more than four times the file and 64 MiB."""


class EditableHeaders:
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
        counted: which references are to registers that are counted, as VBS has them, shape (n,).
    """

    def __init__(self, file: IgvmFile, index: NDArray[np.intp] | None = None) -> None:
        """Take the headers at `index`, or all of them.

        Raises:
            ValidationError: the data of a header is not in the file, the headers refer to far
                more than the file holds, or one of unknown type may refer to data.
        """
        import numpy as np

        self.file = file
        sections = file.sections
        if index is None and bool((sections[1:] >= sections[:-1]).all()):
            self._take_all()
            self.references, self.counted = self._find_data()
            return
        chosen = np.arange(len(file.types)) if index is None else index
        chosen = chosen[np.argsort(file.sections[chosen], kind="stable")]
        self.index: NDArray[Any] = chosen
        self.sections = sections[chosen]
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
        self.offset: NDArray[Any] = new * 8
        self.references, self.counted = self._find_data()

    def _take_all(self) -> None:
        """Take every header where it is, so that nothing but their bytes is copied."""
        import numpy as np

        file = self.file
        self.index = np.arange(len(file.types), dtype=np.int32)
        self.sections, self.types, self.lengths = file.sections, file.walk.types, file.lengths
        self.offset = file.walk.offsets
        end = file.walk.end
        # The last header's padding may be missing.
        self.section = np.zeros(-(-end // 8) * 8, np.uint8)
        self.section[:end] = np.frombuffer(file.section[:end], np.uint8)

    def rows(self, record: type[Record]) -> NDArray[np.intp]:
        """Which of the headers have the structure `record`."""
        import numpy as np

        is_of_type = (self.types & np.uint32(OPTIONAL_BIT - 1)) == TYPE_OF[record]
        rows: NDArray[np.intp] = np.flatnonzero(is_of_type & (self.lengths == record.SIZE))
        return rows

    def column(self, record: type[Record], name: str, rows: NDArray[np.intp]) -> NDArray[Any]:
        """A copy of the field `name` of the headers at `rows`."""
        column: NDArray[Any] = self._slots(record)[name][self.offset[rows] // 8]
        return column

    def change(self, record: type[Record], name: str, rows: NDArray[np.intp], value: Any) -> None:
        """Set the field `name` of the headers at `rows`."""
        self._slots(record)[name][self.offset[rows] // 8] = value

    def by_section(self) -> list[PendingColumns]:
        """The headers in three parts, one for each section."""
        import numpy as np

        cuts = np.searchsorted(self.sections, np.arange(4))
        edges = np.append(self.offset, len(self.section))[cuts].tolist()
        refs = self.references
        result = []
        for begin, end in itertools.pairwise(edges):
            inside = (refs.at >= begin) & (refs.at < end)
            rest = (column[inside] for column in refs[2:])
            references = References(refs.buffers, refs.at[inside] - begin, *rest)
            result.append(PendingColumns(self.section[begin:end], references))
        return result

    def _slots(self, record: type[Record]) -> NDArray[np.void]:
        """Every place a record could be in: headers begin at multiples of eight."""
        import numpy as np

        count = max(0, (len(self.section) - 8 - record.SIZE) // 8 + 1)
        return np.ndarray((count,), record.dtype(), self.section, 8 if count else 0, (8,))

    # Data.

    def _find_data(self) -> tuple[References, NDArray[np.bool_]]:
        """References to the data of all headers, and which are counted lists of registers."""
        import numpy as np

        declared = [spec for spec in HEADERS.values() if spec.data is not None]
        parts = [self._data_of(spec) for spec in declared]
        at, start, size, counted = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(at)
        start, size = start[order], size[order]
        # Sorted and not np.unique, whose hash table a file could be made to fill badly.
        places = np.sort(start.astype(np.uint64) | size.astype(np.uint64) << np.uint64(32))
        places = places[np.append(True, places[1:] != places[:-1])[: len(places)]]
        distinct_bytes = int((places >> np.uint64(32)).sum())
        end = len(self.file.buffer)
        if distinct_bytes > _OVERLAP * end + _OVERLAP_ANYWAY:
            raise ValidationError(
                f"the headers refer to {distinct_bytes:#x} bytes of overlapping data in a file of "
                f"{end:#x} bytes",
                path=self.file.path,
            )
        self._refuse_unknown(declared)
        which = np.zeros(len(at), np.int64)
        references = References([self.file.buffer], at[order], which, start, size)
        return references, counted[order]

    def _data_of(self, spec: HeaderSpec) -> tuple[NDArray[Any], ...]:
        """Offset field, start, size and whether it is counted, of the data of one header type."""
        import numpy as np

        record, data = spec.record, spec.data
        assert record is not None
        assert data is not None
        rows = self.rows(record)
        columns = data_columns(self.file, spec)
        # From the headers of the file, in its order, to those that were taken.
        at = np.searchsorted(columns.index, self.index[rows]).clip(max=len(columns.index) - 1)
        refers = np.zeros(len(rows), bool)
        if len(columns.index):
            refers = columns.index[at] == self.index[rows]
        start, size = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        start[refers], size[refers] = columns.start[at[refers]], columns.size[at[refers]]
        # The reference reads and writes 4 KiB for a page of 2 MiB, so that is all there may be.
        is_short = refers & (start + size > len(self.file.buffer))
        size[is_short] = np.minimum(size[is_short], columns.least[at[is_short]])
        if data.empty == "refused":
            self._require_contexts(rows)
        elif data.empty == "stored":
            # No offset means no bytes, whatever the size says.
            self.change(record, data.size.field, rows, size)
        else:
            self.change(record, data.offset, rows[size == 0], 0)
            rows, start, size = rows[size != 0], start[size != 0], size[size != 0]
        self._require(rows, start, size)
        field = next(item.offset for item in record.FIELDS if item.name == data.offset)
        counted = np.zeros(len(rows), bool)
        if data.size.rule == "context":
            lists = [context.element is not None for context in CONTEXT_FORMATS]
            contexts = context_columns(self.file)
            formats = contexts.format[np.searchsorted(contexts.index, self.index[rows])]
            counted = np.array(lists)[formats]
        return self.offset[rows].astype(np.int64) + 8 + field, start, size, counted

    def _require(self, rows: NDArray[np.intp], start: NDArray[Any], size: NDArray[Any]) -> None:
        """Refuse data that is not in the file."""
        import numpy as np

        end = len(self.file.buffer)
        is_outside = (start < self.file.fixed_header.SIZE) & (size > 0)
        is_outside |= (size > end) | (start > end)
        is_outside |= start + np.minimum(size, end).astype(np.int64) > end
        if is_outside.any():
            row = int(np.argmax(is_outside))
            header = self.file.header(int(self.index[rows[row]]))
            raise ValidationError(
                f"{int(size[row]):#x} bytes at {int(start[row]):#x} are not in a file "
                f"of {end:#x} bytes",
                path=self.file.path,
                offset=header.offset,
                header=header.name,
                field="file_offset",
            )

    def _require_contexts(self, rows: NDArray[np.intp]) -> None:
        """Refuse contexts whose registers cannot be known, or that have none."""
        import numpy as np

        contexts = context_columns(self.file)
        at = np.searchsorted(contexts.index, self.index[rows])
        end = len(self.file.buffer)
        offset = contexts.offset[at]
        is_unknown = (contexts.format[at] < 0) | (offset < self.file.fixed_header.SIZE)
        is_unknown |= (contexts.count[at] < 0) & (contexts.size[at] + offset > end)
        if not is_unknown.any():
            return
        header = self.file.header(int(self.index[rows[is_unknown.argmax()]]))
        size = int(contexts.size[at[is_unknown.argmax()]])
        message, field = f"{size:#x} bytes at {header.file_offset:#x}", "file_offset"
        message += f" are not in a file of {end:#x} bytes"
        offset_in_file = header.offset
        try:
            context_format(self.file, header)
        except FormatError as error:
            message, field = error.message, error.field or field
            offset_in_file = error.offset or offset_in_file
        raise ValidationError(
            message, path=self.file.path, offset=offset_in_file, header=header.name, field=field
        )

    def _refuse_unknown(self, declared: list[HeaderSpec]) -> None:
        """Refuse headers of unknown type in a file with data that no declared header refers to.

        Such a header is carried as it is, and would point at something else in a new file.
        """
        import numpy as np

        known = np.zeros(PAST_TYPES + 1, bool)
        known[list(HEADERS)] = True
        types = self.types & np.uint32(OPTIONAL_BIT - 1)
        is_known = known[np.minimum(types, np.uint32(PAST_TYPES), out=types)]
        if is_known.all():
            return
        file = self.file
        data_start = file.section_offset + len(file.section)
        columns = [data_columns(file, spec) for spec in declared]
        start = np.concatenate([column.start for column in columns])
        end = start + np.concatenate([column.size for column in columns])
        order = np.argsort(start)
        reached = np.maximum.accumulate(np.append(data_start, end[order]))
        until = np.append(start[order], len(file.buffer))
        octets = np.frombuffer(file.buffer, np.uint8)
        for gap in np.flatnonzero(until > reached).tolist():
            if octets[reached[gap] : until[gap]].any():
                header = file.header(int(self.index[(~is_known).argmax()]))
                raise ValidationError(
                    f"nothing that is known refers to the data at {int(reached[gap]):#x}, and this "
                    "header of unknown type may",
                    path=file.path,
                    offset=header.offset,
                    header=header.name,
                    hint="what it refers to cannot be written anew: keep the file as it is",
                )
