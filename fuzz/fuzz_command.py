"""Fuzzes the command line in this process, under atheris: every verb, as text and as JSON.

An input gets the checksum that it should have. Nothing but an exit code that the documentation
lists may come out. The seeds in fuzz/corpus/fuzz_command also run as plain tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["igvm"]):
    from tests.hostile.command_line import every_verb
    from tests.small_files.raw import with_checksum


def fuzz(data: bytes) -> None:
    """Run every verb on one input."""
    every_verb(with_checksum(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
