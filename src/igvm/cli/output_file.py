"""Where -o OUT goes to: a file, a file in a folder, a pipe or a device, standard output."""

from __future__ import annotations

import contextlib
import os
import stat
import sys

import click

from igvm.cli.messages import note
from igvm.cli.streams import STDOUT, write_whole

_STDOUT_PATHS = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_MOST_NAMED = 3
"""Unfinished files that are named."""


def write_file(data: memoryview, output: str, *, source: str, overwrite: bool) -> str:
    """Write `data` to where `output` says, and return the name that it has there.

    Args:
        data: every byte of the file.
        output: a file; a folder, for a file in it with the name of `source`; a pipe or a
            character device, which the bytes are written into; `-` for standard output.
        source: where the data was read; empty where that gives OUT no name.
        overwrite: whether a file that is there is replaced, and a terminal written to.

    Raises:
        SaveError: the file exists and `overwrite` is not set, or it cannot be written.
        OSError: the system refuses.
        UsageError: it would go to a terminal.
    """
    from igvm.storage.save import save, unfinished

    if output == STDOUT or output in _STDOUT_PATHS:
        _print_bytes(data, overwrite=overwrite)
        return STDOUT
    if os.path.isdir(output):
        output = os.path.join(output, _name_in_folder(output, source))
    if _is_stream(output):
        _write_into(output, data)
        return output
    save(output, [data], overwrite=overwrite)
    left = unfinished(output)
    for name in left[:_MOST_NAMED]:
        note(f"{name} is left from a run that was killed, and can be deleted")
    if left[_MOST_NAMED:]:
        note(f"there are {len(left) - _MOST_NAMED} more of these")
    return output


def _name_in_folder(folder: str, source: str) -> str:
    """The name that a copy of `source` gets in a folder.

    Raises:
        SaveError: it has none.
    """
    name = os.path.basename(source)
    if source == "-" or not name:
        from igvm.errors import SaveError

        raise SaveError("this is a folder; name the file in it", path=folder)
    return name


def _is_stream(path: str) -> bool:
    """Whether it is a pipe or a character device, which take bytes one after the other."""
    with contextlib.suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    return False


def _print_bytes(data: memoryview, *, overwrite: bool) -> None:
    """Write to standard output.

    Raises:
        UsageError: it is a terminal, and nobody insists.
    """
    if sys.stdout.isatty() and not overwrite:
        message = "standard output is a terminal, which an IGVM file is not for"
        raise click.UsageError(f"{message}; --force writes to it")
    sys.stdout.flush()
    write_whole(sys.stdout.buffer, data)
    sys.stdout.buffer.flush()


def _write_into(path: str, data: memoryview) -> None:
    """Write into what is there."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), "wb", 0) as stream:
            write_whole(stream, data)
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError):
            error.filename = path
        raise
