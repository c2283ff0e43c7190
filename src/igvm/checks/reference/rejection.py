"""Where the reference stops, and the finding that says so."""

from __future__ import annotations

import msgspec

from igvm.checks.finding import Finding
from igvm.checks.reference.reference_rules import CRASH_NAMES, REFERENCE_RULES


class Rejection(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The first thing in a file that the reference does not take."""

    rule: str
    """Name of a ReferenceRule."""
    description: str
    """What is there, in words."""
    header: str | None = None
    """Name of the header's type, or FIXED_HEADER."""
    field: str | None = None
    index: int | None = None
    """Position of the header among all headers of the file."""
    offset: int | None = None
    """Byte offset of the field, or of the header, in the file."""
    value: int | str | None = None
    words: str = ""
    """The rule in words that fit this place better than those of the ReferenceRule."""

    def finding(self, release: str) -> Finding:
        """The finding for a file that was checked against `release`."""
        rule = REFERENCE_RULES[self.rule]
        crash = f"; {CRASH_NAMES}" if rule.crashes else ""
        return Finding(
            rule=f"igvm-{release}/{self.rule}",
            severity=rule.severity,
            message=f"{self.description}; {self.words or rule.words}{crash}",
            found=self.description,
            header_index=self.index,
            header_type=self.header,
            field=self.field,
            offset=self.offset,
            value=self.value,
        )
