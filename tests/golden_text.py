"""Text as it was printed when somebody last looked at it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
"""A digest alone on its line: it is never broken, and may be wider than a terminal."""


def without_digests(shown: str) -> list[str]:
    """The lines of a text that fit a terminal: all but those that are a digest."""
    return [line for line in shown.splitlines() if not DIGEST.fullmatch(line)]


def is_written_anew() -> bool:
    """Whether expected text is to be replaced, for a look at the diff: IGVM_GOLDEN=write."""
    return os.environ.get("IGVM_GOLDEN") == "write"


def assert_golden(path: Path, shown: str) -> None:
    """Compare with the file at `path`; IGVM_GOLDEN=write writes it instead."""
    if is_written_anew():
        path.write_text(shown)
    assert path.read_text() == shown
