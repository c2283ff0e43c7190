"""Findings as text: what a file breaks, where, and which rule says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.layout import WIDTH, columns, flow, line, printable, shorten, words
from igvm.report.words import count_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.report.findings import Checked, FindingModel, Result
    from igvm.report.layout import Line, Piece

_STYLES = {"error": "bad", "warning": "warning", "note": "quiet"}


def check_text(one: Checked) -> Iterator[Line]:
    """The findings of one file, after a line that says what each rule set makes of it."""
    name = printable(one.name or "(no name)")
    said = [tuple(_summary(result, alone=len(one.results) == 1)) for result in one.results]
    last = len(said) - 1
    tokens = [
        (f"{text};" if i < last and j == len(pieces) - 1 else text, style)
        for i, pieces in enumerate(said)
        for j, (text, style) in enumerate(pieces)
    ]
    width = columns(name) + 1 + sum(1 + columns(text) for text, _ in tokens)
    if width > WIDTH and columns(name) > WIDTH // 3:
        yield line((f"{shorten(name, WIDTH - 1)}:", "title"))
        yield from flow(tokens, first=line("  "), indent=2, gap=" ")
    else:
        yield from flow(tokens, first=line((f"{name}: ", "title")), indent=2, gap=" ")
    for result in one.results:
        for finding in result.findings:
            yield from finding_text(finding)


def _summary(result: Result, *, alone: bool) -> Iterator[Piece]:
    """What the rules say as a whole: the counts of the specification, a verdict of the others."""
    counts: list[Piece] = [
        (count_text(count, severity), _STYLES[severity])
        for severity, count in (
            ("error", result.errors),
            ("warning", result.warnings),
            ("note", result.notes),
        )
        if count
    ]
    if result.rules == "spec":
        said = counts or [("no findings", "good")]
        title = "" if alone else "specification: "
    else:
        release = result.rules.removeprefix("igvm-")
        title = f"{result.rules if release == result.rules else f'igvm {release}'}: "
        style = "good" if result.verdict == "accepted" else "bad"
        said = [("CRASHES" if result.verdict == "crashes" else result.verdict, style)]
    for number, (text, style) in enumerate(said):
        comma = "," if number < len(said) - 1 else ""
        yield (f"{'' if number else title}{text}{comma}", style)


def finding_text(one: FindingModel) -> Iterator[Line]:
    """One finding: severity and place, then what was found."""
    place = "" if one.offset is None else f"+{one.offset:#x}"
    tokens: list[str | Piece] = [(one.severity, _STYLES[one.severity])]
    tokens += [part for part in (place, printable(one.where)) if part]
    tokens.append((f"[{printable(one.rule)}]", "quiet"))
    yield from flow(tokens, first=line("  "), indent=4, gap=" ")
    more = f" (and {one.more:,} more)" if one.more else ""
    yield from words(f"{printable(one.message)}{more}", first=line("    "), indent=4)
