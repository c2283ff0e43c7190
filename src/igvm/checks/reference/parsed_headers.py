"""The variable headers one after the other, as the reference parses them."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING, TypeVar

from igvm.checks.reference.context_checks import CONTEXT_CHECKS, ContextRows
from igvm.checks.reference.header_checks import HEADER_CHECKS
from igvm.checks.reference.header_rows import Check, Rows, Scope, stop_at
from igvm.checks.reference.rejection import Stop
from igvm.file.table import Table
from igvm.spec.directive import VPContext
from igvm.spec.enums import OPTIONAL_BIT, HeaderType
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import HEADERS, TYPE_OF
from igvm.wire.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile

R = TypeVar("R", bound=Record)

_NOT_IN_0_4 = {HeaderType.CORIM_DOCUMENT, HeaderType.CORIM_SIGNATURE, HeaderType.CCA_POLICY}
_PAST_TYPES = 0x401
_SECTION_STARTS = (0x1, 0x101, 0x201, 0x301, 0x401)
_SECTIONS = {1: "Platform", 2: "Initialization", 4: "Directive"}
"""The crate's names of the ranges that start at the first, second and fourth of those."""

# Rows tested at once; contexts in growing parts, because each may refer to much data.
_CHUNK = 1 << 16
_FIRST_CONTEXTS = 16


