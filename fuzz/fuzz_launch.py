"""Fuzzes what loaders make of a file, under atheris: plans, digests, traces, lint, searches.

An input gets the checksum that it should have. Only IgvmError may come out. The seeds in
fuzz/corpus/fuzz_launch also run as plain tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["igvm"]):
    from tests.hostile.launches import launch
    from tests.small_files.raw import with_checksum


def fuzz(data: bytes) -> None:
    """Launch one input in every way."""
    launch(with_checksum(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
