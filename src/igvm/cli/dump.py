"""`igvm dump`: every header of a file, every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.cli.header_options import ADDRESS, DATA, INDEX, NO_JOIN, RAW, SECTION, TYPE
from igvm.cli.launch_options import PLATFORM
from igvm.cli.option_records import SELECTION
from igvm.cli.options import FILE, JSON
from igvm.cli.streams import open_file, print_json, print_lines
from igvm.cli.verb import verb

if TYPE_CHECKING:
    from igvm.report import DumpOptions


@verb(
    "dump",
    FILE,
    SECTION,
    TYPE,
    PLATFORM._replace(group=SELECTION),
    INDEX,
    ADDRESS,
    RAW,
    DATA,
    NO_JOIN,
    JSON,
)
def command(*, path: str, json: str, **choice: Any) -> None:
    """Show every header of a file, every field.

    Consecutive pages that are alike are shown as one entry. Filters that are given more than once
    add up; different filters narrow each other. --platform leaves what a loader for it looks at.
    The JSON without filters and the file data, from file.data_offset on, are the whole file:
    igvm.report.rebuild puts them together.
    """
    from igvm import report

    options = _dump_options(**choice)
    file = open_file(path)
    frame, entries = report.frame(file, options, []), report.entries(file, options)
    if json == "off":
        print_lines(report.dump_text(frame, entries))
    else:
        print_json(report.encode_dump(frame, entries, pretty=json == "pretty"))


def _dump_options(
    *,
    section: tuple[str, ...],
    type: tuple[Any, ...],  # noqa: A002 - the option's name
    platform: tuple[Any, ...],
    index: tuple[tuple[int, int], ...],
    address: tuple[tuple[int, int], ...],
    raw: bool,
    data: int,
    no_join: bool,
) -> DumpOptions:
    """The options as the report wants them."""
    from igvm.report import DumpOptions, Selection
    from igvm.spec.enums import Section

    selection = Selection(
        sections=tuple(Section[name.upper()] for name in section),
        types=type,
        platforms=platform,
        indexes=index,
        addresses=address,
    )
    return DumpOptions(selection=selection, join=not no_join, raw=raw, data=data)
