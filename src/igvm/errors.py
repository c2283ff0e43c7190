"""The exception tree: everything this library raises for bad input.

```text
IgvmError
├── FormatError      (ValueError)   the bytes are not what the format says
├── ValidationError  (ValueError)   the file, or what was asked of it, breaks a rule
│   ├── MissingAttributeError (AttributeError)  there is no attribute of that name
│   └── MissingItemError      (IndexError)      there is nothing at that position
├── MeasurementError (ValueError)   the file cannot be measured as asked
├── SigningError     (ValueError)   a key, signature or certificate is not usable
├── LoadError        (ValueError)   a loader would not take the file
├── SaveError        (OSError)      the result could not be written
└── ToolError        (RuntimeError) a program or an optional package is missing
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FormatError",
    "IgvmError",
    "LoadError",
    "MeasurementError",
    "MissingAttributeError",
    "MissingItemError",
    "SaveError",
    "SigningError",
    "ToolError",
    "ValidationError",
    "nearest",
]


class IgvmError(Exception):
    """What went wrong, where, and what to do about it.

    Attributes:
        message: the value found and the rule it breaks, in one line.
        path: the file, when known.
        offset: byte offset from the start of the file, when known.
        header: name of the header or structure, such as `PAGE_DATA`.
        field: name of the field in it.
        hint: what the user can do, in one line.
        missing: the parameter that must be given, or given otherwise, such as `vcpus`.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        header: str | None = None,
        field: str | None = None,
        hint: str | None = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset
        self.header = header
        self.field = field
        self.hint = hint
        self.missing = missing

    def __str__(self) -> str:
        where = self.path or ""
        if self.offset is not None:
            where += f"+{self.offset:#x}"
        what = ".".join(part for part in (self.header, self.field) if part)
        return ": ".join(part for part in (where, what, self.message) if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message,), dict(self.__dict__))


class FormatError(IgvmError, ValueError):
    """The bytes are not what the format says they must be."""


class ValidationError(IgvmError, ValueError):
    """A file, or an argument that would end up in one, breaks a rule of the format."""


class MissingAttributeError(ValidationError, AttributeError):
    """Something has no attribute of that name; `hasattr` and `getattr` see it as Python's own."""


class MissingItemError(ValidationError, IndexError):
    """There is nothing at that position; loops over positions see it as Python's own."""


class MeasurementError(IgvmError, ValueError):
    """A file cannot be measured the way it was asked for."""


class SigningError(IgvmError, ValueError):
    """A key, a signature or a certificate cannot be used or does not verify."""


class LoadError(IgvmError, ValueError):
    """A loader would refuse the file."""


class SaveError(IgvmError, OSError):
    """A result could not be written; the target is as it was before."""


class ToolError(IgvmError, RuntimeError):
    """A program or an optional package that the work needs is not there."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint for a `name` that there is not: the name in `known` that is most like it, or all."""
    import difflib

    names = list(known)
    matches = difflib.get_close_matches(name, names, 1)
    return f"did you mean {matches[0]}?" if matches else f"there are {', '.join(names)}"
