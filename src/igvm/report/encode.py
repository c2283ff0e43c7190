"""Models as JSON: on one line or indented, and safe to show in a terminal."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.dump_model import Dump, Entry

_STEERING = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_BATCH = 4096


def encode(model: Any, *, pretty: bool = False) -> bytes:
    """`model` as JSON in UTF-8.

    JSON itself escapes the controls below a blank; DEL and the C1 controls, which some terminals
    obey, are escaped as well.
    """
    text = msgspec.json.encode(model)
    if pretty:
        text = msgspec.json.format(text, indent=2)
    return _STEERING.sub(lambda found: b"\\u%04x" % ord(found.group().decode()), text)


def encode_dump(frame: Dump, entries: Iterable[Entry], *, pretty: bool = False) -> Iterator[bytes]:
    """A dump as JSON in pieces: `frame`, which has no headers, with `entries` as its headers.

    Takes memory for some thousand entries, however many there are.
    """
    whole = encode(frame, pretty=pretty)
    # `headers` is the last key, so that its empty list is the last but the closing brace.
    head, _, tail = whole.rpartition(b"[]")
    yield head + b"["
    rest = iter(entries)
    comma = b""
    while batch := list(itertools.islice(rest, _BATCH)):
        inside = encode(batch)[1:-1]
        if pretty:
            inside = encode(batch, pretty=True)[1:-2].replace(b"\n", b"\n  ")
        yield comma + inside
        comma = b","
    yield (b"\n  ]" if pretty and comma else b"]") + tail
