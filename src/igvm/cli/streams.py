"""Where files come from and results go to: paths, standard input, standard output, a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from igvm.file.view import IgvmFile
    from igvm.report.terminal_text import Line

STDIN = "<stdin>"
"""What standard input is called in messages."""

_COLOURS = {
    "": "",
    "title": "bold",
    "name": "cyan",
    "quiet": "dim",
    "good": "green",
    "warning": "yellow",
    "bad": "red",
}
"""How rich calls the colours of our styles."""


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


def print_json(parts: Iterable[bytes]) -> None:
    """Print JSON that comes in parts, with a line end."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    for part in parts:
        stream.write(part)
    stream.write(b"\n")
    stream.flush()


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines, in colour where standard output is a terminal that wants it."""
    from igvm.report.terminal_text import plain

    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # What the terminal has no letter for is shown as an escape.
        reconfigure(errors="backslashreplace")
    if _wants_colour():
        _print_rich(lines)
        return
    for styled in lines:
        sys.stdout.write(f"{plain(styled)}\n")


def _wants_colour() -> bool:
    """Whether standard output is a terminal, and nobody asked for no colour."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty()


def _print_rich(lines: Iterable[Line]) -> None:
    """Print lines with rich, which picks the escapes that the terminal knows."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for styled in lines:
        text = Text.assemble(*((part, _COLOURS[style]) for part, style in styled))
        text.rstrip()
        console.print(text, soft_wrap=True)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error that is told how much of how much is done, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
