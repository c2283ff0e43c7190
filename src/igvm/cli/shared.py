"""What the verbs share: the --json option, opening a file, and printing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from igvm.file.view import IgvmFile
    from igvm.report.layout import Line

STDIN = "<stdin>"
"""What standard input is called in messages."""

RULE_SETS = ("spec", "igvm-0.5", "igvm-0.4")
"""What `igvm check --rules` takes; a test holds it against the library."""

LOADERS = (
    "qemu-tcg",
    "qemu-kvm",
    "cloud-hypervisor-kvm",
    "cloud-hypervisor-mshv",
    "openvmm",
)
"""What `igvm check --loader` takes; a test holds it against the library."""

JSON_MODES = ("off", "short", "pretty")

_COLOURS = {
    "": "",
    "title": "bold",
    "name": "cyan",
    "quiet": "dim",
    "good": "green",
    "warning": "yellow",
    "bad": "red",
}


class Verb(click.Command):
    """A command whose --json may stand without a value, even before a file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, a bare `--json` as `--json=pretty`."""
        end = args.index("--") if "--" in args else len(args)
        if any("--json" in one.opts for one in self.params):
            for place in range(end):
                if args[place] in {"-j", "--json"} and args[place + 1 : place + 2] != ["--"]:
                    named = place + 1 < end and args[place + 1] in JSON_MODES
                    args[place] = "--json" if named else "--json=pretty"
                elif args[place] in {"-j", "--json"}:
                    args[place] = "--json=pretty"
        return super().parse_args(ctx, args)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json to a command."""
    return click.option(
        "-j",
        "--json",
        "json",
        type=click.Choice(JSON_MODES),
        default="off",
        metavar="[=off|short|pretty]",
        help="Print JSON, on one line or indented. Alone it means pretty.",
    )(function)


def file_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the one FILE of a command."""
    kind = click.Path(allow_dash=True, path_type=str)
    return click.argument("path", metavar="FILE", type=kind)(function)


def open_file(path: str) -> IgvmFile:
    """The file at `path`; standard input for `-`.

    Raises:
        OSError: it cannot be opened.
        FormatError: it cannot be read as a file.
    """
    from igvm.file.read import open as open_path
    from igvm.file.read import parse

    return parse(read_input(), path=STDIN) if path == "-" else open_path(path)


def read_input() -> bytes:
    """All of standard input."""
    return sys.stdin.buffer.read()


def print_json(pieces: Iterable[bytes]) -> None:
    """Print JSON that comes in pieces, with a line end."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    for piece in pieces:
        stream.write(piece)
    stream.write(b"\n")
    stream.flush()


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines, in colour where standard output is a terminal that wants it."""
    from igvm.report.layout import plain

    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # What the terminal has no letter for is shown as an escape.
        reconfigure(errors="backslashreplace")
    if wants_colour():
        _print_rich(lines)
        return
    for one in lines:
        sys.stdout.write(f"{plain(one)}\n")


def wants_colour() -> bool:
    """Whether standard output is a terminal, and nobody asked for no colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _print_rich(lines: Iterable[Line]) -> None:
    """Print lines with rich, which picks the escapes that the terminal knows."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for one in lines:
        text = Text.assemble(*((piece, _COLOURS[style]) for piece, style in one))
        text.rstrip()
        console.print(text, soft_wrap=True)
