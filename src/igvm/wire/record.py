"""Records: a class of annotated fields becomes a typed object, a codec and a numpy dtype.

```python
class PageData(Record):
    \"\"\"IGVM_VHS_PAGE_DATA: one page of initial guest memory.\"\"\"

    gpa: u64
    \"\"\"Where the page goes. Multiple of 4 KiB.\"\"\"
    reserved: u16 = field(default=0)
```

`PageData(gpa=0x1000)` is a frozen msgspec struct, `PageData.unpack_from(buffer, offset)` and
`.pack()` are generated from the same annotations (the source is kept in `PageData.SOURCE`), and
`table[PageData.gpa]` is a column, typed. This module is the only metaprogramming in the project.
"""

from __future__ import annotations

import operator
import struct
import sys
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    dataclass_transform,
    get_args,
    overload,
)

import msgspec

from igvm.errors import FormatError, MissingAttributeError, nearest
from igvm.wire.openenum import ValueCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    Buffer = bytes | bytearray | memoryview

__all__ = [
    "Field",
    "Record",
    "Wire",
    "array",
    "enum8",
    "enum16",
    "enum32",
    "field",
    "flags8",
    "flags16",
    "flags32",
    "flags64",
    "nested",
    "octets",
    "u8",
    "u16",
    "u32",
    "u64",
]

T = TypeVar("T")
D = TypeVar("D", bound="np.generic", covariant=True)
E = TypeVar("E", bound=int)
R = TypeVar("R", bound="Record")


class Wire(Generic[T, D]):
    """A field as checkers see it: `T` on an object, `Wire` on the class, `D` in a column."""

    __name__: str

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: Any) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: Any) -> T: ...
        def __get__(self, instance: object | None, owner: Any) -> Self | T: ...
        def __set__(self, instance: object, value: T) -> None: ...


class _Kind(NamedTuple):
    """What a field type alias means: its kind, and the struct code of a scalar."""

    name: str
    code: str = ""


u8 = Annotated[Wire[int, "np.uint8"], _Kind("integer", "B")]
u16 = Annotated[Wire[int, "np.uint16"], _Kind("integer", "H")]
u32 = Annotated[Wire[int, "np.uint32"], _Kind("integer", "I")]
u64 = Annotated[Wire[int, "np.uint64"], _Kind("integer", "Q")]
enum8 = Annotated[Wire[E, "np.uint8"], _Kind("enum", "B")]
enum16 = Annotated[Wire[E, "np.uint16"], _Kind("enum", "H")]
enum32 = Annotated[Wire[E, "np.uint32"], _Kind("enum", "I")]
flags8 = Annotated[Wire[E, "np.uint8"], _Kind("flags", "B")]
flags16 = Annotated[Wire[E, "np.uint16"], _Kind("flags", "H")]
flags32 = Annotated[Wire[E, "np.uint32"], _Kind("flags", "I")]
flags64 = Annotated[Wire[E, "np.uint64"], _Kind("flags", "Q")]
octets = Annotated[Wire[bytes, "np.uint8"], _Kind("octets")]
nested = Annotated[Wire[R, "np.void"], _Kind("record")]
array = Annotated[Wire[tuple[R, ...], "np.void"], _Kind("array")]

_SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
_RESERVED = ("reserved", "mbz")


class _Extra(msgspec.Struct, frozen=True):
    """What `field()` was told."""

    default: Any
    size: int
    count: int


def field(*, default: Any = ..., size: int = 0, count: int = 0) -> Any:
    """A field with a default, a size in bytes (`octets`) or a count of records (`array`)."""
    return _Extra(default, size, count)


class Field(msgspec.Struct, frozen=True, gc=False):
    """One field of a record: where it lies and how it is read."""

    name: str
    kind: str
    """One of integer, enum, flags, octets, record, array."""
    offset: int
    """Bytes from the start of the record."""
    size: int
    """Bytes in all."""
    type: Any = None
    """The enum, the flags or the record class; None for integers and octets."""
    count: int = 1
    """Records in an array."""
    code: str = ""
    """The struct code of a scalar."""
    default: Any = ...

    @property
    def is_reserved(self) -> bool:
        """Whether the specification wants zero here."""
        return self.name.startswith(_RESERVED)


