"""Bit fields on their own: reading, making and changing bits, and those without a name."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.wire.bits import BitField, Bits


class Word(BitField):
    """A word with fields, a required value and a gap."""

    low = Bits(0, 4, "Four bits.")
    flag = Bits(4, 1, "One bit.")
    fixed = Bits(8, 3, "Must be five.", must_be=5)
    high = Bits(60, 4, "The highest four.")


FULL = (1 << 64) - 1
words = st.integers(0, FULL)
fields = st.fixed_dictionaries(
    {},
    optional={
        "low": st.integers(0, 15),
        "flag": st.integers(0, 1),
        "fixed": st.integers(0, 7),
        "high": st.integers(0, 15),
    },
)


def test_reading() -> None:
    """Each field is its bits, shifted down."""
    word = Word(0xA000_0000_0000_0715)
    assert (5, 1, 7, 10) == (word.low, word.flag, word.fixed, word.high)


def test_field_descriptions() -> None:
    """On the class, a field says where it is and what it means."""
    assert ("high", 60, 4, 0xF000_0000_0000_0000) == (
        Word.high.name,
        Word.high.low,
        Word.high.width,
        Word.high.mask,
    )
    assert ("One bit.", None) == (Word.flag.doc, Word.flag.must_be)
    assert (Word.low, Word.flag, Word.fixed, Word.high) == Word.FIELDS


@given(words)
def test_nothing_is_lost(value: int) -> None:
    """Named fields and unknown bits together are the word, and the word is an integer."""
    word = Word(value)
    named = word.low | word.flag << 4 | word.fixed << 8 | word.high << 60
    assert value == named | word.unknown == int(word)
    assert 0 == named & word.unknown


@given(words, fields)
def test_replace_changes_the_named_fields_only(value: int, changes: dict[str, int]) -> None:
    """Other fields and unknown bits stay."""
    word = Word(value)
    other = word.replace(**changes)
    assert {**word.as_dict(), **changes} == other.as_dict()
    assert word.unknown == other.unknown
    assert (Word, value) == (type(other), word)


@given(fields)
def test_of(values: dict[str, int]) -> None:
    """What is not given is zero, or what it must be."""
    word = Word.of(**values)
    assert {"low": 0, "flag": 0, "fixed": 5, "high": 0, **values} == word.as_dict()
    assert (Word, 0) == (type(word), word.unknown)


@pytest.mark.parametrize(
    ("name", "value"), [("low", 16), ("low", -1), ("flag", 2), ("fixed", 8), ("high", 1 << 60)]
)
def test_values_that_do_not_fit(name: str, value: int) -> None:
    """A value wider than its field is an error that names the field and its width."""
    width = {"low": 4, "flag": 1, "fixed": 3, "high": 4}[name]
    message = f"{name} is {value}, which does not fit {width} bits"
    for change in (Word(FULL).replace, Word.of):
        with pytest.raises(ValueError, match=message):
            change(**{name: value})


@pytest.mark.parametrize("name", ["lo", "unknown", "FIELDS", "real"])
def test_names_that_are_no_fields(name: str) -> None:
    """Only fields can be set, not other attributes."""
    for change in (Word(0).replace, Word.of):
        with pytest.raises(AttributeError, match=f"Word has no field {name}"):
            change(**{name: 0})


def test_repr() -> None:
    """The fields that are not zero, in bit order, then the bits without a name."""
    assert "Word(low=0x5, flag=0x1, high=0xa)" == repr(Word(0xA000_0000_0000_0015))
    assert "Word(fixed=0x1, unknown=0x20)" == repr(Word(0x120))
    assert "Word(unknown=0x20)" == repr(Word(0x20))
    assert "Word()" == repr(Word(0))


def test_pickling_and_copying() -> None:
    """A word keeps its class and value."""
    word = Word(0x123)
    for other in (pickle.loads(pickle.dumps(word)), copy.copy(word), copy.deepcopy(word)):
        assert (Word, 0x123) == (type(other), other)


def test_words_are_integers() -> None:
    """Equality and hash are those of the number."""
    assert Word(5) == 5
    assert hash(5) == hash(Word(5))
