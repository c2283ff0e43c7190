"""Which file a report is about, as plain values."""

from __future__ import annotations

import msgspec


class FileModel(msgspec.Struct, frozen=True, kw_only=True):
    """The file itself."""

    name: str | None
    """As it was given; null for bytes that have no name."""
    size: int
    """Bytes."""
