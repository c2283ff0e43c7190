"""What the command says on standard error, and the exit codes that go with it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from igvm.errors import IgvmError

FOUND = 1
"""A file breaks the rules, launches differ, or what was asked for is not there."""
USAGE = 2
UNREADABLE = 3
UNAVAILABLE = 4
"""A program or an optional package is missing."""
_OVERWRITE = "overwrite"
"""The parameter of the library that lets a file be replaced."""
INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""
BROKEN_PIPE = 141
"""128 + SIGPIPE, as a shell reports it."""


def complain(message: str, hint: str | None = None) -> None:
    """Say on standard error what went wrong, in one line, and in another what to do."""
    from igvm.report.terminal_text import printable

    with contextlib.suppress(OSError):  # a full disk is what may be complained about
        sys.stdout.flush()
    click.echo(f"igvm: {printable(message)}", err=True)
    if hint:
        click.echo(f"hint: {printable(hint)}", err=True)


def note(text: str) -> None:
    """Say something on standard error that is nobody's fault."""
    from igvm.report.terminal_text import printable

    click.echo(f"note: {printable(text)}", err=True)


def complain_of(error: IgvmError, message: str | None = None) -> int:
    """Say what an error says, or `message` in its place; the exit code."""
    complain(message or str(error), advice(error.hint, error.missing))
    from igvm.errors import ToolError

    return exit_code(error.missing, UNAVAILABLE if isinstance(error, ToolError) else UNREADABLE)


def exit_code(missing: str | None, otherwise: int = UNREADABLE) -> int:
    """The exit code of an error: what must be given is for the command line to mend."""
    return otherwise if missing in {None, _OVERWRITE} else USAGE


def advice(hint: str | None, missing: str | None) -> str | None:
    """What to do about an error: its hint, and the option for what must be given."""
    from igvm.cli.launch_options import HOSTED_LAUNCH_OPTIONS
    from igvm.cli.options import FORCE

    if missing == _OVERWRITE:
        return f"{FORCE.flags[-1]} overwrites it"
    usage = next((option.usage for option in HOSTED_LAUNCH_OPTIONS if option.name == missing), None)
    if usage is None:
        return hint
    return f"{hint} ({usage})" if hint else f"say it with {usage}"


def os_message(error: OSError) -> str:
    """What the system says about a file, in one line."""
    name = error.filename
    text = os.fsdecode(name) or "''" if isinstance(name, (str, bytes)) else ""
    if error.errno == errno.EFAULT:
        # What was to be written is mapped, and not there any more.
        from igvm.cli.lost_pages import lost_pages_message

        return lost_pages_message() or os.strerror(errno.EFAULT)
    return ": ".join(part for part in (text, error.strerror or str(error)) if part)