class Stream:
    """The headers that the reference reads, up to the first whose type or length it refuses.

    Attributes:
        file: the file; its fixed header is sound.
        release: the release that reads it.
        count: headers before the first that is refused for its type, length or place.
        refused: that stop, or None.
    """

    def __init__(self, file: IgvmFile, release: str) -> None:
        self.file = file
        self.release = release
        self._sizes = {
            int(kind): spec.record.SIZE
            for kind, spec in HEADERS.items()
            if spec.record is not None and not (release == "0.4" and kind in _NOT_IN_0_4)
        }
        self.count, self.refused = self._frame()

    def _frame(self) -> tuple[int, Stop | None]:
        """How many headers are of a known type and length, and why the next one is not."""
        import numpy as np

        file = self.file
        types, lengths = file.walk.types, file.lengths
        if len(types):
            change = (types[1:] != types[:-1]) | (lengths[1:] != lengths[:-1])
            heads = np.append(0, np.flatnonzero(change) + 1)
        else:
            heads = np.empty(0, np.int64)
        self._heads, self._head_types = heads, types[heads]
        expected = np.full(_PAST_TYPES + 1, 0xFFFFFFFF, np.uint32)
        expected[list(self._sizes)] = list(self._sizes.values())
        sections = np.searchsorted(_SECTION_STARTS, self._head_types, side="right")
        bad = expected[np.minimum(self._head_types, _PAST_TYPES)] != lengths[heads]
        bad[1:] |= sections[1:] < sections[:-1]
        if bad.any():
            run = int(bad.argmax())
            index = int(heads[run])
            before = int(sections[run - 1]) if run else 1
            return index, self._refuse(int(file.walk.offsets[index]), before, index)
        if file.walk.end < len(file.section):
            before = int(sections[-1]) if len(sections) else 1
            return len(types), self._refuse(file.walk.end, before, None)
        return len(types), None

    def _refuse(self, offset: int, before: int, index: int | None) -> Stop:
        """Why the crate refuses the type, length or place of the header at `offset`.

        Args:
            offset: position in the section.
            before: the section of the header before it.
            index: its position among all headers; None where it is not a whole header.
        """
        section = self.file.section
        left = len(section) - offset
        where = self.file.section_offset + offset
        rule = "InvalidBinaryVariableHeaderSection"
        if left < 8:
            found, words = f"{left} bytes follow the last header", "every header has at least 8"
            return Stop(rule=rule, found=found, offset=where, value=left, words=words)
        kind = int.from_bytes(section[offset : offset + 4], "little")
        length = int.from_bytes(section[offset + 4 : offset + 8], "little")
        name = HeaderType(kind & ~OPTIONAL_BIT).name
        number = bisect.bisect(_SECTION_STARTS, kind)
        field, value, words = "type", kind, ""
        if number not in _SECTIONS:
            found = f"the type is {kind:#x}"
            words = "types are 0x1 to 0x100, 0x101 to 0x200 or 0x301 to 0x400"
            if kind & OPTIONAL_BIT:
                words = "no header may have the optional bit (31), which the crate does not know"
        elif number < before:
            found = f"type {kind:#x} follows a header of a later section"
            words = "headers stand in the order platform, initialization, directive"
        elif self._sizes.get(kind) != length:
            rule = f"InvalidBinary{_SECTIONS[number]}Header.InvalidVariableHeaderType"
            found = f"type {kind:#x} with a length of {length} is not known"
            if kind in self._sizes:
                found = f"the length is {length} and the structure has {self._sizes[kind]} bytes"
                field, value = "length", length
        else:
            rule = f"InvalidBinary{_SECTIONS[number]}Header.InvalidVariableHeaderSize"
            found = f"the structure has {length} bytes and {left - 8} are left"
            field, value = "length", length
        offset = where + (4 if field == "length" else 0)
        return Stop(
            rule=rule,
            found=found,
            header=name,
            field=field,
            index=index,
            offset=offset,
            value=value,
            words=words,
        )

    @functools.cached_property
    def kinds(self) -> set[int]:
        """The types of the headers before the refused one."""
        known = self._head_types[self._heads < self.count]
        return {kind for kind in self._sizes if (known == kind).any()}

    def index(self, kind: int) -> NDArray[np.intp]:
        """The positions of the headers of type `kind` before the refused one."""
        import numpy as np

        runs = np.flatnonzero((self._head_types == kind) & (self._heads < self.count))
        if len(runs) == 1:
            run = int(runs[0])
            ends = np.append(self._heads, len(self.file.walk.types))
            return np.arange(self._heads[run], ends[run + 1])
        return np.flatnonzero(self.file.walk.types[: self.count] == kind)

    @functools.cached_property
    def platforms(self) -> dict[int, int]:
        """The platform type of each mask that a platform header has; the last one wins."""
        if HeaderType.SUPPORTED_PLATFORM not in self.kinds:
            return {}
        table = self.table(SupportedPlatform)
        masks = table[SupportedPlatform.compatibility_mask].tolist()
        return dict(zip(masks, table[SupportedPlatform.platform_type].tolist(), strict=True))

    def table(self, record: type[R], index: NDArray[np.intp] | None = None) -> Table[R]:
        """The headers of `record`, or those at `index`, as columns."""
        file = self.file
        chosen = self.index(TYPE_OF[record]) if index is None else index
        return Table(record, file.section, file.section_offset, chosen, file.walk.offsets[chosen])

    def stop(self) -> Stop | None:
        """Where the crate stops while it parses header after header, or None."""
        best, stop = self.count, self.refused
        scope = Scope(self.file, self.release, self.platforms)
        every: dict[type[Record], tuple[Check, ...]] = {**HEADER_CHECKS, VPContext: CONTEXT_CHECKS}
        for record, checks in every.items():
            if TYPE_OF[record] in self.kinds:
                mine = tuple(check for check in checks if self.release in check.releases)
                row = self._first(record, mine, scope, best)
                if row is not None:
                    best, stop = row, self._name(record, mine, scope, row)
        return stop

    def _first(
        self, record: type[Record], checks: tuple[Check, ...], scope: Scope, before: int
    ) -> int | None:
        """Position of the first header of `record` before `before` that breaks one of `checks`."""
        import numpy as np

        index = self.index(TYPE_OF[record])
        index = index[: int(np.searchsorted(index, before))]
        size = _FIRST_CONTEXTS if record is VPContext else _CHUNK
        start = 0
        while start < len(index):
            rows = self._rows(record, index[start : start + size], scope)
            first = len(rows)
            for check in checks:
                bad = check.breaks(rows)
                if bad.any():
                    first = min(first, int(bad.argmax()))
            if first < len(rows):
                return int(rows.table.index[first])
            start += size
            size = min(size * 8, _CHUNK)
        return None

    def _rows(self, record: type[Record], index: NDArray[np.intp], scope: Scope) -> Rows:
        rows_class = ContextRows if record is VPContext else Rows
        return rows_class(self.table(record, index), scope)

    def _name(
        self, record: type[Record], checks: tuple[Check, ...], scope: Scope, position: int
    ) -> Stop:
        """The stop at a header that breaks a check: the first one, in the crate's order."""
        import numpy as np

        rows = self._rows(record, np.array([position]), scope)
        check = next(check for check in checks if check.breaks(rows)[0])
        return stop_at(rows.table, 0, check, None if check.value is None else check.value(rows))
