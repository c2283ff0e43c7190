"""Rules as data: an identifier, a severity, the clause it enforces and a vectorised body."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.finding import Severity
    from igvm.checks.inspection.inspected_file import InspectedFile

    Found = Iterable["Place | Many | Lazy"]
    Body = Callable[[InspectedFile], Found]


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
    """Positions of the headers in the file: integers, an array of shape (n,) or a list."""
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
    """From an InspectedFile to the places that break the rule."""
    rationale: str = ""
    """Why it matters and what to do, for the documentation; from the body's docstring."""


_BLOCK = 1 << 16
"""Headers that are looked at together."""

SPEC_RULES: dict[str, Rule] = {}
"""Every rule of the specification by its name, in the order they are checked."""


def rule(name: str, severity: Severity, words: str, source: str) -> Callable[[Body], Body]:
    """Declare a rule of the specification; the docstring of the body is its rationale."""

    def declare(body: Body) -> Body:
        if name in SPEC_RULES:
            message = f"there is a rule {name} already"
            raise ValueError(message)
        SPEC_RULES[name] = Rule(
            name=name,
            severity=severity,
            words=words,
            source=source,
            body=body,
            rationale=inspect.getdoc(body) or "",
        )
        return body

    return declare


class _Positions:
    """Where something holds among all headers of a file, found when it is asked for."""

    def __init__(self, where: NDArray[np.bool_]) -> None:
        import numpy as np

        self._where = where
        self._count = int(np.count_nonzero(where))
        self._found: list[int] = []
        self._next = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: int) -> int:
        import numpy as np

        while len(self._found) <= row and self._next < len(self._where):
            block = np.flatnonzero(self._where[self._next : self._next + _BLOCK])
            self._found += (block + self._next).tolist()
            self._next += _BLOCK
        return self._found[row]


def all_headers(where: NDArray[np.bool_], describe: str) -> Iterator[Many]:
    """The headers of a file at which `where` holds, which may be very many.

    Args:
        where: which of all headers break the rule, shape (n,), bool.
        describe: as in Many.
    """
    if where.any():
        yield Many(_Positions(where), "", describe)


def headers(
    index: NDArray[np.intp],
    where: NDArray[np.bool_],
    field: str = "",
    describe: str | Callable[[int], str] = "{field} is {shown}",
) -> Iterator[Many]:
    """The headers of `index`, a table's or a file's, at which `where` holds.

    Args:
        index: positions of the headers in the file, shape (n,), intp.
        where: which of them break the rule, shape (n,), bool.
        field: as in Many.
        describe: as in Many.
    """
    if where.any():
        yield Many(index[where], field, describe)
