"""The variable headers one after the other, as the reference parses them."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING, TypeVar

from igvm.checks.reference.context_checks import CONTEXT_CHECKS, ContextRows
from igvm.checks.reference.header_checks import HEADER_CHECKS
from igvm.checks.reference.header_rows import CrateFile, HeaderCheck, HeaderRows, rejection_at
from igvm.checks.reference.rejection import Rejection
from igvm.checks.reference.release_types import HEADER_TYPES, SECTIONS, TYPE_OF_RECORD
from igvm.file.table import Table
from igvm.spec.directive import VPContext
from igvm.spec.enums import OPTIONAL_BIT, HeaderType
from igvm.spec.platform import SupportedPlatform
from igvm.wire.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile

R = TypeVar("R", bound=Record)

_BOUNDS = sorted({bound for types in SECTIONS.values() for bound in (types.start, types.stop)})
"""Where sections start and end: as many bounds are at or below a type as its place in the order."""
_SECTION_NAMES = {bisect.bisect(_BOUNDS, types.start): name for name, types in SECTIONS.items()}
"""The crate's names of the places that are sections."""
_PAST_TYPES = _BOUNDS[-1]
_FIRST_PLACE = min(_SECTION_NAMES)

# Rows tested at once; contexts in growing parts, because each may refer to much data.
_CHUNK = 1 << 16
_FIRST_CONTEXTS = 16


