"""The page that the figures are written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Row(NamedTuple):
    """One figure and its bar."""

    work: str
    figure: str
    bar: str
    seen: str = ""
    """The same in other units, for orientation."""


_HEAD = """# Benchmarks

What `make bench` measured, all in one run. A figure is the median over rounds in which every
work is timed once, so that a ratio is of one moment of one machine; absolute times differ from
machine to machine, ratios hardly.

- **U** is one `hashlib.sha384` over 64 MiB.
- **The reference** is the igvm crate 0.5.0, release build, timed in its own process
  (`tests/oracle`) in the same rounds.
- **The 64 MiB file** has 16,384 unique pages, each with a PAGE_DATA header for each of three
  platforms: 49,152 headers.
- **A busy neighbour** on the same physical core slows the interpreter and SHA-384 down by up to a
  third and SHA-256 hardly, so that figures of one run differ: VBS has been seen at 1.10 to 1.15 of
  the reference while the machine was quiet, and at up to 1.4 while it was not.

"""


def write_page(machine: str, rows: Iterable[Row], path: Path | None) -> str:
    """The page as text; also written to `path`, where given."""
    lines = [
        _HEAD + f"Taken on: {machine}.\n",
        "| work | measured | bar | |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {row.work} | {row.figure} | {row.bar} | {row.seen} |" for row in rows]
    text = "\n".join(lines) + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8")
    return text
