"""What several rules want to know of a file, computed once for a check."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from igvm.file.table import Table
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import HEADERS, TYPE_OF
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.address_ranges import Ranges
    from igvm.checks.inspection.context_columns import Contexts
    from igvm.checks.inspection.data_extents import Extents
    from igvm.checks.inspection.guest_memory import Memory
    from igvm.checks.inspection.parameter_areas import Areas
    from igvm.file.view import IgvmFile

    Bools = NDArray[np.bool_]
    Masks = NDArray[np.uint32]
    Positions = NDArray[np.intp]

R = TypeVar("R", bound=Record)


def some(column: NDArray[Any]) -> Bools:
    """Which rows of `column`, bytes or nested records, are not all zero."""
    import numpy as np

    rows = column if column.dtype == np.uint8 else np.ascontiguousarray(column).view(np.uint8)
    result: Bools = np.any(rows.reshape(len(column), -1 if len(column) else 1), axis=1)
    return result


PAST_TYPES = 0x401
"""One more than the highest type of any section; stands for all of them in `Facts.small_types`."""


class Facts:
    """A file as the rules look at it.

    Attributes:
        file: the file.
        page: bytes of a page; 4096 where the file names a size that cannot be.
        data_start: where the file data starts, after the variable headers.
        size: bytes of the file.
    """

    def __init__(self, file: IgvmFile) -> None:
        self.file = file
        size = file.page_size
        self.page = size if size > 0 and size & size - 1 == 0 else PAGE_SIZE_4K
        self.data_start = file.section_offset + len(file.section)
        self.size = len(file.buffer)
        self._tables: dict[type[Record], Table[Any]] = {}

    # Headers.

    @functools.cached_property
    def small_types(self) -> NDArray[np.uint32]:
        """The type of every header; PAST_TYPES for types above all ranges."""
        import numpy as np

        return np.minimum(self.file.types, np.uint32(PAST_TYPES))

    @functools.cached_property
    def kinds(self) -> frozenset[int]:
        """The types that the file has headers of."""
        import numpy as np

        return frozenset(np.flatnonzero(np.bincount(self.small_types)).tolist())

    def table(self, record: type[R]) -> Table[R]:
        """The headers of `record`, whose length is right, as columns."""
        table = self._tables.get(record)
        if table is None:
            file = self.file
            if TYPE_OF[record] in self.kinds:
                table = file.table(record)
            else:
                none = file.walk.offsets[:0]
                table = Table(record, file.section, file.section_offset, none.astype(int), none)
            self._tables[record] = table
        return table

    @functools.cached_property
    def masks(self) -> tuple[Positions, Masks]:
        """Every header that has a compatibility mask and is no platform, and its mask."""
        import numpy as np

        tables = [
            self.table(spec.record)
            for kind, spec in HEADERS.items()
            if kind in self.kinds
            and spec.has_mask
            and spec.record is not None
            and spec.record is not SupportedPlatform
        ]
        if not tables:
            return self.file.index[:0], np.empty(0, np.uint32)
        index = np.concatenate([table.index for table in tables])
        masks = np.concatenate([table.column("compatibility_mask") for table in tables])
        if len(tables) > 1:
            order = np.argsort(index, kind="stable")
            index, masks = index[order], masks[order]
        return index, masks

    # Platforms.

    @functools.cached_property
    def platforms(self) -> dict[PlatformType, int]:
        """The mask bits of every platform type of the file."""
        import numpy as np

        table = self.table(SupportedPlatform)
        kinds = table[SupportedPlatform.platform_type]
        masks = table[SupportedPlatform.compatibility_mask]
        return {
            PlatformType(kind): int(np.bitwise_or.reduce(masks[kinds == kind]))
            for kind in np.unique(kinds).tolist()
        }

    def bits(self, *kinds: PlatformType) -> int:
        """The mask bits of platforms of `kinds`."""
        result = 0
        for kind in kinds:
            result |= self.platforms.get(kind, 0)
        return result

    @functools.cached_property
    def declared(self) -> int:
        """The mask bits of all platforms."""
        return self.bits(*self.platforms)

    def names(self, mask: int) -> str:
        """The platforms that `mask` names."""
        names = [kind.name for kind, bits in self.platforms.items() if bits & mask]
        return " and ".join(names) or "no platform"

    def each_bit(self, *masks: Masks) -> Iterator[int]:
        """Platform bits that between them stand for every platform.

        Platforms that load the same of the headers with `masks` are looked at once.
        """
        import numpy as np

        seen = set()
        distinct = [np.unique(mask) if (mask[:1] != mask).any() else mask[:1] for mask in masks]
        few = np.concatenate(distinct)
        rest = self.declared
        while rest:
            bit = rest & -rest
            rest ^= bit
            loads = (few & np.uint32(bit)) != 0
            pattern = loads.tobytes()
            if pattern not in seen and loads.any():
                seen.add(pattern)
                yield bit

    def second(self, mask: Masks) -> Bools:
        """Which of the headers with `mask` are for a platform that an earlier one is for."""
        import numpy as np

        before = np.zeros_like(mask)
        before[1:] = np.bitwise_or.accumulate(mask)[:-1]
        second: Bools = (mask & before & np.uint32(self.declared)) != 0
        return second

    # Shared work, each in a module of its own.

    @functools.cached_property
    def areas(self) -> Areas:
        """Parameter areas and what happens to them."""
        from igvm.checks.inspection.parameter_areas import read_areas

        return read_areas(self)

    @functools.cached_property
    def contexts(self) -> Contexts:
        """VP contexts and the formats they have."""
        from igvm.checks.inspection.context_columns import read_contexts

        return read_contexts(self)

    @functools.cached_property
    def extents(self) -> Extents:
        """The file data that headers refer to."""
        from igvm.checks.inspection.data_extents import read_extents

        return read_extents(self)

    @functools.cached_property
    def guest_memory(self) -> Memory:
        """Guest memory that headers name."""
        from igvm.checks.inspection.guest_memory import read_memory

        return read_memory(self)

    @functools.cached_property
    def imported(self) -> Ranges | None:
        """Guest memory that a loader fills; None where there is none."""
        from igvm.checks.inspection.guest_memory import read_imported

        return read_imported(self)

    # File data.

    @functools.cached_property
    def octets(self) -> NDArray[np.uint8]:
        """Every byte of the file."""
        import numpy as np

        return np.frombuffer(self.file.buffer, np.uint8)

    def payloads(self, record: type[Record]) -> NDArray[np.void]:
        """Every place of the file that `record` fits, by byte offset; nothing is copied."""
        import numpy as np

        count = max(0, self.size - record.SIZE + 1)
        if count == 0:
            return np.empty(0, record.dtype())
        return np.ndarray((count,), record.dtype(), self.octets, 0, (1,))

    def stray(
        self, offsets: NDArray[np.int64], wanted: bytes
    ) -> tuple[Positions, NDArray[np.intp]]:
        """Which pieces of the file at `offsets` have a bit where `wanted` has one.

        Each piece is as long as `wanted` and lies in the file.

        Returns:
            Positions in `offsets`, and for each the first such byte of the piece.
        """
        import numpy as np

        width = len(wanted)
        mask = np.frombuffer(wanted, np.uint8)
        rows: list[Any] = [np.empty(0, np.intp)]
        bytes_: list[Any] = [np.empty(0, np.intp)]
        count = self.size - width + 1
        places = np.ndarray((count, width), np.uint8, self.octets, 0, (1, 1))
        # In batches: very many contexts may share one page.
        for start in range(0, len(offsets), 256):
            bad = (places[offsets[start : start + 256]] & mask) != 0
            which = np.flatnonzero(bad.any(axis=1))
            rows.append(which + start)
            bytes_.append(bad[which].argmax(axis=1))
        return np.concatenate(rows), np.concatenate(bytes_)
