"""A file and a table as notebooks show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm import markup
from igvm.spec.enums import HeaderType
from igvm.wire.record import Record

if TYPE_CHECKING:
    from igvm.file.table import Table
    from igvm.file.view import IgvmFile

_MOST_BYTES = 16
"""Bytes of a field that are shown."""


def file_html(file: IgvmFile) -> str:
    """What a file is, its platforms, and its headers counted by type."""
    import numpy as np

    fixed = file.fixed_header
    is_right = fixed.checksum == file.checksum
    parts = [
        markup.title(f"IgvmFile {file.path or ''}".rstrip()),
        markup.facts(
            {
                "size": f"{len(file.buffer):,} bytes",
                "version": file.revision,
                "architecture": file.architecture,
                "page size": f"{file.page_size:,} bytes",
                "checksum": "right"
                if is_right
                else f"{fixed.checksum:#x}, and the headers give {file.checksum:#x}",
                "file data": f"from {file.data_offset:#x}",
            }
        ),
    ]
    platforms = file.platforms
    if platforms:
        masks = ((each.name, f"{each.mask:#x}", each.version) for each in platforms)
        parts.append(markup.table(("platform", "mask", "version"), masks, len(platforms)))
    types, counts = np.unique(file.types, return_counts=True)
    kinds = zip(types.tolist(), counts.tolist(), strict=True)
    rows = ((HeaderType(kind).name, f"{count:,}") for kind, count in kinds)
    parts.append(markup.table(("header", "count"), rows, len(types)))
    return "".join(parts)


def table_html(table: Table[Any]) -> str:
    """The first headers of a table, a row each, with the position of each in the file."""
    fields = [item.name for item in table.record.FIELDS]
    rows = (
        (index, *(shown(getattr(record, name)) for name in fields))
        for index, record in zip(table.index, table, strict=True)
    )
    title = markup.title(f"{len(table):,} {table.record.__name__}")
    return title + markup.table(("", *fields), rows, len(table))


def shown(value: object) -> str:
    """The value of a field: numbers in hex, names where there are some, the first of many bytes."""
    if isinstance(value, bytes):
        more = f"… ({len(value)} bytes)" if len(value) > _MOST_BYTES else ""
        return value[:_MOST_BYTES].hex() + more
    if isinstance(value, Record):
        return repr(value)
    return f"{value:#x}" if type(value) is int else str(value)
