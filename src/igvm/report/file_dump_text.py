"""Every header of a file as text: pages in tables, other headers field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.report.cpuid_table import cpuid_text
from igvm.report.names_and_numbers import bytes_text, count_text
from igvm.report.registers import value_text
from igvm.report.terminal_text import WIDTH, flow, line, paragraph, printable
from igvm.spec.enums import Architecture, HeaderType, PageDataFlags
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.dump_model import Dump, Entry, FieldValue
    from igvm.report.registers import Registers
    from igvm.report.terminal_text import Line, Piece

_INDENT = 9
_HEADS = (
    f"{'index':>11}  {'PAGE_DATA gpa':>18}  {'pages':>7}  {'data':>10}  {'mask':>5}  type, flags"
)
_BIG = 1 << 10
"""Numbers from here on are written in hex."""


def dump_text(dump: Dump, entries: Iterable[Entry]) -> Iterator[Line]:
    """The lines of a dump, whose entries may come one by one."""
    yield line((printable(dump.file.name or "(no name)"), "title"))
    yield line(("fixed header", "name"))
    fields = {name: _number(name, value) for name, value in dump.fixed_header.items()}
    if "architecture" in fields:
        architecture = Architecture(dump.fixed_header["architecture"])
        fields["architecture"] = f"architecture {architecture.value} ({architecture.name})"
    yield from flow(fields.values(), first=line("  "), indent=2)
    if dump.gap:
        yield line((f"gap of {count_text(len(dump.gap) // 2, 'byte')}", "name"))
        yield from _hex(dump.gap, 2)
    section = ""
    in_table = False
    for entry in entries:
        if entry.section != section:
            section, in_table = entry.section, False
            yield line()
            yield line((f"{section} headers", "name"))
        if _is_page(entry) and entry.raw is None:
            if not in_table:
                yield line((_HEADS, "quiet"))
            in_table = True
            yield from _page_row(entry)
            if entry.cpuid is not None:
                yield from cpuid_text(entry.cpuid, _INDENT + 4)
        else:
            in_table = False
            yield from _fields_of(entry)
        if entry.data is not None and entry.data.bytes:
            yield from _hex_dump(entry.data.bytes, entry.data.offset)
    if dump.trailing:
        yield line()
        yield line((f"trailing {count_text(len(dump.trailing) // 2, 'byte')}", "name"))
        yield from _hex(dump.trailing, 2)
    yield line()
    start, size = dump.file.data_offset, dump.file.data_size
    yield line(("file data", "name"), f"  {size:,} bytes at {start:#x}")


def _number(name: str, value: int) -> str:
    """A field of a header: addresses, offsets and masks in hex, small numbers as such."""
    is_count = value < _BIG and not any(
        part in name
        for part in ("gpa", "offset", "mask", "checksum", "boundary", "policy", "magic")
    )
    return f"{name} {value}" if is_count else f"{name} {value:#x}"


def _is_page(entry: Entry) -> bool:
    """Whether the entry is a row of a table of pages: nothing about it is odd."""
    return (
        entry.type == HeaderType.PAGE_DATA
        and entry.fields is not None
        and entry.padding is None
        and entry.problem is None
        and not entry.fields["reserved"]
    )


def _page_row(entry: Entry) -> Iterator[Line]:
    """A run of pages as a row of the table; a second line where it is too wide."""
    fields: Any = entry.fields
    names: Any = entry.names or {}
    count = entry.count
    is_large = fields["flags"] & PageDataFlags.IS_2MB_PAGE
    flags = [name for name in names.get("flags", ()) if name != "IS_2MB_PAGE"]
    data = f"{fields['file_offset']:#x}" if fields["file_offset"] else "-"
    remarks = [names["data_type"], *(["2 MiB"] if is_large else []), *flags]
    if count > 1 and fields["file_offset"] and not (entry.step or {})["file_offset"]:
        remarks.append("same data")
    cells = f"{_positions(entry):>11}  {fields['gpa']:#18x}  {count:>7,}  {data:>10}"
    cells += f"  {fields['compatibility_mask']:#5x}"
    yield from flow(remarks, first=line(f"{cells}  "), indent=WIDTH - 19, gap=" ")


def _positions(entry: Entry) -> str:
    """The positions of an entry's headers among all headers."""
    last = entry.index + entry.count - 1
    return f"{entry.index}" if entry.count == 1 else f"{entry.index}-{last}"


