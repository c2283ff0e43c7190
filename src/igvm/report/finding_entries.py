"""Findings put together: one entry a fault, with every rule that found it and all its places."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from igvm.report.check_results import SPECIFICATION
from igvm.report.verdicts import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from igvm.checks.finding import Finding, Severity
    from igvm.report.check_results import Result

PAGE_SIZE = 4096


class Entry(NamedTuple):
    """One fault of a file.

    Attributes:
        rules: what findings call the rules that found it.
        severity: how bad it is.
        words: the rule, in one sentence without a full stop.
        places: a finding for each place that is listed, at least one.
        more: further places that are not listed.
    """

    rules: tuple[str, ...]
    severity: Severity
    words: str
    places: tuple[Finding, ...]
    more: int

    @property
    def place_count(self) -> int:
        """How many places there are."""
        return len(self.places) + self.more


def entries(results: Sequence[Result]) -> list[Entry]:
    """The findings of one file under all rule sets and loaders, errors first and notes last.

    A rule that several releases or loaders have, and that says the same of the same places, is one
    entry; so is the error at which a release of the reference stops where the specification has an
    error in the same field of the same header. That it crashes is told apart.
    """
    merged: dict[object, Entry] = {}
    for result in results:
        for entry in _by_rule(result):
            kind = _kind(result.rules)
            name = entry.rules[0].rpartition("/")[2]
            same: object = (
                kind,
                name,
                entry.severity,
                entry.words,
                tuple(map(_place, entry.places)),
            )
            known = merged.get(same)
            if known is None and kind != SPECIFICATION:
                same = _same_fault(entry, merged) or same
                known = merged.get(same)
            rules = (*known.rules, *entry.rules) if known is not None else entry.rules
            merged[same] = (known or entry)._replace(rules=tuple(dict.fromkeys(rules)))
    return sorted(merged.values(), key=lambda entry: -entry.severity)


def _kind(rules: str) -> str:
    """Who says it: the specification, the reference or a loader."""
    if rules == SPECIFICATION:
        return SPECIFICATION
    return REFERENCE if rules.startswith(REFERENCE) else "loader"


def _by_rule(result: Result) -> Iterator[Entry]:
    """The findings of one rule set or loader, by rule, in the order in which rules come."""
    by_rule: dict[tuple[str, str], list[Finding]] = {}
    for finding in result.findings:
        by_rule.setdefault((finding.rule, words_of(finding)), []).append(finding)
    for (rule, words), places in by_rule.items():
        more = sum(finding.more for finding in places)
        yield Entry((rule,), places[0].severity, words, tuple(places), more)


def words_of(finding: Finding) -> str:
    """The rule of a finding in words, without what was found."""
    return finding.message.removeprefix(f"{finding.found}; ") if finding.found else finding.message


def _place(finding: Finding) -> tuple[object, ...]:
    """Where a finding is, and what is there."""
    return (*_spot(finding), finding.found)


def _spot(finding: Finding) -> tuple[object, ...]:
    """Where a finding is."""
    return (finding.offset, finding.header_index, finding.header_type, finding.field)


_NAMED = re.compile(r"\[([^][]+)\]$")
"""The rule of the reference with which a loader ends what it says of a file that it refuses."""


def _same_fault(entry: Entry, merged: dict[object, Entry]) -> object | None:
    """The key of the fault at which the reference or a loader stops; None if it is another."""
    first = entry.places[0]
    named = _NAMED.search(first.found)
    stops = entry.rules[0].startswith(REFERENCE) and not _crashes(entry)
    for key, other in merged.items():
        if named is not None and named[1] in other.rules:
            return key
        is_specified = "/" not in other.rules[0] and other.severity == entry.severity
        spots = map(_spot, other.places)
        if stops and is_specified and _spot(first) in spots:
            return key
    return None


def _crashes(entry: Entry) -> bool:
    """Whether the reference does worse than to stop there, which its own words tell."""
    from igvm.checks.reference import REFERENCE_RULES

    return REFERENCE_RULES[entry.rules[0].partition("/")[2]].crashes


class Group(NamedTuple):
    """Places of an entry that are said together.

    Attributes:
        where: the field, or the type of the headers; without numbers that differ.
        headers: positions of the headers in the file, ascending; empty for what is none.
        text: what was found there; empty where the rule says it all.
        places: the findings.
    """

    where: str
    headers: tuple[int, ...]
    text: str
    places: tuple[Finding, ...]


_FEW = 3
"""Lines that are shown of an entry, where what was found differs from place to place."""


def groups(entry: Entry) -> list[Group]:
    """The places of an entry: by what was found there, or where that differs too much, by field."""
    by_text = _grouped(entry.places, by_text=True)
    return by_text if len(by_text) <= _FEW else _grouped(entry.places, by_text=False)


def _grouped(places: Iterable[Finding], *, by_text: bool) -> list[Group]:
    """`places` by header type and field, and by what was found too."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in places:
        field = re.sub(r"\[[0-9]+\]", "[]", finding.field or "")
        where = ".".join(part for part in (finding.header_type, field) if part)
        found.setdefault((where, finding.found if by_text else ""), []).append(finding)
    return [
        Group(
            where,
            tuple(sorted({one.header_index for one in alike if one.header_index is not None})),
            text if by_text else _found_text(alike),
            tuple(alike),
        )
        for (where, text), alike in found.items()
    ]


def _found_text(places: list[Finding]) -> str:
    """What was found at several places: the values, or what is at the first of them."""
    first = places[0]
    start = f"{first.field} is "
    values = [finding.value for finding in places if isinstance(finding.value, int)]
    if len(values) == len(places) and all(one.found.startswith(start) for one in places):
        step = PAGE_SIZE if "gpa" in (first.field or "") else 1
        return start + ranges_text(sorted(set(values)), step, shown=_hexadecimal)
    if all(finding.found == first.found for finding in places):
        return first.found
    return f"{first.found} (the first of them)"


def _hexadecimal(value: int) -> str:
    """A value as findings show it."""
    return str(value) if value < 10 else f"{value:#x}"


_MOST_RANGES = 8
"""Ranges that are listed in one place; the others are counted."""


def ranges_text(numbers: Sequence[int], step: int = 1, *, shown: Callable[[int], str] = str) -> str:
    """Ascending numbers, those that follow at a distance of `step` as a range: `4 to 19, 23`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number - runs[-1][-1] == step:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    texts = [
        (" to " if run[-1] - run[0] > step else ", ").join(map(shown, run))
        for run in runs[:_MOST_RANGES]
    ]
    more = f" and {len(runs) - _MOST_RANGES:,} more" if len(runs) > _MOST_RANGES else ""
    return ", ".join(texts) + more
