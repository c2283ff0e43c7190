"""A file as the rules look at it: what several of them want to know, computed once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from igvm.file.record_places import every_place
from igvm.file.table import Table
from igvm.spec.enums import PAGE_SIZE_4K, PAST_TYPES, PlatformType
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import HEADERS, TYPE_OF
from igvm.wire.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.address_ranges import AddressRanges
    from igvm.checks.inspection.cpuid_pages import CPUIDPages
    from igvm.checks.inspection.data_extents import DataExtents
    from igvm.checks.inspection.guest_memory import NamedMemory
    from igvm.checks.inspection.inspected_contexts import InspectedContexts
    from igvm.checks.inspection.inspected_corims import InspectedCorim
    from igvm.checks.inspection.parameter_areas import ParameterAreas
    from igvm.file.view import IgvmFile

    Bools = NDArray[np.bool_]
    Masks = NDArray[np.uint32]
    Positions = NDArray[np.intp]

R = TypeVar("R", bound=Record)


class InspectedFile:
    """A file and what the rules ask of it, each answer computed when it is first asked for.

    Attributes:
        file: the file.
        page_size: bytes of a page; 4096 where the file names a size that cannot be.
        file_size: bytes of the file.
    """

    def __init__(self, file: IgvmFile) -> None:
        self.file = file
        size = file.page_size
        self.page_size = size if size > 0 and size & size - 1 == 0 else PAGE_SIZE_4K
        self.file_size = len(file.buffer)
        self._tables: dict[type[Record], Table[Any]] = {}

    # Headers.

    @functools.cached_property
    def capped_types(self) -> NDArray[np.uint32]:
        """The type of every header, shape (n,), uint32; PAST_TYPES for those above all ranges."""
        import numpy as np

        types = self.file.types
        if int(types.max(initial=0)) <= PAST_TYPES:
            return types
        return np.minimum(types, np.uint32(PAST_TYPES))

    @functools.cached_property
    def kinds(self) -> frozenset[int]:
        """The types that the file has headers of."""
        return self.file.kinds

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
        """Every header that has a compatibility mask and is no platform, and its mask.

        Returns:
            Positions in the file, shape (n,), intp, ascending; masks, shape (n,), uint32.
        """
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
        if len(tables) == 1:  # of which nothing needs to be copied
            return tables[0].index, tables[0].column("compatibility_mask")
        index = np.concatenate([table.index for table in tables])
        masks = np.concatenate([table.column("compatibility_mask") for table in tables])
        order = np.argsort(index, kind="stable")
        return index[order], masks[order]

    # Platforms.

    @functools.cached_property
    def platforms(self) -> dict[PlatformType, int]:
        """The mask bits of every platform type of the file."""
        import numpy as np

        table = self.table(SupportedPlatform)
        types = table[SupportedPlatform.platform_type]
        masks = table[SupportedPlatform.compatibility_mask]
        return {
            PlatformType(number): int(np.bitwise_or.reduce(masks[types == number]))
            for number in np.unique(types).tolist()
        }

    def mask_of(self, *platforms: PlatformType) -> int:
        """The mask bits of `platforms`; zero where the file has none of them."""
        bits = 0
        for platform in platforms:
            bits |= self.platforms.get(platform, 0)
        return bits

    @functools.cached_property
    def declared_mask(self) -> int:
        """The mask bits of all platforms."""
        return self.mask_of(*self.platforms)

    def names(self, mask: int) -> str:
        """The platforms that `mask` names."""
        names = [platform.name for platform, bits in self.platforms.items() if bits & mask]
        return " and ".join(names) or "no platform"

    def distinct_platform_bits(self, *masks: Masks) -> Iterator[int]:
        """Platform bits that between them stand for every platform.

        Platforms that load the same of the headers with `masks` are looked at once.

        Args:
            masks: compatibility masks of headers, each of shape (n,), uint32.
        """
        import numpy as np

        seen = set()
        distinct = [np.unique(mask) if (mask[:1] != mask).any() else mask[:1] for mask in masks]
        different_masks = np.concatenate(distinct)
        bits_left = self.declared_mask
        while bits_left:
            bit = bits_left & -bits_left
            bits_left ^= bit
            is_loaded = (different_masks & np.uint32(bit)) != 0
            pattern = is_loaded.tobytes()
            if pattern not in seen and is_loaded.any():
                seen.add(pattern)
                yield bit

    def repeats_platform(self, mask: Masks) -> Bools:
        """Which of the headers with `mask` are for a platform that an earlier one is for.

        Args:
            mask: compatibility masks in file order, shape (n,), uint32.

        Returns:
            Shape (n,), bool.
        """
        import numpy as np

        before = np.zeros_like(mask)
        before[1:] = np.bitwise_or.accumulate(mask)[:-1]
        repeats: Bools = (mask & before & np.uint32(self.declared_mask)) != 0
        return repeats

    # Shared work, each in a module of its own.

    @functools.cached_property
    def areas(self) -> ParameterAreas:
        """Parameter areas and what happens to them."""
        from igvm.checks.inspection.parameter_areas import read_areas

        return read_areas(self)

    @functools.cached_property
    def contexts(self) -> InspectedContexts:
        """VP contexts and the formats they have."""
        from igvm.checks.inspection.inspected_contexts import read_contexts

        return read_contexts(self)

    @functools.cached_property
    def data_extents(self) -> DataExtents:
        """The file data that headers refer to."""
        from igvm.checks.inspection.data_extents import read_extents

        return read_extents(self)

    @functools.cached_property
    def guest_memory(self) -> list[NamedMemory]:
        """Guest memory that headers name."""
        from igvm.checks.inspection.guest_memory import read_memory

        return read_memory(self)

    @functools.cached_property
    def imported_memory(self) -> AddressRanges | None:
        """Guest memory that a loader fills; None where there is none."""
        from igvm.checks.inspection.guest_memory import read_imported

        return read_imported(self)

    @functools.cached_property
    def cpuid_pages(self) -> CPUIDPages:
        """CPUID pages with data."""
        from igvm.checks.inspection.cpuid_pages import read_cpuid_pages

        return read_cpuid_pages(self)

    @functools.cached_property
    def corims(self) -> list[InspectedCorim]:
        """CoRIM documents and signatures."""
        from igvm.checks.inspection.inspected_corims import read_corims

        return read_corims(self)

    # File data.

    @functools.cached_property
    def octets(self) -> NDArray[np.uint8]:
        """Every byte of the file, shape (file_size,), uint8."""
        import numpy as np

        return np.frombuffer(self.file.buffer, np.uint8)

    def payloads(self, record: type[Record]) -> NDArray[np.void]:
        """Every place of the file that `record` fits, by byte offset; nothing is copied.

        Returns:
            Shape (file_size - record.SIZE + 1,), the record's dtype; element i starts at byte i.
        """
        return every_place(self.file.buffer, record)
