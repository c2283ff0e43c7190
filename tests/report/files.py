"""Small files that show what the renderers can do, and golden text to compare with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import igvm
from igvm.report import plain
from tests import raw
from tests.hostile.samples import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.report.terminal_text import Line

GOLDEN = Path(__file__).with_name("golden")

SNP, VBS, NATIVE = 1, 2, 4


def pages(count: int = 5) -> bytes:
    """Headers of pages with adjacent data, the same data, none, and an odd one out."""
    data = bytes([1]) * 4096 * count
    start = 24 + 24 + 32 * (3 * count + 1)
    heads = raw.platform(2)
    heads += b"".join(raw.page(0x1000 * i, start + 4096 * i) for i in range(count))
    heads += b"".join(raw.page(0x100000 + 0x1000 * i, start) for i in range(count))
    heads += b"".join(raw.page(0x200000 + 0x1000 * i) for i in range(count))
    heads += raw.page(0x900000, kind=1)
    return raw.Raw(heads, data).file()


def version(text: bytes) -> bytes:
    """A file with a version string."""
    return raw.Raw(raw.platform() + raw.header(0x107, text)).file()


def sample(name: str = "x64 v1") -> igvm.IgvmFile:
    """A file with every header that there is, called guest.igvm."""
    return igvm.parse(SMALL[name], path="guest.igvm")


def text(lines: Iterable[Line]) -> str:
    """Lines as they are printed."""
    return "".join(f"{plain(one)}\n" for one in lines)


def assert_golden(name: str, shown: str) -> None:
    """Compare with golden/NAME.txt; IGVM_GOLDEN=write writes it instead, for a look at the diff."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("IGVM_GOLDEN") == "write":
        path.write_text(shown)
    assert path.read_text() == shown
