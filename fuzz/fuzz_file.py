"""Fuzzes everything that is done with the bytes of a file, under atheris: `make fuzz`.

An input is used as it is and again with its checksum made right, for a fuzzer cannot guess one.
Only IgvmError may come out. The seeds in fuzz/corpus/fuzz_file also run as plain tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["igvm"]):
    from tests.hostile.everything import use
    from tests.small_files.raw import with_checksum


def fuzz(data: bytes) -> None:
    """Do everything with one input."""
    use(data)
    use(with_checksum(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
