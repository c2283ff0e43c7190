"""IgvmFile: a read-only view of a file, mapped or in memory, that takes nothing apart."""

from __future__ import annotations

import functools
import operator
import zlib
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from igvm.errors import (
    FormatError,
    MissingAttributeError,
    MissingItemError,
    ValidationError,
    nearest,
)
from igvm.file.header import Header, HeaderSequence
from igvm.file.platforms import Platform, Platforms
from igvm.file.table import Table
from igvm.file.walk import Walk, walk
from igvm.spec.enums import (
    OPTIONAL_BIT,
    PAGE_SIZE_4K,
    PAST_TYPES,
    SECTION_RANGES,
    Architecture,
    HeaderType,
    PlatformType,
    Section,
)
from igvm.spec.fixed import MAGIC, FixedHeaderV1, FixedHeaderV2
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import HEADERS, TYPE_OF, HeaderRecord
from igvm.wire.record import Record

if TYPE_CHECKING:
    import mmap
    import os
    from collections.abc import Iterator
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.context import Context
    from igvm.file.platforms import PlatformLike

R = TypeVar("R", bound=Record)

_BLOCK = 1 << 16
"""Headers that are looked at together, to keep temporaries small."""

_CACHED = ("walk", "types", "kinds", "sections", "masks", "platforms", "platform_masks")
"""What is computed once from the bytes of an open file."""


