"""Findings as text: what a file breaks, where, and which rule says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.report.check_results import SPECIFICATION
from igvm.report.finding_entries import entries, groups, ranges_text
from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import WIDTH, columns, flow, line, paragraph, printable, shorten
from igvm.report.verdicts import REFERENCE
from igvm.report.verdicts_text import verdicts_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.checks.finding import Finding
    from igvm.report.check_results import Checked, Result
    from igvm.report.finding_entries import Entry
    from igvm.report.terminal_text import Line, Piece

SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warning", Severity.NOTE: "quiet"}


def severity_piece(severity: Severity) -> Piece:
    """A severity in its own style."""
    return (severity.name.lower(), SEVERITY_STYLES[severity])


def check_text(checked: Checked, *, every_place: bool = False) -> Iterator[Line]:
    """The faults of one file, after a line that says what each rule set makes of it.

    Places that are alike are said together, or with `every_place` each on its own.
    """
    name = printable(checked.name or "(no name)")
    is_alone = len(checked.results) == 1
    summaries = [list(_summary(result, is_alone=is_alone)) for result in checked.results]
    for pieces in summaries[:-1]:
        text, style = pieces[-1]
        pieces[-1] = (f"{text};", style)
    tokens = [piece for pieces in summaries for piece in pieces]
    width = columns(name) + 1 + sum(1 + columns(text) for text, _ in tokens)
    if width > WIDTH and columns(name) > WIDTH // 3:
        yield line((f"{shorten(name, WIDTH - 1)}:", "title"))
        yield from flow(tokens, first=line("  "), indent=2, gap=" ")
    else:
        yield from flow(tokens, first=line((f"{name}: ", "title")), indent=2, gap=" ")
    for result in checked.results:
        if result.assumptions:
            words = f"{'' if is_alone else f'{result.rules}: '}assumed: "
            text = printable("; ".join(result.assumptions))
            yield from paragraph(f"{words}{text}", first=line("  "), indent=4)
    for entry in entries(checked.results):
        yield from entry_text(entry, every_place=every_place)
    yield from verdicts_text(checked.verdicts)


def _summary(result: Result, *, is_alone: bool) -> Iterator[Piece]:
    """What the rules say as a whole: the counts of the specification, a verdict of the others."""
    if result.rules == SPECIFICATION:
        title = "" if is_alone else "specification: "
        pieces = [
            (count_text(count, severity.name.lower()), SEVERITY_STYLES[severity])
            for severity, count in (
                (Severity.ERROR, result.errors),
                (Severity.WARNING, result.warnings),
                (Severity.NOTE, result.notes),
            )
            if count
        ] or [("no findings", "good")]
    else:
        title = f"{result.rules}: "
        if result.rules.startswith(REFERENCE):
            title = f"igvm {result.rules.removeprefix(REFERENCE)}: "
        style = "good" if result.verdict == "accepted" else "bad"
        pieces = [("CRASHES" if result.verdict == "crashes" else result.verdict, style)]
    if result.failing > result.errors:
        pieces.append(("fails by --fail-on", "bad"))
    if result.ignored:
        names = ", ".join(printable(name) for name in result.ignored)
        pieces.append((f"{sum(result.ignored.values()):,} ignored ({names})", "quiet"))
    for number, (text, style) in enumerate(pieces):
        comma = "," if number < len(pieces) - 1 else ""
        yield (f"{'' if number else title}{text}{comma}", style)


def entry_text(entry: Entry, *, every_place: bool = False) -> Iterator[Line]:
    """One fault: how bad it is, where, and the rules that found it; then what was found.

    Several places are said together as far as they are alike, or with `every_place` one by one.
    """
    tokens: list[str | Piece] = [severity_piece(entry.severity)]
    first = entry.places[0]
    is_alone = entry.place_count == 1
    tokens += _place_tokens(first) if is_alone else [f"{entry.place_count:,} places"]
    tokens += [(f"[{printable(rule)}]", "quiet") for rule in entry.rules]
    yield from flow(tokens, first=line("  "), indent=4, gap=" ")
    text = first.message if is_alone else entry.words
    yield from paragraph(printable(text), first=line("    "), indent=4)
    if is_alone:
        return
    lines = _every_place(entry) if every_place else place_lines(entry)
    for text in lines:
        yield from paragraph(printable(text), first=line("    "), indent=6)
    if entry.more:
        yield line(f"    and {entry.more:,} more")


def _place_tokens(finding: Finding) -> list[str | Piece]:
    """Where a finding is: its offset, and the header with the field."""
    offset = "" if finding.offset is None else f"+{finding.offset:#x}"
    return [part for part in (offset, printable(finding.where)) if part]


def _every_place(entry: Entry) -> Iterator[str]:
    """A line for each place."""
    for finding in entry.places:
        offset = "" if finding.offset is None else f"+{finding.offset:#x}"
        where = " ".join(part for part in (offset, finding.where) if part)
        yield ": ".join(part for part in (where, finding.found) if part)


_MOST_GROUPS = 6
"""Lines that tell where the places of one fault are; -v has all."""


def place_lines(entry: Entry) -> Iterator[str]:
    """A line for each group of places."""
    found = groups(entry)
    for group in found[:_MOST_GROUPS]:
        first = group.places[0]
        if len(group.places) == 1:
            offset = "" if first.offset is None else f"+{first.offset:#x}"
            where = " ".join(part for part in (offset, first.where) if part)
        elif group.headers:
            noun = "header" if len(group.headers) == 1 else "headers"
            where = f"{group.where} of {noun} {ranges_text(group.headers)}"
        else:
            where = f"{group.where or 'the file'}, {len(group.places):,} times"
        yield ": ".join(part for part in (where, group.text) if part)
    rest = sum(len(group.places) for group in found[_MOST_GROUPS:])
    if rest:
        yield f"and {count_text(rest, 'place')} more (-v for all)"
