"""What a search for a digest found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import WIDTH, flow, line, paragraph, printable, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from igvm.measurement.search.find import Match, Search
    from igvm.report.terminal_text import Line


def search_text(
    search: Search, options: Callable[[Match], list[str]], name: str | None = None
) -> Iterator[Line]:
    """What a search found, below the file's name where there is one to say.

    Args:
        search: what was found.
        options: from a match to how it is said to `igvm measure`.
        name: the file's.
    """
    if name is not None:
        yield line((shorten(printable(name), WIDTH), "title"))
    for match in search.matches:
        yield from flow(options(match), first=line(("found  ", "good")), indent=7, gap=" ")
        for sentence in match.deviations:
            first = line("       ", ("but ", "warning"))
            yield from paragraph(printable(sentence), first=first, indent=11, style="warning")
    if not search.matches:
        yield line(("not found", "bad"))
    for launch, reason in search.refused.items():
        platform, _, loader = launch.partition(" ")
        sentence = printable(f"{loader} refuses {platform}: {reason}")
        yield from paragraph(sentence, first=line("  "), indent=4, style="quiet")
    yield line((f"  {count_text(search.tried, 'digest')} compared", "quiet"))
