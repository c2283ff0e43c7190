"""Where two launches part ways, as text: a table with a column for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.measurement_text import platform_title
from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import line, paragraph, printable, shorten, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.measurement.first_difference import Difference, Place
    from igvm.report.differences import LaunchDifference
    from igvm.report.terminal_text import Line

_MOST_FIELDS = 24
"""Fields of a context that are shown."""
_CELL = 32
"""Columns of a cell of the table."""

_SENTENCES = {
    "operation": "the same page is loaded in another way",
    "address": "the operation is for another page",
    "contents": "the contents of the page differ",
    "context": "the contexts of the vCPU differ",
    "count": "one goes on with more pages",
    "order": "both have these pages, in another order",
    "missing": "only one of them has the page",
    "header": "what a header asks for differs, that loads nothing",
}
"""What each kind of difference means."""


def difference_text(
    launch: LaunchDifference, first_name: str | None, second_name: str | None
) -> Iterator[Line]:
    """Where two launches, of files with these names, part ways."""
    alike = count_text(launch.alike, "page")
    difference = launch.difference
    title = platform_title(launch.platform)
    if launch.compared_by is None:
        style = "bad" if launch.differ else "warning"
        words = "" if launch.differ else "not compared: "
        reason = printable(f"{words}{launch.reason}")
        yield from paragraph(reason, first=title, indent=4, style=style)
        return
    by_plan = f"by plan, since {launch.reason}" if launch.compared_by == "plan" else ""
    if difference is None:
        words = f", of which {launch.measured:,} are measured with their contents"
        if by_plan:
            words = f" and their contents, parameters, policies and required memory; {by_plan}"
        sentence = f"no difference in {alike}{words}"
        yield from paragraph(sentence, first=title, indent=4, style="good")
        return
    sentence = f"{_SENTENCES[difference.kind]}, after {alike} alike"
    yield from paragraph(f"{sentence}; {by_plan}" if by_plan else sentence, first=title, indent=4)
    rows: list[list[str]] = [["", "first", "second"]]
    if first_name != second_name:
        names = (first_name or "", second_name or "")
        rows.append(["file", *(shorten(printable(name), 30) for name in names)])
    rows.append(["loader", launch.first_loader, launch.second_loader])
    places = (difference.first, difference.second)
    rows.append(["operation", *(_operation(place, difference) for place in places)])
    rows.append(["address", *("-" if place is None else f"{place.gpa:#x}" for place in places)])
    rows.append(["header", *map(_header, places)])
    if difference.offset is not None:
        rows.append(["first byte", *(_first_byte(place, difference.offset) for place in places)])
        rows.append(["bytes", f"{difference.bytes:,} differ", ""])
    fields = difference.fields[:_MOST_FIELDS]
    rows += [[field.name, field.first, field.second] for field in fields]
    cells = [[shorten(printable(cell), _CELL) for cell in row] for row in rows]
    yield from table([[(row[0], "name"), *row[1:]] for row in cells])
    if len(difference.fields) > _MOST_FIELDS:
        hidden = len(difference.fields) - _MOST_FIELDS
        yield line((f"  and {hidden:,} more fields", "quiet"))


def _operation(place: Place | None, difference: Difference) -> str:
    if place is None:
        return "at its end"
    if place.operation == "VP_CONTEXT":
        return f"VP_CONTEXT of vCPU {place.vp_index}"
    text = place.operation + (f", page {place.page + 1} of {place.pages}" if place.page else "")
    is_measured = {side.measured for side in (difference.first, difference.second) if side}
    return text if place.measured or len(is_measured) == 1 else f"{text}, not measured"


def _header(place: Place | None) -> str:
    if place is None:
        return "-"
    return "made by the loader" if place.header < 0 else f"#{place.header}"


def _first_byte(place: Place | None, offset: int) -> str:
    """Where the first byte that differs is, in its page and in the file."""
    if place is None or place.source < 0:
        return f"+{offset:#x}, not in the file"
    return f"+{offset:#x}, file +{place.source + offset:#x}"
