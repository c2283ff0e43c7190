"""What a check reports, and the error it becomes where errors are raised."""

from __future__ import annotations

import msgspec

from igvm.errors import ValidationError
from igvm.wire.openenum import OpenEnum


class Severity(OpenEnum):
    """How bad a finding is."""

    NOTE = 0
    """Worth knowing; nothing is wrong."""
    WARNING = 1
    """Allowed or harmless, but hardly meant."""
    ERROR = 2
    """The file breaks the rules that it was checked against."""


class Finding(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One place at which a file breaks one rule."""

    rule: str
    """Identifier of the rule; its page in the documentation has the same name."""
    severity: Severity
    message: str
    """What was found, and the rule in words; one line."""
    found: str = ""
    """What was found, without the rule; empty where the rule says it all."""
    header_index: int | None = None
    """Position of the header among all headers of the file."""
    header_type: str | None = None
    """Name of the header's type: `PAGE_DATA`, or `FIXED_HEADER`."""
    field: str | None = None
    offset: int | None = None
    """Byte offset of the field, or of the header, in the file."""
    value: int | str | None = None
    """The value found: a number, or text such as raw bytes in hex."""
    more: int = 0
    """Further places that break this rule and are not listed on their own."""

    @property
    def is_error(self) -> bool:
        """Whether the file breaks the rules."""
        return self.severity == Severity.ERROR

    @property
    def where(self) -> str:
        """The header and the field: `PAGE_DATA[12].gpa`; empty where neither is known."""
        index = "" if self.header_index is None else f"[{self.header_index}]"
        return ".".join(part for part in (f"{self.header_type or ''}{index}", self.field) if part)

    def error(self, path: str | None = None) -> ValidationError:
        """This finding as an exception."""
        return ValidationError(
            self.message,
            path=path,
            offset=self.offset,
            header=self.header_type,
            field=self.field,
            hint=f"rule {self.rule}",
        )

    def __str__(self) -> str:
        offset = "" if self.offset is None else f"+{self.offset:#x}: "
        where = f"{self.where}: " if self.where else ""
        more = f" (and {self.more} more)" if self.more else ""
        return f"{self.severity.name.lower()}: {offset}{where}{self.message}{more} [{self.rule}]"