class HeaderView:
    """Some or all headers of a file, in three sections, as objects and as columns."""

    def __init__(self, file: IgvmFile | None, chosen: NDArray[np.intp] | None) -> None:
        self._whole = file
        self._chosen = chosen

    @property
    def _file(self) -> IgvmFile:
        """The file that the headers are in."""
        assert self._whole is not None
        return self._whole

    def _select(self, where: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The positions of the chosen headers at which `where`, over the whole file, holds."""
        import numpy as np

        if self._chosen is None:
            return np.flatnonzero(where)
        return self._chosen[where[self._chosen]]

    @property
    def index(self) -> NDArray[np.intp]:
        """Position of each header among all headers of the file."""
        import numpy as np

        return np.arange(len(self._file.walk.offsets)) if self._chosen is None else self._chosen

    @property
    def headers(self) -> HeaderSequence:
        """Every header, in file order."""
        chosen = self._chosen
        return HeaderSequence(
            self, range(len(self._file.walk.offsets)) if chosen is None else chosen
        )

    def _section(self, section: Section) -> HeaderSequence:
        return HeaderSequence(self, self._select(self._file.sections == section))

    @property
    def platform_headers(self) -> HeaderSequence:
        """The headers of the platform section, those of unknown type included."""
        return self._section(Section.PLATFORM)

    @property
    def initializations(self) -> HeaderSequence:
        """The headers of the initialization section, those of unknown type included."""
        return self._section(Section.INITIALIZATION)

    @property
    def directives(self) -> HeaderSequence:
        """The headers of the directive section, those of unknown type included."""
        return self._section(Section.DIRECTIVE)

    def table(self, record: type[R]) -> Table[R]:
        """The headers whose structure is `record`, as columns.

        Headers with the optional bit are included, headers whose length is not that of the
        structure are not.

        Raises:
            ValidationError: `record` is not the structure of a header.
        """
        file = self._file
        wanted: object = record  # whatever the annotation says
        kind = TYPE_OF.get(record) if isinstance(wanted, type) else None
        if kind is None:
            given = getattr(wanted, "__name__", None) or repr(wanted)
            message = f"a table is of the structure of a header, such as igvm.PageData; not {given}"
            raise ValidationError(message, path=file.path)
        index = self._select(file.types == kind)
        is_whole = file.lengths_of(index) == record.SIZE
        if not is_whole.all():
            index = index[is_whole]
        return Table(record, file.section, file.section_offset, index, file.walk.offsets[index])

    def header(self, index: int) -> Header[HeaderRecord]:
        """The header at position `index` of the whole file."""
        return self._file.header(index)

    def all_of(self, record: type[R]) -> list[Header[R]]:
        """The headers whose structure is `record`, as typed objects."""
        return [self._file.header(int(index)) for index in self.table(record).index]  # type: ignore[misc]


class IgvmFile(HeaderView):
    """A file as it is: nothing is copied, and no header is an object until asked for.

    Made by `igvm.open` and `igvm.parse`. What the format calls wrong is kept and can be looked
    at; `igvm.check` reports it. A mapped file that is open must not shrink: the operating system
    then kills a process that touches the missing pages (`igvm.open(path, copy=True)` is safe).

    Attributes:
        path: where it was opened, or None; of a file inside another it says where in that.
        fixed_header: the fixed header, version 1 or 2.
        section_offset: where the variable headers start in the file.
    """

    def __init__(
        self,
        buffer: memoryview,
        *,
        path: str | None = None,
        mapping: mmap.mmap | None = None,
        offset: int = 0,
    ) -> None:
        super().__init__(None, None)
        self._buffer: memoryview | None = buffer
        self._section_bytes: memoryview | None = None
        self.path = path
        self._mapping = mapping
        self._mapped = slice(offset, offset + len(buffer))
        self.fixed_header = _fixed_header(buffer, path)
        start = self.fixed_header.variable_header_offset
        end = start + self.fixed_header.variable_header_size
        if end > len(buffer):
            raise FormatError(
                f"the variable headers end at {end:#x} and the file has {len(buffer):#x} bytes",
                path=path,
                offset=8,
                header="FIXED_HEADER",
                field="variable_header_size",
                hint="the file is cut short, or its first bytes are damaged",
            )
        self.section_offset = start
        self._section_bytes = buffer[start:end]

    @property
    def buffer(self) -> memoryview:
        """Every byte of the file.

        Raises:
            ValidationError: the file is closed.
        """
        if self._buffer is None:
            raise self._closed()
        return self._buffer[:]  # a view of its own, which outlives the file or keeps it open

    @property
    def section(self) -> memoryview:
        """The bytes of the variable headers.

        Raises:
            ValidationError: the file is closed.
        """
        if self._section_bytes is None:
            raise self._closed()
        return self._section_bytes[:]

    def _closed(self) -> ValidationError:
        return ValidationError("the file is closed", path=self.path)

    @property
    def _file(self) -> IgvmFile:
        # Not an attribute: a file that refers to itself would live until the next collection.
        return self

    # The fixed header, in the specification's words.

    @property
    def revision(self) -> int:
        """The format version: 1 or 2."""
        return self.fixed_header.format_version

    @property
    def architecture(self) -> Architecture:
        """The processor the file is for; version 1 files are X64."""
        fixed = self.fixed_header
        return fixed.architecture if isinstance(fixed, FixedHeaderV2) else Architecture.X64

    @property
    def page_size(self) -> int:
        """Bytes of a page; version 1 files have 4096."""
        fixed = self.fixed_header
        return fixed.page_size if isinstance(fixed, FixedHeaderV2) else PAGE_SIZE_4K

    @functools.cached_property
    def checksum(self) -> int:
        """The CRC-32 that the fixed header should hold (IGVM_FIXED_HEADER.checksum)."""
        fixed = self.fixed_header.replace(checksum=0).pack()
        return zlib.crc32(self.section, zlib.crc32(fixed))

    # The variable headers.

    @functools.cached_property
    def walk(self) -> Walk:
        """Where the headers are, found once."""
        return walk(self.section)

    @functools.cached_property
    def types(self) -> NDArray[np.uint32]:
        """The type of every header, without the optional bit."""
        import numpy as np

        types = self.walk.types
        is_plain = all(
            int(types[start : start + _BLOCK].max()) < OPTIONAL_BIT
            for start in range(0, len(types), _BLOCK)
        )
        return types if is_plain else types & np.uint32(OPTIONAL_BIT - 1)

    @functools.cached_property
    def kinds(self) -> frozenset[int]:
        """The types of the headers, PAST_TYPES for all those above the ranges of the format."""
        import numpy as np

        is_there = np.zeros(PAST_TYPES + 1, bool)
        for start in range(0, len(self.types), _BLOCK):
            is_there[np.minimum(self.types[start : start + _BLOCK], np.uint32(PAST_TYPES))] = True
        return frozenset(np.flatnonzero(is_there).tolist())

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """The length field of every header; computed when asked for."""
        import numpy as np

        lengths = np.empty(len(self.walk.offsets), np.uint32)
        for start in range(0, len(lengths), _BLOCK):
            block = slice(start, start + _BLOCK)
            lengths[block] = self.lengths_of(block)
        return lengths

    def lengths_of(self, chosen: Any) -> NDArray[np.uint32]:
        """The length field of the headers at `chosen`, an array of positions or a slice."""
        import numpy as np

        words = np.frombuffer(self.section[: len(self.section) & ~3], "<u4")
        lengths: NDArray[np.uint32] = words[self.walk.offsets[chosen] // 4 + 1]
        return lengths

    @functools.cached_property
    def sections(self) -> NDArray[np.uint8]:
        """The section of every header; a type outside of the ranges goes by where it stands."""
        import numpy as np

        types = self.types
        result = np.full(len(types), Section.UNKNOWN, np.uint8)
        for section, numbers in SECTION_RANGES.items():
            result[(types >= numbers.start) & (types < numbers.stop)] = section
        strays = result == Section.UNKNOWN
        if strays.any():
            before = np.uint8(Section.PLATFORM)
            for start in range(0, len(result), _BLOCK):
                block = result[start : start + _BLOCK]
                known = np.where(strays[start : start + _BLOCK], 0, np.arange(len(block)))
                block[0] = before if strays[start] else block[0]
                block[:] = block[np.maximum.accumulate(known)]
                before = block[-1]
        return result

    def header(self, index: int) -> Header[HeaderRecord]:
        """The header at position `index`.

        Raises:
            MissingItemError: there are not so many.
            ValidationError: `index` is no number.
        """
        try:
            offset = int(self.walk.offsets[operator.index(index)])
        except IndexError:
            message = f"there is no header {index}: the file has {len(self.walk.offsets)}"
            raise MissingItemError(message, path=self.path) from None
        except TypeError:
            message = f"a header is called by its position, not {index!r:.40}"
            hint = "file.all_of(igvm.PageData) has those of a structure"
            raise ValidationError(message, path=self.path, hint=hint) from None
        length = int.from_bytes(self.section[offset + 4 : offset + 8], "little")
        end = offset + 8 + length
        return Header(
            index % len(self.walk.offsets),
            self.section_offset + offset,
            int(self.walk.types[index]),
            self.section[offset + 8 : end],
            self.section[end : end + (-length & 7)],
        )

    @property
    def trailing(self) -> memoryview:
        """What follows the last header in the section; the specification allows nothing."""
        return self.section[self.walk.end :]

    @functools.cached_property
    def masks(self) -> NDArray[np.uint32]:
        """The compatibility mask of every header; all ones where the type has none."""
        import numpy as np

        all_ones = np.uint32(0xFFFFFFFF)
        result: NDArray[np.uint32] | None = None
        for kind in self.kinds:
            spec = HEADERS.get(HeaderType(kind))
            if spec is not None and spec.has_mask and spec.record is not None:
                table = self.table(spec.record)
                if len(table) and result is None:
                    result = np.full(len(self.types), all_ones)
                if len(table) and result is not None:
                    result[table.index] = table.column("compatibility_mask")
        # Where no header has a mask, one number stands for all.
        return np.broadcast_to(all_ones, len(self.types)) if result is None else result

    # Platforms.

    @functools.cached_property
    def platforms(self) -> Platforms:
        """The platforms that the file is for, in file order; also by type or name."""
        return Platforms(self._platforms(), self.path)

    def _platforms(self) -> Iterator[Platform]:
        """A platform for each type, with the mask bits of all headers of the type."""
        import numpy as np

        table = self.table(SupportedPlatform)
        types = table.column("platform_type")
        masks = table.column("compatibility_mask")
        _, first = np.unique(types, return_index=True)
        for row in sorted(first.tolist()):
            header: Header[Any] = self.header(int(table.index[row])).detached()
            record: SupportedPlatform = header.record
            yield Platform(
                type=record.platform_type,
                mask=int(np.bitwise_or.reduce(masks[types == types[row]])),
                version=record.platform_version,
                highest_vtl=record.highest_vtl,
                shared_gpa_boundary=record.shared_gpa_boundary,
                header=header,
            )

    @functools.cached_property
    def platform_masks(self) -> dict[PlatformType, int]:
        """The mask bits of every platform that the file is for, in file order."""
        return {platform.type: platform.mask for platform in self.platforms}

    def filter(self, platform: PlatformLike) -> HeaderView:
        """The headers that a loader for `platform` looks at.

        That is every platform header, every header without a mask, and every header whose mask
        shares a bit with the platform's.

        Args:
            platform: one of the file's, its type, or its name such as `snp`.

        Raises:
            ValidationError: the file is not for `platform`, or there is none of that name.
        """
        import numpy as np

        is_chosen = self.masks & np.uint32(self.platforms.find(platform).mask) != 0
        is_chosen |= self.sections == Section.PLATFORM
        return HeaderView(self, np.flatnonzero(is_chosen))

    # File data.

    @property
    def data_offset(self) -> int:
        """Where the file data starts: after the fixed and the variable headers."""
        return self.section_offset + len(self.section)

    def data(self, header: Header[Any]) -> memoryview:
        """The file data that `header` refers to; empty where it refers to none.

        A PAGE_DATA gives one page (2 MiB with IS_2MB_PAGE), a PARAMETER_AREA its initial
        contents, a VP_CONTEXT its VMSA, registers or context, a CoRIM header its bytes.

        Raises:
            FormatError: the range is not inside the file, or a VP_CONTEXT's mask does not say
                which platform's format it has.
        """
        from igvm.file.header_extents import data_range

        self._require_header(header)
        offset, size = data_range(self, header)
        return self.buffer[offset : offset + size]

    def _require_header(self, header: object) -> None:
        """Refuse a position, or anything else, where a header is needed.

        Raises:
            ValidationError: it is one.
        """
        if not isinstance(header, Header):
            hint = f"file.header({header}) is one" if isinstance(header, int) else None
            message = f"a header is needed, not {type(header).__name__}"
            raise ValidationError(message, path=self.path, hint=hint)

    def context(self, header: Header[Any]) -> Context:
        """The decoded registers that a VP_CONTEXT refers to.

        Raises:
            FormatError: as for `data`; or the registers are cut short.
        """
        from igvm.file.context import decode_context

        self._require_header(header)
        return decode_context(self, header)

    # Writing.

    def to_bytes(self) -> bytes:
        """Every byte of the file, unchanged."""
        from igvm.storage.join import join

        whole = self.buffer.obj
        return (
            whole
            if type(whole) is bytes and len(whole) == len(self.buffer)
            else join([self.buffer])
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the file, unchanged, to `path`, whole or not at all.

        Raises:
            SaveError: `path` exists and `overwrite` is not set, or the disk refused.
        """
        from igvm.storage.save import save

        save(path, [self.buffer], overwrite=overwrite)

    def close(self) -> None:
        """Give the mapping back; what is asked of the file from then on is a ValidationError.

        Of a file that is not mapped, headers, columns and data that were taken before go on to
        work.

        Raises:
            ValidationError: a table, a header or a memoryview of a mapped file is still in use.
                The file stays open.
        """
        if self._buffer is None or self._section_bytes is None:
            return
        for name in _CACHED:
            self.__dict__.pop(name, None)
        self._section_bytes.release()
        self._buffer.release()
        if self._mapping is not None:
            try:
                self._mapping.close()
            except BufferError:
                # What was released is taken again: the file stays open, and all works as before.
                self._buffer = memoryview(self._mapping)[self._mapped]
                start = self.section_offset
                end = start + self.fixed_header.variable_header_size
                self._section_bytes = self._buffer[start:end]
                message = "the file cannot be closed while its headers, columns or data are in use"
                raise ValidationError(message, path=self.path) from None
        self._buffer = self._section_bytes = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Views may outlive the block; the mapping then lives as long as they do.
        try:
            self.close()
        except ValidationError:
            self._mapping = self._buffer = self._section_bytes = None

    if not TYPE_CHECKING:  # checkers are to see names that there are not

        def __getattr__(self, name: str) -> NoReturn:
            """Say which name may be meant.

            Raises:
                MissingAttributeError: always.
            """
            hint = None
            if not name.startswith("_"):
                own = [known for known in dir(type(self)) if not known.startswith("_")]
                near = nearest(name, own)
                hint = near if near.startswith("did you mean") else "see help(igvm.IgvmFile)"
                if name == "pages":
                    hint = "file.table(igvm.PageData) has the pages"
            raise MissingAttributeError(f"a file has no attribute {name!r}", hint=hint)

    def __repr__(self) -> str:
        name = f" {self.path}" if self.path else ""
        if self._buffer is None:
            return f"<IgvmFile{name}: closed>"
        platforms = ", ".join(map(str, self.platforms)) or "no platform"
        return (
            f"<IgvmFile{name}: version {self.revision}, {platforms}, {len(self.headers)} headers>"
        )

    def _repr_html_(self) -> str | None:
        """What notebooks show; nothing of a file that is closed, so that they show its repr."""
        if self._buffer is None:
            return None
        from igvm.file.notebook_tables import file_html

        return file_html(self)


def _fixed_header(buffer: memoryview, path: str | None) -> FixedHeaderV1 | FixedHeaderV2:
    """The fixed header, of the version it names."""

    def wrong(message: str, offset: int, field: str, hint: str | None = None) -> FormatError:
        return FormatError(
            message, path=path, offset=offset, header="FIXED_HEADER", field=field, hint=hint
        )

    if len(buffer) < FixedHeaderV1.SIZE:
        message = f"the file has {len(buffer)} bytes, a fixed header {FixedHeaderV1.SIZE}"
        raise wrong(message, 0, "", _hint_of_other(buffer))
    fixed = FixedHeaderV1.unpack_from(buffer)
    if fixed.magic != MAGIC:
        message = f"magic is {fixed.magic:#010x} and not {MAGIC:#010x}"
        raise wrong(message, 0, "magic", _hint_of_other(buffer))
    if fixed.format_version == 0:
        raise wrong("there is no format version 0", 4, "format_version")
    if fixed.format_version == 1:
        return fixed
    # Version 2 and future versions use the version 2 header (igvm_defs, "Fixed Header").
    if len(buffer) < FixedHeaderV2.SIZE:
        raise wrong(
            f"the file has {len(buffer)} bytes, a version 2 fixed header {FixedHeaderV2.SIZE}",
            0,
            "",
        )
    return FixedHeaderV2.unpack_from(buffer)


def _hint_of_other(buffer: memoryview) -> str:
    """What a file is that is no IGVM file."""
    from igvm.file.other_files import other_file_hint
    from igvm.file.read import is_igvm

    return "the file is cut short" if is_igvm(buffer) else other_file_hint(buffer)
