"""Structs as JSON by one rule, on one line or indented, and safe to show in a terminal."""

from __future__ import annotations

import functools
import itertools
import operator
import re
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.report.names_and_numbers import flag_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from igvm.report.dump_model import Dump, Entry

_STEERING = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_BATCH = 4096


def encode(model: Any, *, pretty: bool = False) -> bytes:
    """`model` as JSON in UTF-8.

    Enums are their names, flags lists of names, bytes hexadecimal digits in lower case, sets
    sorted lists; all else is as msgspec has it. JSON itself escapes the controls below a blank;
    DEL and the C1 controls, which some terminals obey, are escaped as well.
    """
    return _json(json_value(model), pretty=pretty)


def encode_dump(frame: Dump, entries: Iterable[Entry], *, pretty: bool = False) -> Iterator[bytes]:
    """A dump as JSON in pieces: `frame`, which has no headers, with `entries` as its headers.

    Takes memory for some thousand entries, however many there are.
    """
    # Nothing in the model of a dump needs the rule, and there may be a million entries.
    whole = _json(frame, pretty=pretty)
    # `headers` is the last key, so that its empty list is the last but the closing brace.
    head, _, tail = whole.rpartition(b"[]")
    yield head + b"["
    rest = iter(entries)
    comma = b""
    while batch := list(itertools.islice(rest, _BATCH)):
        inside = _json(batch, pretty=pretty)
        inside = inside[1:-2].replace(b"\n", b"\n  ") if pretty else inside[1:-1]
        yield comma + inside
        comma = b","
    yield (b"\n  ]" if pretty and comma else b"]") + tail


def encode_streamed(
    frame: Any, elements: Iterable[Iterable[bytes]], *, pretty: bool = False
) -> Iterator[bytes]:
    """`frame` as JSON in pieces, with `elements` in the list that is its last field, and empty.

    Args:
        frame: a struct.
        elements: each the JSON of one element, in pieces, such as this function gives.
        pretty: indented; the elements are indented further.
    """
    whole = encode(frame, pretty=pretty)
    head, _, tail = whole.rpartition(b"[]")
    yield head + b"["
    comma = b""
    for element in elements:
        before = comma + (b"\n    " if pretty else b"")
        for piece in element:
            yield before + (piece.replace(b"\n", b"\n    ") if pretty else piece)
            before = b""
        comma = b","
    yield (b"\n  ]" if pretty and comma else b"]") + tail


def _json(value: Any, *, pretty: bool) -> bytes:
    """What msgspec makes of `value`, without controls."""
    text = msgspec.json.encode(value)
    if pretty:
        text = msgspec.json.format(text, indent=2)
    return _STEERING.sub(lambda match: b"\\u%04x" % ord(match.group().decode()), text)


def json_value(value: Any) -> Any:
    """`value` by the rule of `encode`: objects, lists, text, numbers, booleans and None.

    `igvm.report.schemas.json_type` is the same rule for types.
    """
    convert = _converter(type(value))  # type: ignore[arg-type] # python/mypy#11469
    return value if convert is None else convert(value)


@functools.cache
def _converter(kind: type) -> Callable[[Any], Any] | None:
    """What the rule does to values of a type; None if they stay as they are."""
    if issubclass(kind, msgspec.Struct):
        return _struct_converter(kind)
    if issubclass(kind, Flag):
        return flag_names
    if issubclass(kind, Enum):
        return operator.attrgetter("name")
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return operator.methodcaller("hex")
    if issubclass(kind, (set, frozenset)):
        return lambda members: sorted(map(json_value, members))
    if issubclass(kind, (list, tuple)):
        return lambda members: [json_value(member) for member in members]
    if issubclass(kind, dict):
        return lambda members: {
            json_value(key): json_value(member) for key, member in members.items()
        }
    return None


def _struct_converter(kind: type[msgspec.Struct]) -> Callable[[Any], dict[str, Any]]:
    """From a struct of type `kind` to its fields; without those that the struct leaves out."""
    fields = msgspec.structs.fields(kind)
    if not kind.__struct_config__.omit_defaults:
        names = [field.name for field in fields]
        return lambda struct: {name: json_value(getattr(struct, name)) for name in names}
    defaults = {
        field.name: field.default
        if field.default_factory is msgspec.NODEFAULT
        else field.default_factory()
        for field in fields
    }
    return lambda struct: {
        name: json_value(value)
        for name, default in defaults.items()
        if (value := getattr(struct, name)) != default
    }
