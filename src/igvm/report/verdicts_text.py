"""Verdicts as text: a line for the releases of the reference, and one for the loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.terminal_text import flow, line, paragraph
from igvm.report.verdicts import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from igvm.report.terminal_text import Line, Piece
    from igvm.report.verdicts import Verdict


def verdicts_text(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    """What releases say, then what loaders say, where there are any."""
    yield from _releases([one for one in verdicts if one.name.startswith(REFERENCE)])
    yield from _loaders([one for one in verdicts if not one.name.startswith(REFERENCE)])


def _releases(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    """One line of releases."""
    tokens: list[Piece] = []
    for verdict in verdicts:
        end = ";" if verdict is not verdicts[-1] else ""
        word = "CRASHES" if verdict.verdict == "crashes" else verdict.verdict
        style = "good" if verdict.verdict == "accepted" else "bad"
        tokens.append((f"igvm {verdict.name.removeprefix(REFERENCE)}: {word}{end}", style))
    if tokens:
        yield from flow(tokens, first=line("  reference  "), indent=13, gap=" ")


def _loaders(verdicts: Sequence[Verdict]) -> Iterator[Line]:
    """One line of loaders, or as many as their names need, and what stands behind it."""
    if not verdicts:
        return
    tokens: list[str | Piece] = []
    words = (("accepted", "good"), ("rejected", "bad"), ("not judged", "quiet"))
    there = [item for item in words if any(each.verdict == item[0] for each in verdicts)]
    for word, style in there:
        alike = [verdict for verdict in verdicts if verdict.verdict == word]
        for verdict in alike:
            if verdict is alike[0]:
                tokens.append((f"{word} by", style))
            is_taken = word == "accepted" and verdict.platforms
            platforms = f" ({', '.join(verdict.platforms)})" if is_taken else ""
            is_last_kind = word == there[-1][0]
            end = "," if verdict is not alike[-1] else "" if is_last_kind else ";"
            tokens.append(f"{verdict.name}{platforms}{end}")
    yield from flow(tokens, first=line("  loaders    "), indent=13, gap=" ")
    assumed = dict.fromkeys(text for verdict in verdicts for text in verdict.assumptions)
    remark = "--loader all says why"
    if assumed:
        remark += f"; assumed: {'; '.join(assumed)}"
    blank = line(" " * 13)
    yield from paragraph(f"({remark})", first=blank, indent=13, style="quiet")