def _fields_of(entry: Entry) -> Iterator[Line]:
    """One header, field by field."""
    name = f"{entry.name} (optional)" if entry.optional else entry.name
    count = f" x{entry.count:,}" if entry.count > 1 else ""
    first = line(
        f"{_positions(entry):>{_INDENT - 2}}  ",
        (f"{name}{count}", "title"),
        f" +{entry.offset:#x}  ",
    )
    tokens: list[str | Piece] = []
    own_lines: list[tuple[str, str]] = []
    for key, value in (entry.fields or {}).items():
        _field(entry, key, value, tokens, own_lines)
    if entry.body is not None:
        own_lines.append((f"length {len(entry.body) // 2}, body", entry.body))
    if entry.padding is not None:
        own_lines.append(("padding", entry.padding))
    lines = list(flow(tokens, first=first, indent=_INDENT))
    if len(lines) > 1:
        lines = [first, *flow(tokens, first=line(" " * _INDENT), indent=_INDENT)]
    yield from lines
    for key, value in own_lines:
        yield from _own_line(key, value)
    for platform, bits in (entry.policies or {}).items():
        fields = [f"{key} {bit}" for key, bit in bits.items() if bit] or ["nothing"]
        yield from flow(fields, first=line(" " * _INDENT, f"{platform}: "), indent=_INDENT + 2)
    if entry.raw is not None:
        yield from _hex_dump(entry.raw, entry.offset)
    if entry.context is not None:
        yield from _context(entry, entry.context)
    elif entry.cpuid is not None:
        yield from cpuid_text(entry.cpuid, _INDENT)
    elif entry.data is not None:
        where = f"data at {entry.data.offset:#x}, {bytes_text(entry.data.size)}"
        yield line(" " * _INDENT, (where, "quiet"))
    if entry.problem is not None:
        first = line(" " * _INDENT)
        yield from paragraph(printable(entry.problem), first=first, indent=_INDENT, style="bad")


def _field(
    entry: Entry,
    key: str,
    value: FieldValue,
    tokens: list[str | Piece],
    own_lines: list[tuple[str, str]],
) -> None:
    """Add a field to what flows, or to what has lines of its own; reserved zeroes are left out."""
    meaning = (entry.names or {}).get(key)
    if isinstance(value, dict):
        for part, part_value in value.items():
            _field(entry, f"{key}.{part}", part_value, tokens, own_lines)
        return
    is_reserved = "reserved" in key
    if isinstance(value, str):
        if _is_text(entry):
            own_lines.append((key, f'"{printable(value)}"'))
        elif value.strip("0"):
            own_lines.append((key, value))
        elif not is_reserved:
            tokens.append(f"{key} zero")
    elif key == "compatibility_mask":
        names = "+".join(entry.platforms or ()) or "no platform"
        tokens.append(f"{key} {value:#x} ({names})")
    elif meaning is not None:
        names = meaning if isinstance(meaning, str) else "+".join(meaning)
        tokens.append(f"{key} {value} ({names})")
    elif value or not is_reserved:
        tokens.append(_number(key, value))


def _is_text(entry: Entry) -> bool:
    spec = HEADERS.get(HeaderType(entry.type & 0x7FFFFFFF))
    return spec is not None and spec.record is None


def _own_line(key: str, value: str) -> Iterator[Line]:
    """A value that may need lines of its own."""
    head = f"{' ' * _INDENT}{key} "
    if len(head) + len(value) <= WIDTH:
        yield line(head + value)
        return
    yield line(head)
    yield from _hex(value, _INDENT + 2)


def _hex(value: str, indent: int) -> Iterator[Line]:
    """Hex or text, 64 columns a line."""
    for start in range(0, len(value), 64):
        yield line(" " * indent, value[start : start + 64])


def _context(entry: Entry, context: Registers) -> Iterator[Line]:
    """The registers of a VP_CONTEXT: structures a line each, numbers side by side."""
    where = f" at {entry.data.offset:#x}, {bytes_text(entry.data.size)}" if entry.data else ""
    vtl = "" if context.vtl is None else f", VTL {context.vtl}"
    yield line(" " * _INDENT, (f"{context.format} context{where}{vtl}", "quiet"))
    numbers: list[str] = []
    for name, value in context.registers.items():
        if isinstance(value, dict):
            yield from flow(
                [f"{name:<5}{value_text(value)}"], first=line(" " * _INDENT), indent=_INDENT + 5
            )
        elif isinstance(value, str):
            yield from _own_line(name, value)
        elif name == "sev_features":
            numbers.append(f"{name} {value:#x} ({'+'.join(context.sev_features)})")
        else:
            numbers.append(f"{name} {value:#x}")
    yield from flow(numbers, first=line(" " * _INDENT), indent=_INDENT)


def _hex_dump(value: str, offset: int) -> Iterator[Line]:
    """Bytes as a hex dump, 16 a line, with those that are letters beside them."""
    data = bytes.fromhex(value)
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        cells = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
        yield line((f"  {offset + start:08x}  {cells:<48}  {letters}", "quiet"))
