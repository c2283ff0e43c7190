"""Text as it was printed when somebody last looked at it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_written_anew() -> bool:
    """Whether expected text is to be replaced, for a look at the diff: IGVM_GOLDEN=write."""
    return os.environ.get("IGVM_GOLDEN") == "write"


def assert_golden(path: Path, shown: str) -> None:
    """Compare with the file at `path`; IGVM_GOLDEN=write writes it instead."""
    if is_written_anew():
        path.write_text(shown)
    assert path.read_text() == shown
