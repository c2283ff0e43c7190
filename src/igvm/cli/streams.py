"""Where files come from and results go to: paths, standard input, standard output, a terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from igvm.file.view import IgvmFile
    from igvm.report.terminal_text import Line
    from igvm.storage.file_bytes import Bound, FileBytes

    class Writable(Protocol):
        """What bytes can be written to."""

        def write(self, data: memoryview, /) -> int | None:
            """Write some of them, and say how many."""


STDIN = "<stdin>"
"""What standard input is called in messages."""

STDOUT = "-"
"""How standard output is said on a command line."""

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
    """The file at `path`, or the one inside that; standard input for `-`.

    Raises:
        OSError: it cannot be opened or read.
        FormatError: it cannot be read as a file.
    """
    from igvm.file.inside import inside
    from igvm.file.read import view

    name = STDIN if path == "-" else path
    return view(inside(input_bytes(path), name), name)


def open_and_say(path: str) -> IgvmFile:
    """The same, with a note if it is inside another: for verbs that print no name of a file.

    Raises:
        OSError: it cannot be opened or read.
        FormatError: it cannot be read as a file.
    """
    from igvm.cli.messages import note

    file = open_file(path)
    if is_inside(file, path):
        note(f"{file.path}: this is the IGVM file inside")
    return file


def is_inside(file: IgvmFile, path: str) -> bool:
    """Whether `file` is not all of what is at `path`, but inside that."""
    return file.path != (STDIN if path == "-" else path)


def input_bytes(path: str) -> FileBytes:
    """The bytes of the file at `path`, or of standard input for `-`.

    Of what may have no end, a pipe or a device, no more is read than the fixed header tells of.

    Raises:
        OSError: it cannot be opened or read.
    """
    from igvm.cli.lost_pages import say_when_pages_are_lost
    from igvm.file.read import bytes_wanted
    from igvm.storage.file_bytes import file_bytes

    if path == "-":
        return standard_input(bytes_wanted)
    say_when_pages_are_lost()
    return file_bytes(path, bytes_wanted)


def standard_input(bound: Bound) -> FileBytes:
    """What is left to read on standard input; no more than `bound` allows where it may not end.

    Raises:
        OSError: it is closed, or cannot be read.
    """
    from igvm.storage.file_bytes import read

    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return read(sys.stdin.buffer, bound)


def print_json(parts: Iterable[bytes]) -> None:
    """Print JSON that comes in parts, with a line end."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    for part in parts:
        write_whole(stream, part)
    write_whole(stream, b"\n")
    stream.flush()


def write_whole(stream: Writable, data: bytes | memoryview) -> None:
    """Write all of `data`: a stream without a buffer may take a part of it at a time.

    Raises:
        OSError: it takes no more.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) or 0 :]


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
