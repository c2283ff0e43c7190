"""A file that becomes shorter while it is mapped ends every verb in a sentence and with 3."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.small_files import raw

if TYPE_CHECKING:
    from pathlib import Path

CUT_AT_EVENT = """
import os, sys

path, event, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
is_mapped = False
open_file = os.open(path, os.O_RDONLY)

def watch(name, arguments):
    global is_mapped
    if name == "mmap.__new__" and arguments[0] >= 0:
        is_mapped |= os.path.sameopenfile(arguments[0], open_file)
    elif is_mapped and name == event and os.path.getsize(path) > size:
        os.truncate(path, size)

sys.addaudithook(watch)
sys.argv[:] = ["igvm", *sys.argv[4:]]
from igvm.cli import main
main()
"""
"""Runs the command and cuts the file at the first event of that name after it was mapped.

An event of Python's audit hooks, such as an import, is a place in the middle of the work that is
the same in every run. The mapping is seen a moment before it is made, without an event between.
"""

PAGES = 3000
"""Enough for a second process."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 12 MiB, whose pages all differ."""
    pages = [number.to_bytes(4, "little") * 1024 for number in range(1, PAGES + 1)]
    heads = [raw.page(0x100000 + 4096 * at, raw.at(at)) for at in range(PAGES)]
    path = tmp_path / "guest.igvm"
    path.write_bytes(raw.file(raw.platform(2), raw.policy(), *heads, data=pages))
    return path


def run_and_cut(
    path: Path, event: str, size: int, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run the command, and cut the file at `path` to `size` bytes meanwhile."""
    command = [sys.executable, "-c", CUT_AT_EVENT, str(path), event, str(size), *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=120, cwd=path.parent
    )


VERBS = {
    "check": ["check", "guest.igvm"],
    "diff": ["diff", "guest.igvm", "--loader", "qemu-kvm", "--loader", "reference", "--vcpus", "1"],
    "dump": ["dump", "guest.igvm"],
    "dump data": ["dump", "--json", "--data", "64", "guest.igvm"],
    "explain": ["explain", "guest.igvm", "--loader", "reference"],
    "find": ["find", "00" * 48, "guest.igvm"],
    "info": ["info", "guest.igvm"],
    "measure": ["measure", "guest.igvm"],
    "rewrite": ["rewrite", "guest.igvm", "-o", "out.igvm"],
    "rewrite canonical": ["rewrite", "--canonical", "guest.igvm", "-o", "out.igvm"],
    "rewrite to a pipe": ["rewrite", "guest.igvm", "-o", "-"],
}

WRITING = (VERBS["rewrite"], VERBS["rewrite canonical"])
"""Here it may be the system that misses the bytes, when it is to write them."""

SAVE = "cannot write: a file that it is read from became shorter meanwhile\n"
CUT = "the file became shorter while it was read\n"


@pytest.mark.parametrize("arguments", VERBS.values(), ids=VERBS.keys())
def test_every_verb(path: Path, arguments: list[str]) -> None:
    """One line on standard error, exit code 3, and no output file."""
    result = run_and_cut(path, "import", 0, *arguments)
    assert arguments in WRITING or f"igvm: guest.igvm: {CUT}" == result.stderr
    assert result.stderr in {f"igvm: guest.igvm: {CUT}", f"igvm: out.igvm: {SAVE}"}
    assert 3 == result.returncode
    assert ["guest.igvm"] == [entry.name for entry in path.parent.iterdir()]


@pytest.mark.parametrize("size", [0, 5000, 200_000, 6 << 20], ids=str)
def test_in_two_processes(path: Path, size: int) -> None:
    """Pages that are gone when two processes hash, with the interpreter let go, are told once."""
    result = run_and_cut(path, "os.fork", size, "measure", "--loader", "reference", "guest.igvm")
    assert f"igvm: guest.igvm: {CUT}" == result.stderr
    assert ("", 3) == (result.stdout, result.returncode)


def test_nothing_is_cut(path: Path) -> None:
    """The same run without a cut has a digest and no message."""
    result = run_and_cut(path, "none", 0, "measure", "--bare", "--loader", "reference", str(path))
    assert ("", 0) == (result.stderr, result.returncode)
    assert 96 == len(result.stdout.strip())


def test_what_was_printed_before_stays(path: Path) -> None:
    """Results of files before the one that was cut are printed."""
    (path.parent / "none.igvm").write_bytes(b"nothing that looks like a file")
    result = run_and_cut(path, "import", 0, "check", "none.igvm", "guest.igvm")
    assert result.stdout.startswith("none.igvm: 1 error\n")
    assert (f"igvm: guest.igvm: {CUT}", 3) == (result.stderr, result.returncode)
