"""The renderers, as hostile tests call them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import igvm


def every_way(file: igvm.IgvmFile) -> None:
    """Render `file` as text and as JSON."""
