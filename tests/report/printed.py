"""What the renderers print, as text, and a file for them that has every header."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import igvm
from igvm.report import plain
from tests.small_files.samples import EVERY_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.report.terminal_text import Line

GOLDEN = Path(__file__).with_name("golden")


def every_header(name: str = "x64 v1") -> igvm.IgvmFile:
    """A file with every header that there is, called guest.igvm."""
    return igvm.parse(EVERY_HEADER[name], path="guest.igvm")


def text(lines: Iterable[Line]) -> str:
    """Lines as they are printed."""
    return "".join(f"{plain(line)}\n" for line in lines)
