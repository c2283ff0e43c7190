"""Random bytes and random objects for any record class."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from igvm.wire.record import Field, Record

_DRAWN = 64
"""Bytes that hypothesis draws one by one, and can shrink; longer runs come from a seed."""


def octets(size: int) -> st.SearchStrategy[bytes]:
    """`size` random bytes."""
    if size <= _DRAWN:
        return st.binary(min_size=size, max_size=size)
    return st.integers(0, 1 << 32).map(lambda seed: random.Random(seed).randbytes(size))


def values(item: Field) -> st.SearchStrategy[Any]:
    """What a field can hold, extremes more often than chance has it."""
    if item.kind == "octets":
        return octets(item.size)
    if item.kind == "record":
        return records(item.type)
    if item.kind == "array":
        distinct = st.lists(records(item.type), min_size=1, max_size=2)
        return distinct.map(lambda few: tuple(few[i % len(few)] for i in range(item.count)))
    number = st.integers(0, (1 << 8 * item.size) - 1)
    return number.map(item.type) if item.type else number


def records(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Records of one class with random values in every field."""
    make: Any = kind
    fields = st.fixed_dictionaries({item.name: values(item) for item in kind.FIELDS})
    return fields.map(lambda drawn: make(**drawn))
