"""Open enums on their own: names on demand, no growth, and the cache in front of them."""

from __future__ import annotations

import json
from enum import IntFlag
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.wire.openenum import _MOST_CACHED, OpenEnum, ValueCache


class Kind(OpenEnum):
    """An enum with a gap."""

    A = 0
    B = 1
    D = 3


class Marks(IntFlag):
    """Flags with a gap."""

    X = 1
    Z = 4


class Counted(OpenEnum):
    """An enum that counts how often an unknown value is looked up."""

    A = 0

    @classmethod
    def _missing_(cls, value: object) -> Counted | None:
        CALLS.append(value)
        return super()._missing_(value)


CALLS: list[object] = []


def test_known_values() -> None:
    """A value with a name is its member."""
    assert Kind.B is Kind(1)
    assert (True, "B") == (Kind(1).is_known, Kind(1).name)


@pytest.mark.parametrize(
    ("value", "name"),
    [(2, "UNKNOWN_0x2"), (255, "UNKNOWN_0xff"), (1 << 64, "UNKNOWN_0x10000000000000000")],
)
def test_unknown_values(value: int, name: str) -> None:
    """A value without a name is named after itself."""
    member = Kind(value)
    assert (name, value, False) == (member.name, member.value, member.is_known)
    assert isinstance(member, Kind)
    assert f"<Kind.{name}: {value}>" == repr(member)


@given(st.integers(0, 1 << 70))
def test_members_are_their_numbers(value: int) -> None:
    """Whatever the value: equality, order, hash, arithmetic and JSON are those of the integer."""
    member = Kind(value)
    assert value == member
    assert hash(value) == hash(member)
    assert {value: 1} == {member: 1}
    assert value + 1 == member + 1 > member
    assert f"{value:#x}" == f"{member:#x}"
    assert str(value) == json.dumps(member)
    assert member.name == str(member) == f"{member}"


def test_unknown_members_are_equal_not_identical() -> None:
    """Two members for one unknown value are equal, and differ from other values."""
    assert Kind(9) == Kind(9)
    assert Kind(9) != Kind(8)
    assert Kind(9) is not Kind(9)


def test_members_of_two_enums() -> None:
    """A member made on demand is of the enum that made it."""
    assert (Kind, Counted) == (type(Kind(9)), type(Counted(9)))


@pytest.mark.parametrize("value", [-1, -(1 << 70), "1", b"\x01", None, 2.5, ()], ids=repr)
def test_what_is_no_value(value: Any) -> None:
    """Only unsigned integers are values."""
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Kind(value)


def test_enum_does_not_grow() -> None:
    """Members made on demand are not recorded."""
    for value in range(100, 200):
        assert value not in {int(member) for member in Kind}
        Kind(value)
    assert [0, 1, 3] == [int(member) for member in Kind]
    assert ["A", "B", "D"] == list(Kind.__members__)
    assert 3 == len(Kind)


def test_lookup_by_name_knows_the_named_only() -> None:
    """A name made on demand cannot be looked up."""
    assert "UNKNOWN_0x9" == Kind(9).name
    assert Kind.D is Kind["D"]
    with pytest.raises(KeyError):
        Kind["UNKNOWN_0x9"]


@given(st.integers(0, 1 << 32))
def test_cache_gives_what_the_class_gives(value: int) -> None:
    """Cached or not, an enum value and a flags value are what the class makes of the number."""
    kinds, marks = ValueCache(Kind), ValueCache(Marks)
    for _ in range(2):
        assert (Kind(value), Kind(value).name) == (kinds[value], kinds[value].name)
        assert (Marks(value), Marks) == (marks[value], type(marks[value]))


def test_cache_asks_once() -> None:
    """A value that was seen is not made again."""
    cache = ValueCache(Counted)
    first = cache[7]
    CALLS.clear()
    assert first is cache[7]
    assert [] == CALLS


def test_cache_is_bounded() -> None:
    """A file with many values does not fill the memory, and values beyond the bound are right."""
    cache = ValueCache(Kind)
    for value in range(_MOST_CACHED + 500):
        assert value == cache[value]
    assert _MOST_CACHED == len(cache)
    assert "UNKNOWN_0x1000000" == cache[0x1000000].name
    assert _MOST_CACHED == len(cache)
