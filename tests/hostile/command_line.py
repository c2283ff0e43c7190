"""The command line on the bytes of a file, in this process: every verb, with both renderers."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from igvm.cli.app import app

ZEROES = "0" * 96
_REALM = ("--realm", "s2sz=40,ripas=0x0-0x40000000")
VERBS: dict[str, tuple[str, ...]] = {
    "info": ("info", "FILE"),
    "info --json": ("info", "--json", "FILE"),
    "dump": ("dump", "FILE"),
    "dump --no-join --raw --data": ("dump", "--no-join", "--raw", "--data", "16", "FILE"),
    "dump --json": ("dump", "--json=short", "FILE"),
    "check": ("check", "--rules", "all", "--severity", "note", "--most", "1000000000", "FILE"),
    "check --json": ("check", "--most", "1000000000", "--json=short", "FILE"),
    "check -v": ("check", "-v", "--severity", "note", "FILE"),
    "check --format sarif": ("check", "--format", "sarif", "--rules", "all", "FILE"),
    "check --format github": ("check", "--format", "github", "--rules", "all", "FILE"),
    "check --loader": ("check", "--loader", "all", "FILE"),
    "rewrite": ("rewrite", "FILE", "-o", "OUT", "--force"),
    "rewrite --canonical": ("rewrite", "--canonical", "FILE", "-o", "OUT", "--force"),
    "measure": ("measure", *_REALM, "FILE"),
    "measure --loader all": ("measure", *_REALM, "--loader", "all", "--vcpus", "2", "FILE"),
    "measure --json": ("measure", *_REALM, "--json", "FILE"),
    "explain": ("explain", *_REALM, "FILE"),
    "explain --every-page": ("explain", *_REALM, "--every-page", "FILE"),
    "explain --json": ("explain", *_REALM, "--every-page", "--json", "FILE"),
    "diff": ("diff", "FILE", "FILE"),
    "diff --json": ("diff", "--json", "FILE", "FILE"),
    "find": ("find", "--vcpus", "1-4", "--cpu", "EPYC", "--sev-features", "1", ZEROES, "FILE"),
}
"""Command lines by what tests call them; FILE and OUT are paths."""


class _Discarded(io.TextIOWrapper):
    """Standard output that keeps nothing, but counts."""

    def __init__(self) -> None:
        super().__init__(io.BufferedWriter(_Counted()), encoding="utf-8", write_through=True)


class _Counted(io.BytesIO):
    """Bytes that go nowhere."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        size = len(memoryview(data))  # type: ignore[arg-type]
        self.size += size
        return size


def run(arguments: tuple[str, ...], path: Path) -> int:
    """The exit code of one command line on the file at `path`; its output is thrown away.

    An exception that the command line does not turn into an exit code comes out.
    """
    out = path.with_suffix(".out")
    words = [{"FILE": str(path), "OUT": str(out)}.get(word, word) for word in arguments]
    with redirect_stdout(_Discarded()), redirect_stderr(_Discarded()):
        try:
            app.main(args=words, prog_name="igvm", standalone_mode=True)
        except SystemExit as leaving:
            return int(leaving.code or 0)
    return 0


def every_verb(data: bytes) -> int:
    """Run every verb on `data`, and how many of them did what they were asked for."""
    done = 0
    # In memory where the system has such a folder: a fuzzer does this thousands of times.
    root = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=root) as folder:
        path = Path(folder) / "input.igvm"
        path.write_bytes(data)
        for name, arguments in VERBS.items():
            code = run(arguments, path)
            assert code in {0, 1, 2, 3}, f"{name} exits with {code}"
            done += code < 2
    return done
