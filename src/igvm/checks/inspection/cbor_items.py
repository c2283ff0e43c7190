"""Whether bytes are one item of CBOR (RFC 8949), and how it starts; nothing is decoded."""

from __future__ import annotations

from typing import NamedTuple

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE = 31
_MOST_DEPTH = 64
"""How deep items are followed; documents in use have a dozen levels."""

ARRAY, MAP, TEXT = _ARRAY, _MAP, _TEXT
"""Major types, as `Head.kind` has them."""


class Head(NamedTuple):
    """The start of an item."""

    kind: int
    """The major type, 0 to 7."""
    value: int
    """The number in the head: a value, a length, a count or a tag; -1 for indefinite lengths."""
    end: int
    """Where the head ends."""


def head_at(data: bytes | memoryview, start: int) -> Head | None:
    """The head of the item at `start`; None where there is none."""
    if start >= len(data):
        return None
    kind, short = data[start] >> 5, data[start] & 0x1F
    start += 1
    if short < 24:
        return Head(kind, short, start)
    if short == _INDEFINITE:
        is_open = kind in {_BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE}
        return Head(kind, -1, start) if is_open else None
    if short > 27:
        return None
    size = 1 << short - 24
    if start + size > len(data):
        return None
    value = int.from_bytes(data[start : start + size], "big")
    # A simple value below 32 has one byte; with two it is not well-formed.
    if kind == _SIMPLE and size == 1 and value < 32:
        return None
    return Head(kind, value, start + size)


def is_one_item(data: bytes | memoryview, most: int) -> bool | None:
    """Whether `data` is one well-formed item and nothing else.

    Returns:
        None where that is not known after `most` items.
    """
    end = item_end(data, 0, most)
    return None if end is None else end == len(data)


def item_end(data: bytes | memoryview, start: int, most: int) -> int | None:
    """Where the item at `start` ends; -1 where it is not well-formed.

    Returns:
        None where that is not known after `most` items.
    """
    position = start
    # How many items each level still needs; -1 until a break.
    open_items = [1]
    kinds = [_ARRAY]
    for _ in range(most):
        while open_items and open_items[-1] == 0:
            open_items.pop()
            kinds.pop()
        if not open_items:
            return position
        head = head_at(data, position)
        if head is None or len(open_items) > _MOST_DEPTH:
            return -1
        position = head.end
        if head.kind == _SIMPLE and head.value < 0:
            # A break ends what has no length; in a map, after whole pairs.
            if open_items[-1] >= 0 or (kinds[-1] == _MAP and open_items[-1] % 2 == 0):
                return -1
            open_items.pop()
            kinds.pop()
            continue
        is_chunk = kinds[-1] in {_BYTES, _TEXT}
        if is_chunk and (head.kind != kinds[-1] or head.value < 0):
            return -1
        open_items[-1] -= 1
        if head.kind in {_BYTES, _TEXT} and head.value >= 0:
            position += head.value
            if position > len(data):
                return -1
        elif head.kind in {_BYTES, _TEXT, _ARRAY, _MAP, _TAG}:
            count = 1 if head.kind == _TAG else head.value * (2 if head.kind == _MAP else 1)
            # Every item takes a byte.
            if count > len(data) - position:
                return -1
            open_items.append(count if head.value >= 0 or head.kind == _TAG else -1)
            kinds.append(head.kind)
    return None


def member(data: bytes | memoryview, head: Head, key: int, most: int) -> int | None:
    """Where the value under the small number `key` of a map starts; None where it is not found.

    Only maps of a definite length are looked at.
    """
    if head.kind != MAP or not 0 <= head.value <= most:
        return None
    position = head.end
    for _ in range(head.value):
        name = head_at(data, position)
        end = item_end(data, position, most)
        if name is None or end is None or end < 0:
            return None
        if (name.kind, name.value) == (_UINT, key):
            return end
        end = item_end(data, end, most)
        if end is None or end < 0:
            return None
        position = end
    return None


def tags_of(data: bytes | memoryview, start: int = 0) -> tuple[tuple[int, ...], Head | None]:
    """The tags in front of an item, at most eight, and the head of what they are about."""
    tags: list[int] = []
    head = head_at(data, start)
    while head is not None and head.kind == _TAG and len(tags) < 8:
        tags.append(head.value)
        head = head_at(data, head.end)
    return tuple(tags), head
