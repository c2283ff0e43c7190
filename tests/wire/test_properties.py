"""What holds for every record class whatever its bytes: no loss, and columns equal to objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.records import RECORDS
from tests.wire.strategies import octets, records

if TYPE_CHECKING:
    from igvm.wire.record import Record

every_record = pytest.mark.parametrize("kind", RECORDS.values(), ids=RECORDS)
few = settings(max_examples=25)


@every_record
@few
@given(data=st.data())
def test_bytes_survive(kind: type[Record], data: st.DataObject) -> None:
    """pack(unpack(x)) == x: unknown values, reserved fields and all."""
    raw = data.draw(octets(kind.SIZE))
    assert raw == kind.unpack_from(raw).pack()


@every_record
@few
@given(data=st.data())
def test_objects_survive(kind: type[Record], data: st.DataObject) -> None:
    """unpack(pack(x)) == x, in class and types too."""
    record = data.draw(records(kind))
    other = kind.unpack_from(record.pack())
    assert record == other
    assert kind is type(other)
    for item in kind.FIELDS:
        assert type(getattr(record, item.name)) is type(getattr(other, item.name))


@every_record
@few
@given(data=st.data())
def test_one_changed_byte_changes_one_field(kind: type[Record], data: st.DataObject) -> None:
    """A byte belongs to the field whose range it lies in, and to no other."""
    raw = data.draw(octets(kind.SIZE))
    where = data.draw(st.integers(0, kind.SIZE - 1))
    bent = bytearray(raw)
    bent[where] ^= data.draw(st.integers(1, 255))
    before, after = kind.unpack_from(raw), kind.unpack_from(bent)
    changed = [
        item.name for item in kind.FIELDS if getattr(before, item.name) != getattr(after, item.name)
    ]
    expected = [item.name for item in kind.FIELDS if 0 <= where - item.offset < item.size]
    assert expected == changed


def check_equal(value: Any, cell: Any) -> None:
    """The value of an object's field is what the same field of a numpy row holds."""
    if isinstance(value, int):
        assert int(value) == int(cell)
    elif isinstance(value, bytes):
        assert value == cell.tobytes()
    elif isinstance(value, tuple):
        assert len(value) == len(cell)
        for element, inner in zip(value, cell, strict=True):
            check_equal(element, inner)
    else:
        for item in value.FIELDS:
            check_equal(getattr(value, item.name), cell[item.name])


@every_record
@settings(max_examples=10)
@given(data=st.data())
def test_columns_equal_objects(kind: type[Record], data: st.DataObject) -> None:
    """The column of a field holds what the objects hold, row by row, for any bytes."""
    raw = data.draw(octets(kind.SIZE * 3))
    rows = np.frombuffer(raw, kind.dtype())
    objects = list(kind.iter_unpack(raw))
    assert len(rows) == len(objects) == 3
    for item in kind.FIELDS:
        column = rows[getattr(kind, item.name).__name__]
        for record, cell in zip(objects, column, strict=True):
            check_equal(getattr(record, item.name), cell)


@every_record
@settings(max_examples=10)
@given(data=st.data())
def test_strided_columns_equal_objects(kind: type[Record], data: st.DataObject) -> None:
    """The same where each record stands behind a prefix and before padding, as in a file."""
    stride = 8 + (kind.SIZE + 7 & ~7)
    raw = data.draw(octets(stride * 2))
    held = np.frombuffer(raw, np.uint8)
    rows: Any = np.ndarray((2,), kind.dtype(), held, 8, (stride,))
    for i in range(2):
        record = kind.unpack_from(raw, i * stride + 8)
        for item in kind.FIELDS:
            check_equal(getattr(record, item.name), rows[i][item.name])


@every_record
@few
@given(data=st.data())
def test_iteration_equals_unpacking_each(kind: type[Record], data: st.DataObject) -> None:
    """iter_unpack gives what unpack_from gives at each multiple of the size."""
    raw = data.draw(octets(kind.SIZE * data.draw(st.integers(0, 3))))
    expected = [kind.unpack_from(raw, offset) for offset in range(0, len(raw), kind.SIZE)]
    assert expected == list(kind.iter_unpack(raw))
