"""What a search for a digest found, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import WIDTH, flow, line, paragraph, printable, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from igvm.measurement.search.find import Match, Search
    from igvm.report.terminal_text import Line


NEXT = (
    "what is known of the launch narrows a search and takes it further; if nothing is odd about "
    "the host, the pages are others: another build of the file, or other inputs. `igvm explain` "
    "has the digest after each page."
)
_INDENT = 13


def search_text(
    search: Search,
    options: Callable[[Match], list[str]],
    name: str | None = None,
    usage: Callable[[str], str | None] = lambda _parameter: None,
) -> Iterator[Line]:
    """What a search found, below the file's name where there is one to say.

    Args:
        search: what was found.
        options: from a match to how it is said to `igvm measure`.
        name: the file's.
        usage: from a parameter to the option that gives it.
    """
    if name is not None:
        yield line((shorten(printable(name), WIDTH), "title"))
    for match in search.matches:
        yield from flow(options(match), first=line(("found  ", "good")), indent=7, gap=" ")
        for sentence in match.deviations:
            first = line("       ", ("but ", "warning"))
            yield from paragraph(printable(sentence), first=first, indent=11, style="warning")
        if match.processor:
            yield from paragraph(match.processor, first=line(" " * 7), indent=7, style="quiet")
    if not search.matches:
        yield line(("not found", "bad"))
        yield from _miss(search, usage)
    for launch, reason in search.refused.items():
        platform, _, loader = launch.partition(" ")
        sentence = printable(f"{loader} refuses {platform}: {reason}")
        yield from paragraph(sentence, first=line("  "), indent=4, style="quiet")
    yield line((f"  {count_text(search.tried, 'digest')} compared", "quiet"))
    if not search.matches:
        yield from _part("next", NEXT)


def _miss(search: Search, usage: Callable[[str], str | None]) -> Iterator[Line]:
    """What came near, what was tried and what was not."""
    for near in search.near:
        words = ", but ".join([f"loader {near.loader} on {near.platform.name}", *near.deviations])
        yield from _part("near", f"{words}: {near.message}", "warning")
    for platform, parts in search.looked_at.items():
        yield from _part("tried", f"{platform}: {', '.join(parts)}")
    title = "not tried"
    for untried in search.untried:
        option = None if untried.parameter is None else usage(untried.parameter)
        yield from _part(title, untried.message + (f" ({option})" if option else ""))
        title = ""


def _part(title: str, text: str, style: str = "") -> Iterator[Line]:
    first = line((f"  {title}".ljust(_INDENT), "quiet"))
    yield from paragraph(printable(text), first=first, indent=_INDENT, style=style)