def _fields(annotations: Mapping[str, Any], values: Mapping[str, Any], scope: Any) -> list[Field]:
    """The fields of a class body, in the order of the bytes."""
    result: list[Field] = []
    offset = 0
    for name, text in annotations.items():
        annotation = eval(text, scope) if isinstance(text, str) else text  # noqa: S307 - our own source
        kind = next(
            (x for x in getattr(annotation, "__metadata__", ()) if isinstance(x, _Kind)), None
        )
        if kind is None:  # a ClassVar
            continue
        held = get_args(annotation.__origin__)[0]
        extra = values.get(name, _Extra(..., 0, 0))
        if not isinstance(extra, _Extra):
            extra = _Extra(extra, 0, 0)
        if kind.name == "octets":
            size, count, held = extra.size, 1, None
        elif kind.name == "record":
            size, count = held.SIZE, 1
        elif kind.name == "array":
            held = get_args(held)[0]
            size, count = held.SIZE * extra.count, extra.count
        else:
            size, count = _SIZES[kind.code], 1
            held = None if kind.name == "integer" else held
        result.append(Field(name, kind.name, offset, size, held, count, kind.code, extra.default))
        offset += size
    return result


_TEMPLATE = """\
def unpack_from(buffer, offset=0):
    if offset < 0:
        raise _short(buffer, offset)
    try:
        {names}, = _unpack(buffer, offset)
    except (struct.error, OverflowError):
        raise _short(buffer, offset) from None
    return _cls({build})

def iter_unpack(buffer):
    try:
        values = _iter(buffer)
    except struct.error:
        raise _ragged(buffer) from None
    for {names}, in values:
        yield _cls({build})

def pack(self):
    try:
        return _pack({parts})
    except (struct.error, TypeError, AttributeError):
        raise _unfit(self) from None
"""


def _defer(cls: type[Record]) -> None:
    """Have the codec of `cls` made when it is first used: most commands use few structures."""

    def first(name: str) -> Callable[..., Any]:
        def make_and_call(*arguments: Any, **options: Any) -> Any:
            _compile(cls)
            return getattr(cls, name)(*arguments, **options)

        return make_and_call

    cls.unpack_from = staticmethod(first("unpack_from"))  # type: ignore[method-assign]
    cls.iter_unpack = staticmethod(first("iter_unpack"))  # type: ignore[method-assign]
    cls.pack = first("pack")  # type: ignore[method-assign]


def _compile(cls: type[Record]) -> None:
    """Generate the codec of `cls`, and keep its source."""
    for item in cls.FIELDS:
        if item.kind in {"record", "array"} and "SOURCE" not in vars(item.type):
            _compile(item.type)
    fields = cls.FIELDS
    scope: dict[str, Any] = {"struct": struct, "_cls": cls}
    codes, builds, parts = "<", {}, []
    for i, item in enumerate(fields):
        raw, value = f"v{i}", f"self.{item.name}"
        codes += item.code or f"{item.size}s"
        if item.kind in {"enum", "flags"}:
            scope[f"_t{i}"] = ValueCache(item.type)
            builds[item.name] = f"_t{i}[{raw}]"
        elif item.kind == "record":
            scope[f"_t{i}"] = item.type.unpack_from
            builds[item.name] = f"_t{i}({raw})"
            value = f"_inner({value}, _t{i}k)"
            scope[f"_t{i}k"] = item.type
        elif item.kind == "array":
            scope[f"_t{i}"] = item.type.iter_unpack
            builds[item.name] = f"tuple(_t{i}({raw}))"
            value = f"_inners({value}, _t{i}k, {item.count})"
            scope[f"_t{i}k"] = item.type
        else:
            builds[item.name] = raw
            if item.kind == "octets":
                value = f"_exact({value}, {item.size})"
        parts.append(value)
    layout = struct.Struct(codes)
    scope |= {
        "_unpack": layout.unpack_from,
        "_iter": layout.iter_unpack,
        "_pack": layout.pack,
        "_short": lambda buffer, offset: _short(cls, buffer, offset),
        "_ragged": lambda buffer: FormatError(
            f"{len(buffer)} bytes are not a whole number of {cls.SIZE} byte records",
            header=cls.__name__,
        ),
        "_unfit": lambda record: _unfit(cls, record),
        "_exact": _exact,
        "_inner": _inner,
        "_inners": _inners,
    }
    cls.SOURCE = _TEMPLATE.format(
        names=", ".join(f"v{i}" for i in range(len(fields))),
        # The object wants required fields first; the bytes have their own order.
        build=", ".join(builds[name] for name in cls.__struct_fields__),
        parts=", ".join(parts),
    )
    exec(compile(cls.SOURCE, f"<igvm record {cls.__name__}>", "exec"), scope)  # noqa: S102 - generated above
    cls.unpack_from = staticmethod(scope["unpack_from"])  # type: ignore[method-assign]
    cls.iter_unpack = staticmethod(scope["iter_unpack"])  # type: ignore[method-assign]
    cls.pack = scope["pack"]  # type: ignore[method-assign]


