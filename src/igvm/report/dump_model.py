"""Every header of a file as plain values: what `igvm dump` shows and `rebuild` reads."""

from __future__ import annotations

from typing import Literal

import msgspec

from igvm.report.cpuid_table import CPUIDTable  # noqa: TC001 - msgspec reads annotations
from igvm.report.registers import Registers  # noqa: TC001 - msgspec reads annotations

FieldValue = int | str | dict[str, int | str]
"""A number, bytes in hex or text, or the fields of a nested structure."""


class DataRange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The file data that a header, or a run of them, refers to."""

    offset: int
    size: int
    bytes: str | None = None
    """The first bytes in hex, where they were asked for."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One header, or a run of `count` headers that differ in `step` only.

    Exactly one of `fields` and `body` is there.
    """

    index: int
    """Position among all headers of the file."""
    offset: int
    """Byte offset of the header in the file."""
    type: int
    """The type field as it is, optional bit included."""
    name: str
    section: Literal["platform", "initialization", "directive", "unknown"]
    count: int = 1
    step: dict[str, int] | None = None
    """What a field of header i has more than that of the first, divided by i; only in a run."""
    optional: bool = False
    platforms: list[str] | None = None
    """The platforms that the compatibility mask names."""
    fields: dict[str, FieldValue] | None = None
    """Every field in the order of the bytes, reserved ones included."""
    body: str | None = None
    """The body in hex, where the type or the length is not known."""
    padding: str | None = None
    """The bytes after the body in hex, where they are not zeroes up to a multiple of 8."""
    names: dict[str, str | list[str]] | None = None
    """What enums and flags among the fields mean."""
    policies: dict[str, dict[str, int]] | None = None
    """The named bits of a policy, by platform."""
    data: DataRange | None = None
    context: Registers | None = None
    """The registers of a VP_CONTEXT."""
    cpuid: CPUIDTable | None = None
    """The leaves of a CPUID page."""
    problem: str | None = None
    """Why data or registers cannot be shown."""
    raw: str | None = None
    """The whole header in hex, where it was asked for."""


class Dump(msgspec.Struct, frozen=True, kw_only=True):
    """A file taken apart: what `igvm dump --json` prints.

    Together with the file data, which is what follows the variable headers, it is the whole file.
    """

    schema: Literal["igvm.dump/1"] = "igvm.dump/1"
    file: FileParts
    fixed_header: dict[str, int]
    """Every field in the order of the bytes."""
    gap: str
    """Bytes between the fixed header and the variable headers, in hex."""
    complete: bool
    """Whether `headers` holds every header; a filter makes it false."""
    trailing: str
    """Bytes of the variable header section after its last whole header, in hex."""
    headers: list[Entry]


class FileParts(msgspec.Struct, frozen=True, kw_only=True):
    """The file itself, and where its data is."""

    name: str | None
    size: int
    header_count: int
    data_offset: int
    """Where the file data starts: after the fixed and the variable headers."""
    data_size: int
