"""Reserved fields and reserved bits of flags, in every header."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.inspected_file import some
from igvm.checks.rule import headers, rule
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found
    from igvm.wire.record import Record

ERROR = Severity.ERROR


def _reserved(record: type[Record], prefix: str = "") -> Iterator[str]:
    """Every reserved field of `record`, those of nested records included."""
    for item in record.FIELDS:
        if item.is_reserved:
            yield prefix + item.name
        elif item.kind == "record":
            yield from _reserved(item.type, f"{prefix}{item.name}.")


@functools.cache
def _fields() -> list[tuple[type[Record], str]]:
    """Every reserved field of every header."""
    return [(record, path) for record in TYPE_OF for path in _reserved(record)]


@functools.cache
def _flags() -> list[tuple[type[Record], str, int]]:
    """Every field of flags of every header, and the bits that have a meaning."""
    return [
        (record, item.name, functools.reduce(int.__or__, map(int, item.type), 0))
        for record in TYPE_OF
        for item in record.FIELDS
        if item.kind == "flags"
    ]


@rule(
    "reserved-field",
    ERROR,
    "reserved fields must be zero",
    "every structure of igvm_defs with a reserved field",
)
def reserved_field(facts: Facts) -> Found:
    """A later revision of the format may give the field a meaning.

    The reference crate refuses most of them; it overlooks those of VP_CONTEXT and of the SNP ID
    block. Set the field to zero.
    """
    for record, path in _fields():
        table = facts.table(record)
        if len(table):
            first, *rest = path.split(".")
            column: Any = table.column(first)
            for name in rest:
                column = column[name]
            dirty = some(column) if column.ndim > 1 else column != 0
            yield from headers(table.index, dirty, path)


@rule(
    "reserved-flags",
    ERROR,
    "reserved bits of flags must be zero",
    "IgvmPageDataFlags, RequiredMemoryFlags, IGVM_VHF_RELOCATABLE_REGION_*",
)
def reserved_flags(facts: Facts) -> Found:
    """A later revision of the format may give the bit a meaning, and loaders will act on it.

    The reference crate does not look at these bits. Clear them.
    """
    for record, name, known in _flags():
        table = facts.table(record)
        if len(table):
            unknown = table.column(name) & ~table.column(name).dtype.type(known)
            yield from headers(table.index, unknown != 0, name)
