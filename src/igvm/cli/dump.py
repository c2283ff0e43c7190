"""`igvm dump`: every header of a file, every field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from igvm.cli.shared import Verb, file_argument, json_option, open_file, print_json, print_lines

if TYPE_CHECKING:
    from igvm.report import DumpOptions

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.4 only

_SECTIONS = ("platform", "initialization", "directive", "unknown")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")


class Range(_ParamType):
    """`A`, `A:B`, `A:` or `:B`; the last is not included, numbers may be hex."""

    name = "range"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The first number and the one after the last."""
        first, colon, end = str(value).partition(":")
        numbers = [one for one in (first, end) if one]
        if not numbers or not all(_NUMBER.fullmatch(one) for one in numbers):
            self.fail(f"{value!r} is not a number or a range such as 10:20", param, ctx)
        low = int(first, 0 if first[1:2] in {"x", "X"} else 10) if first else 0
        if not colon:
            return low, low + 1
        return low, (int(end, 0 if end[1:2] in {"x", "X"} else 10) if end else self._most)


class Named(_ParamType):
    """A name of an enum, in any case and with `-` for `_`, or a number."""

    def __init__(self, enum: str) -> None:
        self.name = enum

    def _enum(self) -> Any:
        import igvm

        return getattr(igvm, self.name)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The member of the enum."""
        kind = self._enum()
        text = str(value)
        if _NUMBER.fullmatch(text):
            return kind(int(text, 0 if text[1:2] in {"x", "X"} else 10))
        name = text.upper().replace("-", "_")
        if name not in kind.__members__:
            there = ", ".join(kind.__members__)
            self.fail(f"{value!r} is none of {there}", param, ctx)
        return kind[name]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """The names that start with what is there."""
        from click.shell_completion import CompletionItem

        start = incomplete.upper().replace("-", "_")
        return [CompletionItem(one) for one in self._enum().__members__ if one.startswith(start)]


@click.command("dump", cls=Verb)
@file_argument
@click.option("--section", multiple=True, type=click.Choice(_SECTIONS), help="Only this section.")
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="NAME",
    type=Named("HeaderType"),
    help="Only headers of this type, such as PAGE_DATA or 0x302.",
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="NAME",
    type=Named("PlatformType"),
    help="Only what a loader for this platform loads, such as SEV_SNP.",
)
@click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="A[:B]",
    type=Range(1 << 32),
    help="Only headers from position A up to B, which is not included.",
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="A[:B]",
    type=Range(1 << 64),
    help="Only headers that touch guest address A, or addresses from A up to B.",
)
@click.option("--raw", is_flag=True, help="Show the bytes of each header as well.")
@click.option(
    "--data",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the first N bytes of the data of each entry.",
)
@click.option("--no-join", is_flag=True, help="Show each page on its own.")
@json_option
def command(path: str, json: str, **chosen: Any) -> None:
    """Show every header of a file, every field.

    Consecutive pages that are alike are shown as one entry. Filters that are given more than once
    add up; different filters narrow each other. The JSON without filters and the file data, from
    file.data_offset on, are the whole file: igvm.report.rebuild puts them together.
    """
    from igvm import report

    options = _options(**chosen)
    file = open_file(path)
    frame, entries = report.frame(file, options, []), report.entries(file, options)
    if json == "off":
        print_lines(report.dump_text(frame, entries))
    else:
        print_json(report.encode_dump(frame, entries, pretty=json == "pretty"))


def _options(
    *,
    section: tuple[str, ...],
    types: tuple[Any, ...],
    platforms: tuple[Any, ...],
    indexes: tuple[tuple[int, int], ...],
    addresses: tuple[tuple[int, int], ...],
    raw: bool,
    data: int,
    no_join: bool,
) -> DumpOptions:
    """The options as the report wants them."""
    from igvm.report import DumpOptions, Selection
    from igvm.spec.enums import Section

    selection = Selection(
        sections=tuple(Section[one.upper()] for one in section),
        types=types,
        platforms=platforms,
        indexes=indexes,
        addresses=addresses,
    )
    return DumpOptions(selection=selection, join=not no_join, raw=raw, data=data)
