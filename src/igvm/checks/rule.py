"""Rules as data: an identifier, a severity, the clause it enforces and a vectorised body."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.checks.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.file.view import IgvmFile
    from igvm.wire.record import Record

    Found = Iterable["Place | Many | Lazy"]
    Body = Callable[[Facts], Found]


class Place(msgspec.Struct, frozen=True, gc=False):
    """One place where a rule is broken."""

    message: str
    """What was found there; the rule's own words follow it."""
    index: int | None = None
    """The header's position in the file; None for the fixed header and for file data."""
    header: str | None = None
    """The header's name; looked up from `index` where that is given."""
    field: str | None = None
    offset: int | None = None
    """Where the field is; the header's own offset is looked up from `index`."""
    value: int | str | None = None


class Many(msgspec.Struct, frozen=True, gc=False):
    """Headers that break a rule alike; a place is made for those that are listed only."""

    index: Any
    """Positions of the headers in the file, an integer array."""
    field: str = ""
    """The field to blame, `id_public_key.curve` for one of a nested record."""
    describe: Any = "{field} is {shown}"
    """What was found: text with {field}, {value} and {shown}, or a function of the position
    in `index` that gives the text."""


class Lazy(msgspec.Struct, frozen=True, gc=False):
    """Places that are not headers; one is made for those that are listed only."""

    count: int
    place: Any
    """From a number below `count` to the Place."""


class Rule(msgspec.Struct, frozen=True):
    """A rule of the specification."""

    name: str
    """Identifier, kebab-case: `page-alignment`."""
    severity: Severity
    words: str
    """The rule, in one sentence without a full stop."""
    source: str
    """The clause: igvm_defs structure and field, or the document that says so."""
    body: Any
    """From the Facts of a file to the places that break the rule."""
    rationale: str = ""
    """Why it matters and what to do, for the documentation; from the body's docstring."""


SPEC_RULES: dict[str, Rule] = {}
"""Every rule of the specification by its name, in the order they are checked."""


def rule(name: str, severity: Severity, words: str, source: str) -> Callable[[Body], Body]:
    """Declare a rule of the specification; the docstring of the body is its rationale."""

    def declare(body: Body) -> Body:
        if name in SPEC_RULES:
            message = f"there is a rule {name} already"
            raise ValueError(message)
        SPEC_RULES[name] = Rule(name, severity, words, source, body, inspect.getdoc(body) or "")
        return body

    return declare


def headers(
    index: NDArray[np.intp],
    where: NDArray[np.bool_],
    field: str = "",
    describe: str | Callable[[int], str] = "{field} is {shown}",
) -> Iterator[Many]:
    """The headers of `index`, a table's or a file's, at which `where` holds."""
    if where.any():
        yield Many(index[where], field, describe)


def run(one: Rule, facts: Facts, most: int) -> list[Finding]:
    """The findings of one rule: at most `most`, the last of which counts the rest."""
    most = max(1, most)
    listed: list[Finding] = []
    total = 0
    for found in one.body(facts):
        room = most - len(listed)
        if isinstance(found, Many):
            total += len(found.index)
            wanted = min(room, len(found.index))
            listed += [_of_header(one, facts.file, found, i) for i in range(wanted)]
        elif isinstance(found, Lazy):
            total += found.count
            wanted = min(room, found.count)
            listed += [_finding(one, facts.file, found.place(i)) for i in range(wanted)]
        else:
            total += 1
            if room:
                listed.append(_finding(one, facts.file, found))
    if total > len(listed):
        listed[-1] = msgspec.structs.replace(listed[-1], more=total - len(listed))
    return listed


def locate(record: type[Record], path: str) -> tuple[int, int]:
    """Offset and size of the field `path` of `record`; dots go into nested records."""
    at = size = 0
    inside: Any = record
    for name in path.split("."):
        item = next(item for item in inside.FIELDS if item.name == name)
        at, size, inside = at + item.offset, item.size, item.type
    return at, size


def _of_header(one: Rule, file: IgvmFile, found: Many, position: int) -> Finding:
    """The finding for one of many headers."""
    index = int(found.index[position])
    header = file.header(index)
    offset, value = header.offset, None
    if found.field:
        offset += 8 + locate(type(header.record), found.field)[0]  # type: ignore[arg-type]
        value = _value(header.record, found.field)
    if isinstance(found.describe, str):
        shown = f"{value:#x}" if isinstance(value, int) and value > 9 else value
        message = found.describe.format(field=found.field, value=value, shown=shown)
    else:
        message = found.describe(position)
    place = Place(message, index, header.name, found.field or None, offset, value)
    return _finding(one, file, place)


def _value(record: Any, path: str) -> int | str:
    """The value of the field `path`: a number, or the bytes in hex."""
    for name in path.split("."):
        record = getattr(record, name)
    if isinstance(record, int):
        return int(record)
    return bytes(record if isinstance(record, bytes) else record.pack()).hex()


def _finding(one: Rule, file: IgvmFile, place: Place) -> Finding:
    """What is reported for `place`."""
    name, offset = place.header, place.offset
    if place.index is not None:
        header = file.header(place.index)
        name = name or header.name
        offset = header.offset if offset is None else offset
    return Finding(
        rule=one.name,
        severity=one.severity,
        message=f"{place.message}; {one.words}" if place.message else one.words,
        header_index=place.index,
        header_type=name,
        field=place.field,
        offset=offset,
        value=place.value,
    )