def _exact(value: Any, size: int) -> bytes:
    """`value` as bytes, if it is some already, and so many."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        if len(data) == size:
            return data
    raise TypeError


def _inner(value: Any, kind: type[Record]) -> bytes:
    """The bytes of an inner record, if it is of its class and no other."""
    if type(value) is not kind:
        raise TypeError
    packed: bytes = value.pack()
    return packed


def _inners(values: Any, kind: type[Record], count: int) -> bytes:
    """The bytes of an array of records, if it has its length."""
    if not isinstance(values, (tuple, list)) or len(values) != count:
        raise TypeError
    return b"".join(_inner(value, kind) for value in values)


_MOST_SHOWN = 32
"""Bytes, or records of an array, that are shown."""


def _is_set(value: Any) -> bool:
    """Whether a field holds anything but zeroes."""
    if isinstance(value, Record):
        return any(_is_set(getattr(value, item.name)) for item in value.FIELDS)
    if isinstance(value, (bytes, bytearray, tuple, list)):
        return any(_is_set(part) for part in value)
    return bool(value != 0)


def _shown(value: Any) -> str:
    """The value of a field in a few words."""
    if isinstance(value, (Enum, Record)):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        text = bytes(value[:_MOST_SHOWN]).hex()
        return text if len(value) <= _MOST_SHOWN else f"{text}... ({len(value)} bytes)"
    if isinstance(value, (tuple, list)):
        parts = [_shown(part) for part in value[:_MOST_SHOWN] if _is_set(part)]
        more = f", of {len(value)}" if len(parts) < len(value) else ""
        return f"[{', '.join(parts)}{more}]"
    return f"{value:#x}" if type(value) is int else repr(value)


def _short(cls: type[Record], buffer: Any, offset: int) -> FormatError:
    have = max(0, len(buffer) - offset) if offset >= 0 else 0
    return FormatError(
        f"{cls.SIZE} bytes are needed and {have} are left", offset=offset, header=cls.__name__
    )


def _unfit(cls: type[Record], record: Any) -> FormatError:
    """The error that names the first field whose value does not fit its bytes."""
    for item in cls.FIELDS:
        wrong = _wrong(item, getattr(record, item.name))
        if wrong:
            return FormatError(wrong, header=cls.__name__, field=item.name)
    return FormatError("a field holds a value of the wrong kind or length", header=cls.__name__)


def _wrong(item: Field, value: Any) -> str:
    """Why `value` does not fit `item`; nothing where it does."""
    wrong = f"{value!r} does not fit {8 * item.size} unsigned bits"
    try:
        if item.code:
            return "" if 0 <= operator.index(value) < 1 << 8 * item.size else wrong
        if item.kind == "octets":
            wrong = f"a value of exactly {item.size} bytes is needed"
            _exact(value, item.size)
        elif item.kind == "record":
            wrong = f"a {item.type.__name__} is needed"
            _inner(value, item.type)
        else:
            wrong = f"{item.count} records of {item.type.__name__} are needed"
            _inners(value, item.type, item.count)
    except TypeError:
        return wrong
    return ""


if TYPE_CHECKING:
    _StructMeta = type

    class _Struct:
        __struct_fields__: ClassVar[tuple[str, ...]]
else:
    _StructMeta = type(msgspec.Struct)
    _Struct = msgspec.Struct


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class _RecordMeta(_StructMeta):
    """Turns the annotations of a Record into msgspec fields and a codec."""

    def __new__(mcls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        scope = vars(sys.modules[body["__module__"]])
        fields = _fields(body.get("__annotations__", {}), body, scope)
        required = [item for item in fields if item.default is ...]
        optional = [item for item in fields if item.default is not ...]
        kept = {key: value for key, value in body.items() if not isinstance(value, _Extra)}
        kept |= {item.name: item.default for item in optional}
        kept["__annotations__"] = {item.name: Any for item in required + optional}
        cls: Any = super().__new__(
            mcls, name, bases, kept, **({} if TYPE_CHECKING else {"frozen": True, "gc": False})
        )
        if fields:
            cls.FIELDS = tuple(fields)
            cls.SIZE = fields[-1].offset + fields[-1].size
        if hasattr(cls, "FIELDS"):  # a subclass without fields has the bytes of its base
            _defer(cls)
        return cls

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:  # noqa: N805 - a metaclass
            if name == "SOURCE" and "FIELDS" in dir(cls):
                _compile(cls)
                return cls.SOURCE
            raise AttributeError(name)


class Record(_Struct, metaclass=_RecordMeta):
    """The base of every fixed-size structure."""

    FIELDS: ClassVar[tuple[Field, ...]]
    """The fields, in the order of the bytes."""
    SIZE: ClassVar[int]
    """Bytes of one record."""
    SOURCE: ClassVar[str]
    """The generated codec, to read."""

    @classmethod
    def unpack_from(cls, buffer: Buffer, offset: int = 0) -> Self:
        """The record at `offset` of `buffer`.

        Raises:
            FormatError: fewer than `SIZE` bytes are left.
        """
        raise TypeError(cls)

    @classmethod
    def iter_unpack(cls, buffer: Buffer) -> Iterator[Self]:
        """The records that `buffer` is made of, one after the other.

        Raises:
            FormatError: `buffer` is not a whole number of records.
        """
        raise TypeError(cls)

    def pack(self) -> bytes:
        """The `SIZE` bytes of this record.

        Raises:
            FormatError: a value does not fit its field; the error names it.
        """
        raise TypeError(self)

    def __repr__(self) -> str:
        """The fields that are not zero, in hex: `PageData(gpa=0x1000, flags=UNMEASURED)`."""
        values = ((item.name, getattr(self, item.name)) for item in self.FIELDS)
        shown = [f"{name}={_shown(value)}" for name, value in values if _is_set(value)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def replace(self, **changes: Any) -> Self:
        """This record with some fields changed."""
        unknown = changes.keys() - {item.name for item in self.FIELDS}
        if unknown:
            message = f"{type(self).__name__} has no field {', '.join(sorted(unknown))}"
            fields = [item.name for item in self.FIELDS]
            raise MissingAttributeError(message, hint=nearest(min(unknown), fields))
        return msgspec.structs.replace(self, **changes)  # type: ignore[type-var]

    @classmethod
    def dtype(cls) -> np.dtype[np.void]:
        """The numpy dtype of one record: packed, little-endian, one name a field."""
        return _dtype(cls)


_dtypes: dict[type[Record], np.dtype[np.void]] = {}


def _dtype(cls: type[Record]) -> np.dtype[np.void]:
    """The dtype of `cls`, made once."""
    import numpy as np

    if cls not in _dtypes:
        formats: list[Any] = []
        for item in cls.FIELDS:
            if item.code:
                formats.append(f"<u{item.size}")
            elif item.kind == "octets":
                formats.append((np.uint8, (item.size,)))
            else:
                inner = item.type.dtype()
                formats.append(inner if item.kind == "record" else (inner, (item.count,)))
        _dtypes[cls] = np.dtype(
            {
                "names": [item.name for item in cls.FIELDS],
                "formats": formats,
                "offsets": [item.offset for item in cls.FIELDS],
                "itemsize": cls.SIZE,
            }
        )
    return _dtypes[cls]
