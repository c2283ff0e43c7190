"""Every structure as annotated bytes and as values: read, written and seen through numpy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from igvm.wire.record import Record
from tests.spec.fixtures import contexts, directives, snp_structures, start, vmsa
from tests.spec.fixtures.annotated import Fixture, lines
from tests.spec.layout_table import LAYOUTS
from tests.spec.records import RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = (
    *start.FIXTURES,
    *directives.FIXTURES,
    *contexts.FIXTURES,
    *snp_structures.FIXTURES,
    *vmsa.FIXTURES,
)
every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)


def test_every_record_has_one_fixture() -> None:
    """No structure of igvm.spec is left out, and none is there twice."""
    assert sorted(RECORDS) == sorted(fixture.name for fixture in FIXTURES)


@every_fixture
def test_comments_tell_the_truth(fixture: Fixture) -> None:
    """Each line holds the field that its comment names, as long as the layout table says."""

    def fields(of: str, path: str) -> Iterator[tuple[str, int]]:
        for name, _, size in LAYOUTS[of].fields:
            yield from field(of, name, path + name, size)

    def field(of: str, name: str, path: str, size: int) -> Iterator[tuple[str, int]]:
        inner = next(item.type for item in RECORDS[of].FIELDS if item.name == name)
        if not (isinstance(inner, type) and issubclass(inner, Record)):
            yield path, size
        elif size == LAYOUTS[inner.__name__].size:
            yield from fields(inner.__name__, f"{path}.")
        else:
            for i in range(size // LAYOUTS[inner.__name__].size):
                yield from fields(inner.__name__, f"{path}[{i}].")

    expected = list(fields(fixture.name, ""))
    actual = [(line.path, len(line.data)) for line in lines(fixture.text)]
    # A line such as entries[2:63] is for elements that are zero.
    for path, size in actual:
        if match := re.fullmatch(r"(\w+)\[(\d+):(\d+)\]", path):
            skipped = range(int(match[2]), int(match[3]))
            inside = tuple(f"{match[1]}[{i}]." for i in skipped)
            assert size == sum(length for name, length in expected if name.startswith(inside))
            where = next(i for i, (name, _) in enumerate(expected) if name.startswith(inside))
            expected = [pair for pair in expected if not pair[0].startswith(inside)]
            expected.insert(where, (path, size))
    assert expected == actual


@every_fixture
def test_no_two_fields_are_alike(fixture: Fixture) -> None:
    """Fields of one size differ and are not zero, so that a swap of two shows."""
    data = [line.data for line in lines(fixture.text) if ":" not in line.path]
    assert len(data) == len(set(data))
    assert all(any(value) for value in data)


@every_fixture
def test_bytes_become_values(fixture: Fixture) -> None:
    """Each field of the unpacked record has the value, and the type, that is written down."""
    record = fixture.record.unpack_from(fixture.data)
    actual = {item.name: getattr(record, item.name) for item in record.FIELDS}
    assert fixture.values == actual
    assert {name: type(value) for name, value in fixture.values.items()} == {
        name: type(value) for name, value in actual.items()
    }
    assert type(record) is fixture.record


@every_fixture
def test_values_become_bytes(fixture: Fixture) -> None:
    """A record made of the values packs to the bytes."""
    make: Any = fixture.record
    assert fixture.data == make(**fixture.values).pack()


@every_fixture
def test_bytes_survive(fixture: Fixture) -> None:
    """Unpacking and packing again gives the same bytes, from the middle of a buffer too."""
    buffer = memoryview(b"\xee" * 5 + fixture.data + b"\xee" * 3)
    assert fixture.data == fixture.record.unpack_from(buffer, 5).pack()


@every_fixture
def test_numpy_reads_the_values(fixture: Fixture) -> None:
    """A numpy row of the same bytes has the same values."""
    row = np.frombuffer(fixture.data, fixture.record.dtype())[0]
    for name, value in fixture.values.items():
        if isinstance(value, int):
            assert int(value) == int(row[name])
        elif isinstance(value, tuple):
            assert b"".join(element.pack() for element in value) == row[name].tobytes()
        else:
            data = value if isinstance(value, bytes) else value.pack()
            assert data == row[name].tobytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0102  # a", [("a", b"\x01\x02")]),
        ("01*3 0405  # a.b words", [("a.b", b"\x01\x01\x01\x04\x05")]),
        ("\n00  # a\nff  # b\n", [("a", b"\0"), ("b", b"\xff")]),
    ],
    ids=["hex", "repeated", "two-lines"],
)
def test_notation(text: str, expected: list[tuple[str, bytes]]) -> None:
    """The notation of the fixtures means what its module says."""
    assert expected == list(lines(text))


@pytest.mark.parametrize("text", ["012  # a", "zz  # a", "01*  # a", "01*x  # a"])
def test_notation_is_strict(text: str) -> None:
    """A typing error in a fixture is an error, not other bytes."""
    with pytest.raises(ValueError, match="is not hex in"):
        list(lines(text))
