"""The record machinery: how a declaration becomes an object, a codec and a dtype."""

from __future__ import annotations

import copy
import pickle
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from igvm.spec import directive
from igvm.wire.openenum import OpenEnum
from igvm.wire.record import (
    Record,
    array,
    enum8,
    enum16,
    enum32,
    field,
    flags8,
    flags16,
    flags32,
    flags64,
    nested,
    octets,
    u8,
    u16,
    u32,
    u64,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Color(OpenEnum):
    """An enum with a gap."""

    RED = 1
    BLUE = 3


class Style(IntFlag):
    """Flags with a gap."""

    BOLD = 1
    WIDE = 4


class Point(Record):
    """Two integers of two sizes, the required one last."""

    x: u8 = field(default=7)
    y: u16


class Sample(Record):
    """One field of each kind, in an order that no alignment would choose."""

    one: u8
    two: u16
    four: u32
    eight: u64
    color8: enum8[Color]
    color16: enum16[Color]
    color32: enum32[Color]
    style8: flags8[Style]
    style16: flags16[Style]
    style32: flags32[Style]
    style64: flags64[Style]
    name: octets = field(size=3)
    start: nested[Point]
    path: array[Point] = field(count=2)


class Labelled(Point):
    """A record with the bytes of another and a name of its own."""


SAMPLE_HEX = """
01 0302 07060504 0f0e0d0c0b0a0908
03 0100 09000000
05 0400 01000000 0300000000000000
616263
11 1312
21 2322 31 3332
"""

SAMPLE = Sample(
    one=0x01,
    two=0x0203,
    four=0x04050607,
    eight=0x08090A0B0C0D0E0F,
    color8=Color.BLUE,
    color16=Color.RED,
    color32=Color(9),
    style8=Style.BOLD | Style.WIDE,
    style16=Style.WIDE,
    style32=Style.BOLD,
    style64=Style(3),
    name=b"abc",
    start=Point(x=0x11, y=0x1213),
    path=(Point(x=0x21, y=0x2223), Point(x=0x31, y=0x3233)),
)


def test_every_kind_of_field_packs() -> None:
    """Fields are little-endian, in the order of the class body, without padding."""
    assert bytes.fromhex(SAMPLE_HEX) == SAMPLE.pack()


def test_every_kind_of_field_unpacks() -> None:
    """The same bytes are the same object, with enums, flags and inner records."""
    actual = Sample.unpack_from(bytes.fromhex(SAMPLE_HEX))
    assert SAMPLE == actual
    for item in Sample.FIELDS:
        assert type(getattr(SAMPLE, item.name)) is type(getattr(actual, item.name))


def test_fields_are_described() -> None:
    """FIELDS says where everything lies."""
    expected = [
        ("one", "integer", 0, 1, None),
        ("two", "integer", 1, 2, None),
        ("four", "integer", 3, 4, None),
        ("eight", "integer", 7, 8, None),
        ("color8", "enum", 15, 1, Color),
        ("color16", "enum", 16, 2, Color),
        ("color32", "enum", 18, 4, Color),
        ("style8", "flags", 22, 1, Style),
        ("style16", "flags", 23, 2, Style),
        ("style32", "flags", 25, 4, Style),
        ("style64", "flags", 29, 8, Style),
        ("name", "octets", 37, 3, None),
        ("start", "record", 40, 3, Point),
        ("path", "array", 43, 6, Point),
    ]
    assert expected == [
        (item.name, item.kind, item.offset, item.size, item.type) for item in Sample.FIELDS
    ]
    assert 49 == Sample.SIZE == Sample.dtype().itemsize
    assert 2 == Sample.FIELDS[-1].count


def test_order_of_bytes_is_the_order_of_the_body() -> None:
    """A default before a required field changes neither the bytes nor which value is whose."""
    assert b"\x07\x02\x01" == Point(y=0x0102).pack()
    assert Point(x=9, y=0x0102) == Point.unpack_from(b"\x09\x02\x01")


def test_defaults() -> None:
    """A field that is not given has its default."""
    assert (7, 1) == (Point(y=1).x, Point(y=1).y)


def test_required_fields() -> None:
    """A field without a default must be given."""
    make: Any = Point
    with pytest.raises(TypeError, match="Missing required argument 'y'"):
        make(x=1)


def test_unknown_fields() -> None:
    """A name that is no field is an error."""
    make: Any = Point
    with pytest.raises(TypeError, match="z"):
        make(y=1, z=2)


def test_records_are_frozen() -> None:
    """A field cannot be set."""
    point: Any = Point(y=1)
    with pytest.raises(AttributeError):
        point.y = 2
    assert 1 == point.y


def test_replace() -> None:
    """A changed copy, while the record stays as it is."""
    point = Point(x=1, y=2)
    assert Point(x=1, y=3) == point.replace(y=3)
    assert Point(x=1, y=2) == point
    assert point == point.replace()


def test_replace_refuses_unknown_fields() -> None:
    """The error names all that are no fields."""
    with pytest.raises(AttributeError, match="Point has no field alpha, z"):
        Point(y=1).replace(z=1, y=2, alpha=3)


def test_equality() -> None:
    """Records are equal when class and values are, and then have one hash."""
    assert Point(x=1, y=2) == Point(x=1, y=2)
    assert Point(x=1, y=2) != Point(x=1, y=3)
    assert Point(x=1, y=2) != Labelled(x=1, y=2)
    assert 1 == len({Point(x=1, y=2), Point(x=1, y=2)})
    assert 1 == len({SAMPLE, Sample.unpack_from(SAMPLE.pack())})


@pytest.mark.parametrize("record", [SAMPLE, Labelled(y=1)], ids=["sample", "labelled"])
def test_pickling_and_copying(record: Record) -> None:
    """Records can be sent to another process."""
    for other in (pickle.loads(pickle.dumps(record)), copy.copy(record), copy.deepcopy(record)):
        assert (record, type(record)) == (other, type(other))


def test_source_is_kept() -> None:
    """The generated codec can be read, and shows under the record's name in a traceback."""
    for function in ("def unpack_from", "def iter_unpack", "def pack"):
        assert function in Sample.SOURCE
    code: Any = Sample.pack
    assert "<igvm record Sample>" == code.__code__.co_filename


def test_base_has_no_bytes() -> None:
    """Record itself is not a structure."""
    for call in (lambda: Record.unpack_from(b""), lambda: Record.iter_unpack(b""), Record().pack):
        with pytest.raises(TypeError):
            call()


def test_class_constants_are_no_fields() -> None:
    """What is not annotated with a wire type is an ordinary class attribute."""

    class WithConstant(Record):
        """A record with a constant."""

        LIMIT = 5
        value: u8

    assert ["value"] == [item.name for item in WithConstant.FIELDS]
    assert (5, 1) == (WithConstant.LIMIT, WithConstant.SIZE)


# --- subclasses ---------------------------------------------------------------------------------


def test_subclasses_have_the_bytes_of_their_base() -> None:
    """Without fields of its own, a subclass has the layout of its base."""
    assert Point.FIELDS == Labelled.FIELDS
    assert Point.SIZE == Labelled.SIZE
    assert Point.dtype() == Labelled.dtype()


@pytest.mark.parametrize(
    "kind",
    [Labelled, directive.VPCount, directive.SRAT, directive.EnvironmentInfo],
    ids=lambda kind: kind.__name__,
)
def test_subclasses_give_their_own_class(kind: type[Record]) -> None:
    """Whatever makes a record from one of a subclass, or from its bytes, makes the subclass."""
    raw = bytes(range(kind.SIZE))
    record = kind.unpack_from(raw)
    assert kind is type(record)
    assert [kind, kind] == [type(record) for record in kind.iter_unpack(raw * 2)]
    assert kind is type(record.replace(**{kind.FIELDS[0].name: 1}))
    assert raw == record.pack()


def test_base_stays_itself() -> None:
    """Subclassing does not change what the base unpacks to."""
    assert Point is type(Point.unpack_from(bytes(3)))
    assert directive.Parameter is type(directive.Parameter.unpack_from(bytes(8)))


# --- numpy --------------------------------------------------------------------------------------


def test_dtype() -> None:
    """Packed, little-endian, one name a field; bytes as rows, records inside records."""
    dtype = Sample.dtype()
    assert tuple(item.name for item in Sample.FIELDS) == dtype.names
    assert np.dtype("<u8") == dtype["eight"]
    assert np.dtype("<u4") == dtype["style32"]
    assert (np.dtype("u1"), (3,)) == dtype["name"].subdtype
    assert Point.dtype() == dtype["start"]
    assert (Point.dtype(), (2,)) == dtype["path"].subdtype
    assert Sample.dtype() is dtype


def test_columns() -> None:
    """The name of a column is the class attribute's, also on a subclass."""
    rows = np.frombuffer(b"\x01\x02\x03\x04\x05\x06", Labelled.dtype())
    inherited: Any = Labelled
    assert ("x", "y") == (Point.x.__name__, inherited.y.__name__)
    assert [1, 4] == rows[Point.x.__name__].tolist()
    assert [0x0302, 0x0605] == rows[inherited.y.__name__].tolist()


# --- declarations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reserved"),
    [("reserved", True), ("reserved2", True), ("mbz", True), ("x", False), ("pad", False)],
)
def test_reserved(name: str, reserved: bool) -> None:  # noqa: FBT001
    """The name says whether a field must be zero."""
    body = {"__annotations__": {name: u8}, "__module__": __name__}
    meta: Any = type(Record)
    declared = meta("Made", (Record,), body)
    assert reserved == declared.FIELDS[0].is_reserved


def test_bare_defaults() -> None:
    """A default may also be given without field()."""
    meta: Any = type(Record)
    declared = meta(
        "Made", (Record,), {"__annotations__": {"x": u16}, "x": 5, "__module__": __name__}
    )
    assert b"\x05\x00" == declared().pack()


def from_numpy(data: bytes) -> Any:
    """The bytes as an array."""
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize(
    "make",
    [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data)), from_numpy],
    ids=["bytes", "bytearray", "memoryview", "writable", "numpy"],
)
def test_buffers(make: Callable[[bytes], Any]) -> None:
    """Any contiguous buffer of bytes can be unpacked, and its fields of bytes are copies."""
    record = Sample.unpack_from(make(b"\xff" + SAMPLE.pack()), 1)
    assert SAMPLE == record
    assert bytes is type(record.name)
    assert [Point(x=1, y=0x0302)] == list(Point.iter_unpack(make(b"\x01\x02\x03")))
