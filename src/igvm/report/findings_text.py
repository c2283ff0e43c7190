"""Findings as text: what a file breaks, where, and which rule says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.report.check_results import REFERENCE, SPECIFICATION
from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import WIDTH, columns, flow, line, paragraph, printable, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.checks.finding import Finding
    from igvm.report.check_results import Checked, Result
    from igvm.report.terminal_text import Line, Piece

SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warning", Severity.NOTE: "quiet"}


def severity_piece(severity: Severity) -> Piece:
    """A severity in its own style."""
    return (severity.name.lower(), SEVERITY_STYLES[severity])


def check_text(checked: Checked) -> Iterator[Line]:
    """The findings of one file, after a line that says what each rule set makes of it."""
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
        for finding in result.findings:
            yield from finding_text(finding)


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
    if result.ignored:
        names = ", ".join(printable(name) for name in result.ignored)
        pieces.append((f"{sum(result.ignored.values()):,} ignored ({names})", "quiet"))
    for number, (text, style) in enumerate(pieces):
        comma = "," if number < len(pieces) - 1 else ""
        yield (f"{'' if number else title}{text}{comma}", style)


def finding_text(finding: Finding) -> Iterator[Line]:
    """One finding: severity and place, then what was found."""
    offset = "" if finding.offset is None else f"+{finding.offset:#x}"
    tokens: list[str | Piece] = [severity_piece(finding.severity)]
    tokens += [part for part in (offset, printable(finding.where)) if part]
    tokens.append((f"[{printable(finding.rule)}]", "quiet"))
    yield from flow(tokens, first=line("  "), indent=4, gap=" ")
    more = f" (and {finding.more:,} more)" if finding.more else ""
    yield from paragraph(f"{printable(finding.message)}{more}", first=line("    "), indent=4)
