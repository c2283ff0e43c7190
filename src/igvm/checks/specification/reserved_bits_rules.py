"""Reserved fields and reserved bits of flags, in every header."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import not_zero
from igvm.checks.rule import headers, rule
from igvm.spec.registry import TYPE_OF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found
    from igvm.wire.record import Record

ERROR = Severity.ERROR


def _reserved_paths(record: type[Record], prefix: str = "") -> Iterator[str]:
    """Every reserved field of `record`, those of nested records included."""
    for field in record.FIELDS:
        if field.is_reserved:
            yield prefix + field.name
        elif field.kind == "record":
            yield from _reserved_paths(field.type, f"{prefix}{field.name}.")


@functools.cache
def _reserved_fields() -> list[tuple[type[Record], str]]:
    """Every reserved field of every header."""
    return [(record, path) for record in TYPE_OF for path in _reserved_paths(record)]


@functools.cache
def _flag_fields() -> list[tuple[type[Record], str, int]]:
    """Every field of flags of every header, and the bits that have a meaning."""
    return [
        (record, field.name, functools.reduce(int.__or__, map(int, field.type), 0))
        for record in TYPE_OF
        for field in record.FIELDS
        if field.kind == "flags"
    ]


@rule(
    "reserved-field",
    ERROR,
    "reserved fields must be zero",
    "every structure of igvm_defs with a reserved field",
)
def reserved_field(inspected: InspectedFile) -> Found:
    """A later revision of the format may give the field a meaning.

    The reference crate refuses most of them; it overlooks those of VP_CONTEXT and of the SNP ID
    block. Set the field to zero.
    """
    for record, path in _reserved_fields():
        table = inspected.table(record)
        if len(table):
            name, *nested_names = path.split(".")
            column: Any = table.column(name)
            for nested_name in nested_names:
                column = column[nested_name]
            is_set = not_zero(column) if column.ndim > 1 else column != 0
            yield from headers(table.index, is_set, path)


@rule(
    "reserved-flags",
    ERROR,
    "reserved bits of flags must be zero",
    "IgvmPageDataFlags, RequiredMemoryFlags, IGVM_VHF_RELOCATABLE_REGION_*",
)
def reserved_flags(inspected: InspectedFile) -> Found:
    """A later revision of the format may give the bit a meaning, and loaders will act on it.

    The reference crate does not look at these bits. Clear them.
    """
    for record, name, known_bits in _flag_fields():
        table = inspected.table(record)
        if len(table):
            flags = table.column(name)
            unknown_bits = flags & ~flags.dtype.type(known_bits)
            yield from headers(table.index, unknown_bits != 0, name)
