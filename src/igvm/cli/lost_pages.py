"""Ends the command in a sentence when pages of a file that is mapped are gone (SIGBUS)."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from typing import Any


def lost_pages_message() -> str | None:
    """What to say when pages of a mapped file are gone; None where none is mapped."""
    from igvm.report.terminal_text import printable
    from igvm.storage.file_bytes import cut_file, mapped_file

    name = cut_file()
    if name is not None:
        return f"{printable(name)}: the file became shorter while it was read"
    name = mapped_file()
    return None if name is None else f"{printable(name)}: a part of the file could not be read"


@functools.cache
def say_when_pages_are_lost() -> Any:
    """Have SIGBUS say which file became shorter, and exit with 3.

    Called once a process, before a file is mapped. A handler of Python's own would never run: the
    kernel goes back to the instruction that failed, which fails again. This one is called by the
    kernel in the middle of that instruction. Whatever holds the interpreter or does not (hashlib
    and numpy let go of it), it only reads our own memory, there is no lock that it waits for, and
    it does not come back (docs/decisions/0010-files-cut-while-mapped.md).
    """
    try:
        import ctypes

        number = int(signal.SIGBUS)
        install = ctypes.CDLL(None).signal
    except (ImportError, AttributeError, OSError):  # a Python without ctypes, a system without it
        return None
    # What is imported in the middle of an instruction might be half imported already.
    lost_pages_message()
    process = os.getpid()

    def end(_number: int) -> None:
        """Say what happened, and exit."""
        if os.getpid() != process:
            os._exit(3)  # a second process: the first does its work again, and comes here
        try:
            _say(lost_pages_message() or "bus error")
        finally:
            os._exit(3)

    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    install.restype, install.argtypes = ctypes.c_void_p, (ctypes.c_int, type(handler))
    install(number, handler)
    return handler  # kept by the cache: it must live as long as the process


def _say(message: str) -> None:
    """Write what was printed so far, and the message."""
    with contextlib.suppress(Exception):  # it may be in use by what was interrupted
        sys.stdout.flush()
    # A progress bar has hidden the cursor.
    shown = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""
    os.write(2, f"{shown}igvm: {message}\n".encode(errors="backslashreplace"))
