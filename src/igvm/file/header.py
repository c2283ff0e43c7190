"""One variable header where it stands: its place, its raw bytes and its typed record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from igvm.errors import MissingItemError, nearest
from igvm.spec.enums import OPTIONAL_BIT, HeaderType, Section
from igvm.spec.registry import HEADERS, HeaderRecord, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import HeaderView

R = TypeVar("R", bound=HeaderRecord, covariant=True)


class Header(Generic[R]):
    """A variable header of a file; the fields of its record can be read from it directly.

    Attributes:
        index: its position among all headers of the file.
        offset: byte offset of its type field in the file.
        raw_type: the type field as it is, optional bit included.
        body: the bytes that its length field counts.
        padding: the bytes after it up to a multiple of 8, zero by the specification.
    """

    __slots__ = ("_record", "body", "index", "offset", "padding", "raw_type")

    def __init__(
        self, index: int, offset: int, raw_type: int, body: memoryview, padding: memoryview
    ) -> None:
        self.index = index
        self.offset = offset
        self.raw_type = raw_type
        self.body = body
        self.padding = padding
        self._record: HeaderRecord | None = None

    def detached(self) -> Self:
        """This header with bytes of its own, so that it does not keep the file open."""
        body, padding = memoryview(bytes(self.body)), memoryview(bytes(self.padding))
        return type(self)(self.index, self.offset, self.raw_type, body, padding)

    @property
    def record(self) -> R:
        """The typed record; an UnknownHeader where the type or the length is not known."""
        if self._record is None:
            self._record = decode(self.header_type, self.body)
        return self._record  # type: ignore[return-value]

    def __getattr__(self, name: str) -> Any:
        """A field of the record, by its name.

        Raises:
            AttributeError: the record has no such field; the message names the nearest.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        record = self.record
        fields = [item.name for item in getattr(record, "FIELDS", ())] or record.__struct_fields__
        if name in fields:
            return getattr(record, name)
        message = f"a {self.name} header has no field {name!r}; {nearest(name, fields)}"
        raise AttributeError(message)

    @property
    def header_type(self) -> HeaderType:
        """The type, without the optional bit."""
        return HeaderType(self.raw_type & ~OPTIONAL_BIT)

    @property
    def optional(self) -> bool:
        """Whether a loader that does not know the type may skip this header (bit 31)."""
        return bool(self.raw_type & OPTIONAL_BIT)

    @property
    def name(self) -> str:
        """The name of the type: `PAGE_DATA`, `UNKNOWN_0x3ff`."""
        return self.header_type.name

    @property
    def section(self) -> Section:
        """The section that the type belongs to."""
        return self.header_type.section

    @property
    def raw(self) -> bytes:
        """The whole header: type, length, body and padding."""
        length = len(self.body)
        return b"".join(
            (
                self.raw_type.to_bytes(4, "little"),
                length.to_bytes(4, "little"),
                self.body,
                self.padding,
            )
        )

    @property
    def compatibility_mask(self) -> int | None:
        """The platforms this header is for, or None where the type has no mask."""
        spec = HEADERS.get(self.header_type)
        if spec is None or not spec.has_mask:
            return None
        mask: int | None = getattr(self.record, "compatibility_mask", None)
        return mask

    def __repr__(self) -> str:
        optional = " optional" if self.optional else ""
        return f"<Header {self.index} at {self.offset:#x}{optional}: {self.record!r}>"


class HeaderSequence(Sequence[Header[HeaderRecord]]):
    """Some headers of a file, made into objects one by one when asked for."""

    def __init__(self, view: HeaderView, index: NDArray[np.intp] | range) -> None:
        self._view = view
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, item: int) -> Header[HeaderRecord]: ...
    @overload
    def __getitem__(self, item: slice) -> HeaderSequence: ...
    def __getitem__(self, item: int | slice) -> Header[HeaderRecord] | HeaderSequence:
        if isinstance(item, slice):
            return HeaderSequence(self._view, self._index[item])
        try:
            index = int(self._index[item])
        except IndexError:
            raise MissingItemError(f"there is no header {item}: there are {len(self)}") from None
        return self._view.header(index)

    def __iter__(self) -> Iterator[Header[HeaderRecord]]:
        header = self._view.header
        for index in self._index:
            yield header(int(index))

    def __repr__(self) -> str:
        return f"<HeaderSequence of {len(self)}>"
