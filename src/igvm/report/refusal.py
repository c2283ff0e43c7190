"""Why there is no result, in data: what stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from igvm.errors import IgvmError


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no result."""

    message: str
    """What is wrong, with its place in the file."""
    hint: str | None = None
    """What the user can do."""
    missing: str | None = None
    """The parameter that must be given, or given otherwise: vcpus, cpu or realm."""

    @classmethod
    def of(cls, error: IgvmError) -> Refusal:
        """What an error says, without the name of the file."""
        offset = "" if error.offset is None else f"+{error.offset:#x}"
        place = ".".join(part for part in (error.header, error.field) if part)
        message = ": ".join(part for part in (offset, place, error.message) if part)
        return cls(message=message, hint=error.hint, missing=error.missing)
