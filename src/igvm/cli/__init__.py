"""The command line: `igvm VERB FILE`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit."""
    if sys.argv[1:] == ["--version"]:
        from igvm._version import __version__

        sys.stdout.write(f"igvm {__version__}\n")
        return
    try:
        from igvm.cli.app import app

        app.main(prog_name="igvm")
    except KeyboardInterrupt:  # before there was a verb to be interrupted
        sys.exit(130)