class ParsedHeaders:
    """The headers that the reference reads, up to the first whose type or length it refuses.

    Attributes:
        file: the file; its fixed header is sound.
        release: the release that reads it.
        count: headers before the first that is refused for its type, length or place.
        refused: that rejection, or None.
    """

    def __init__(self, file: IgvmFile, release: str) -> None:
        self.file = file
        self.release = release
        self._lengths = {
            crate_type.number: crate_type.length for crate_type in HEADER_TYPES[release]
        }
        self.count, self.refused = self._frame()

    def _frame(self) -> tuple[int, Rejection | None]:
        """How many headers are of a known type and length, and why the next one is not."""
        import numpy as np

        file = self.file
        types, lengths = file.walk.types, file.lengths
        if len(types):
            changes = (types[1:] != types[:-1]) | (lengths[1:] != lengths[:-1])
            starts = np.append(0, np.flatnonzero(changes) + 1)
        else:
            starts = np.empty(0, np.int64)
        self._run_starts, self._run_types = starts, types[starts]
        length_of_type = np.full(_PAST_TYPES + 1, 0xFFFFFFFF, np.uint32)
        length_of_type[list(self._lengths)] = list(self._lengths.values())
        places = np.searchsorted(_BOUNDS, self._run_types, side="right")
        is_refused = length_of_type[np.minimum(self._run_types, _PAST_TYPES)] != lengths[starts]
        is_refused[1:] |= places[1:] < places[:-1]
        if is_refused.any():
            run = int(is_refused.argmax())
            index = int(starts[run])
            place_before = int(places[run - 1]) if run else _FIRST_PLACE
            return index, self._refuse(int(file.walk.offsets[index]), place_before, index)
        if file.walk.end < len(file.section):
            place_before = int(places[-1]) if len(places) else _FIRST_PLACE
            return len(types), self._refuse(file.walk.end, place_before, None)
        return len(types), None

    def _refuse(self, offset: int, place_before: int, index: int | None) -> Rejection:
        """Why the crate refuses the type, length or place of the header at `offset`.

        Args:
            offset: position in the section.
            place_before: the place in the order of sections of the header before it.
            index: its position among all headers; None where it is not a whole header.
        """
        section = self.file.section
        left = len(section) - offset
        offset_in_file = self.file.section_offset + offset
        rule = "InvalidBinaryVariableHeaderSection"
        if left < 8:
            return Rejection(
                rule=rule,
                description=f"{left} bytes follow the last header",
                offset=offset_in_file,
                value=left,
                words="every header has at least 8",
            )
        number = int.from_bytes(section[offset : offset + 4], "little")
        length = int.from_bytes(section[offset + 4 : offset + 8], "little")
        place = bisect.bisect(_BOUNDS, number)
        field, value, words = "type", number, ""
        if place not in _SECTION_NAMES:
            description = f"the type is {number:#x}"
            words = "types are 0x1 to 0x100, 0x101 to 0x200 or 0x301 to 0x400"
            if number & OPTIONAL_BIT:
                words = "no header may have the optional bit (31), which the crate does not know"
        elif place < place_before:
            description = f"type {number:#x} follows a header of a later section"
            words = "headers stand in the order platform, initialization, directive"
        elif self._lengths.get(number) != length:
            rule = f"InvalidBinary{_SECTION_NAMES[place]}Header.InvalidVariableHeaderType"
            description = f"type {number:#x} with a length of {length} is not known"
            if number in self._lengths:
                known_length = self._lengths[number]
                description = f"the length is {length} and the structure has {known_length} bytes"
                field, value = "length", length
        else:
            rule = f"InvalidBinary{_SECTION_NAMES[place]}Header.InvalidVariableHeaderSize"
            description = f"the structure has {length} bytes and {left - 8} are left"
            field, value = "length", length
        return Rejection(
            rule=rule,
            description=description,
            header=HeaderType(number & ~OPTIONAL_BIT).name,
            field=field,
            index=index,
            offset=offset_in_file + (4 if field == "length" else 0),
            value=value,
            words=words,
        )

    @functools.cached_property
    def _types(self) -> set[int]:
        """The types of the headers before the refused one."""
        types = self._run_types[self._run_starts < self.count]
        return {number for number in self._lengths if (types == number).any()}

    def has(self, record: type[Record]) -> bool:
        """Whether there is a header of `record` before the refused one."""
        return TYPE_OF_RECORD[record].number in self._types

    def index(self, record: type[Record]) -> NDArray[np.intp]:
        """The positions of the headers of `record` before the refused one, shape (n,), intp."""
        import numpy as np

        number = TYPE_OF_RECORD[record].number
        runs = np.flatnonzero((self._run_types == number) & (self._run_starts < self.count))
        if len(runs) == 1:
            run = int(runs[0])
            bounds = np.append(self._run_starts, len(self.file.walk.types))
            return np.arange(bounds[run], bounds[run + 1])
        return np.flatnonzero(self.file.walk.types[: self.count] == number)

    @functools.cached_property
    def platforms(self) -> dict[int, int]:
        """The platform type of each mask that a platform header has; the last one wins."""
        if not self.has(SupportedPlatform):
            return {}
        table = self.table(SupportedPlatform)
        masks = table[SupportedPlatform.compatibility_mask].tolist()
        return dict(zip(masks, table[SupportedPlatform.platform_type].tolist(), strict=True))

    def table(self, record: type[R], index: NDArray[np.intp] | None = None) -> Table[R]:
        """The headers of `record`, or those at `index`, shape (n,), intp, as columns."""
        file = self.file
        chosen = self.index(record) if index is None else index
        return Table(record, file.section, file.section_offset, chosen, file.walk.offsets[chosen])

    def rejection(self) -> Rejection | None:
        """Where the crate stops while it parses header after header, or None."""
        first, rejection = self.count, self.refused
        crate_file = CrateFile(self.file, self.release, self.platforms)
        checks_of: dict[type[Record], tuple[HeaderCheck, ...]] = {
            **HEADER_CHECKS,
            VPContext: CONTEXT_CHECKS,
        }
        for record, all_checks in checks_of.items():
            if self.has(record):
                checks = tuple(check for check in all_checks if self.release in check.releases)
                index = self._first(record, checks, crate_file, first)
                if index is not None:
                    first = index
                    rejection = self._first_check(record, checks, crate_file, index)
        return rejection

    def _first(
        self,
        record: type[Record],
        checks: tuple[HeaderCheck, ...],
        crate_file: CrateFile,
        before: int,
    ) -> int | None:
        """Position of the first header of `record` before `before` that breaks one of `checks`."""
        import numpy as np

        index = self.index(record)
        index = index[: int(np.searchsorted(index, before))]
        size = _FIRST_CONTEXTS if record is VPContext else _CHUNK
        start = 0
        while start < len(index):
            rows = self._rows(record, index[start : start + size], crate_file)
            first_row = len(rows)
            for check in checks:
                breaks = check.breaks(rows)
                if breaks.any():
                    first_row = min(first_row, int(breaks.argmax()))
            if first_row < len(rows):
                return int(rows.table.index[first_row])
            start += size
            size = min(size * 8, _CHUNK)
        return None

    def _rows(
        self, record: type[Record], index: NDArray[np.intp], crate_file: CrateFile
    ) -> HeaderRows:
        rows_class = ContextRows if record is VPContext else HeaderRows
        return rows_class(self.table(record, index), crate_file)

    def _first_check(
        self,
        record: type[Record],
        checks: tuple[HeaderCheck, ...],
        crate_file: CrateFile,
        index: int,
    ) -> Rejection:
        """The rejection of the header at `index`: by the first check it breaks, in their order."""
        import numpy as np

        rows = self._rows(record, np.array([index]), crate_file)
        check = next(check for check in checks if check.breaks(rows)[0])
        return rejection_at(rows, 0, check)
