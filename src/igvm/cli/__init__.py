"""The command line: `igvm VERB FILE`."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit."""
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:
        from igvm._version import __version__

        sys.stdout.write(f"igvm {__version__}\n")
        return
    _hold_standard_files()
    if sys.stderr is None:  # the caller has closed it
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if sys.stdout is None:
        sys.stderr.write("igvm: standard output is closed\n")
        sys.exit(3)
    # What is imported stays, so a search for garbage while it comes in finds none.
    gc.set_threshold(50_000)
    # numpy's linear algebra, which nothing here uses, would start a thread a processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from igvm.cli.app import app

        app.main(prog_name="igvm")
    except KeyboardInterrupt:  # before there was a verb to be interrupted
        _leave(130)
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 0)


def _hold_standard_files() -> None:
    """Keep a file that is opened from the place of a standard one that the caller has closed.

    Whatever the interpreter or a library says of an error would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def _leave(code: int) -> None:
    """Exit at once: to take numpy and all else apart takes as long as many a command."""
    if sys.flags.inspect or _is_watched():
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # its reader is gone, or it is closed
            code = code or 1
    os._exit(code)


def _is_watched() -> bool:
    """Whether a debugger or a profiler runs, which has things to do at the end."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return True
    # From Python 3.12 on some say so here only; there are numbers for six of them.
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and any(map(monitoring.get_tool, range(6)))
