"""Every header of a file as text: pages in tables, other headers field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.report.layout import WIDTH, flow, line, printable
from igvm.report.registers import value_text
from igvm.report.words import bytes_text, count_text
from igvm.spec.enums import Architecture, HeaderType, PageDataFlags
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.dump_model import Dump, Entry, FieldValue
    from igvm.report.layout import Line, Piece
    from igvm.report.registers import Registers

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
    fixed = [_number(name, value) for name, value in dump.fixed_header.items()]
    if "architecture" in dump.fixed_header:
        kind = Architecture(dump.fixed_header["architecture"])
        fixed[6] = f"architecture {kind.value} ({kind.name})"
    yield from flow(fixed, first=line("  "), indent=2)
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
            yield from _pages(entry)
        else:
            in_table = False
            yield from _entry(entry)
        if entry.data is not None and entry.data.bytes:
            yield from _bytes(entry.data.bytes, entry.data.offset)
    if dump.trailing:
        yield line()
        yield line((f"trailing {count_text(len(dump.trailing) // 2, 'byte')}", "name"))
        yield from _hex(dump.trailing, 2)
    yield line()
    start, size = dump.file.data_offset, dump.file.data_size
    yield line(("file data", "name"), f"  {size:,} bytes at {start:#x}")


def _number(name: str, value: int) -> str:
    """A field of a header: addresses, offsets and masks in hex, small numbers as such."""
    plain = value < _BIG and not any(
        part in name
        for part in ("gpa", "offset", "mask", "checksum", "boundary", "policy", "magic")
    )
    return f"{name} {value}" if plain else f"{name} {value:#x}"


def _is_page(entry: Entry) -> bool:
    """Whether the entry is a row of a table of pages: nothing about it is odd."""
    return (
        entry.type == HeaderType.PAGE_DATA
        and entry.fields is not None
        and entry.padding is None
        and entry.problem is None
        and not entry.fields["reserved"]
    )


def _pages(entry: Entry) -> Iterator[Line]:
    """A run of pages as a row of the table; a second line where it is too wide."""
    fields: Any = entry.fields
    names: Any = entry.names or {}
    index = _range(entry)
    count = entry.count
    large = fields["flags"] & PageDataFlags.IS_2MB_PAGE
    flags = [one for one in names.get("flags", ()) if one != "IS_2MB_PAGE"]
    data = f"{fields['file_offset']:#x}" if fields["file_offset"] else "-"
    kind = [names["data_type"], *(["2 MiB"] if large else []), *flags]
    if count > 1 and fields["file_offset"] and not (entry.step or {})["file_offset"]:
        kind.append("same data")
    head = f"{index:>11}  {fields['gpa']:#18x}  {count:>7,}  {data:>10}"
    head += f"  {fields['compatibility_mask']:#5x}"
    yield from flow(kind, first=line(f"{head}  "), indent=WIDTH - 19, gap=" ")


def _range(entry: Entry) -> str:
    """The positions of an entry."""
    return (
        f"{entry.index}" if entry.count == 1 else f"{entry.index}-{entry.index + entry.count - 1}"
    )


def _entry(entry: Entry) -> Iterator[Line]:
    """One header, field by field."""
    name = f"{entry.name} (optional)" if entry.optional else entry.name
    count = f" x{entry.count:,}" if entry.count > 1 else ""
    first = line(
        f"{_range(entry):>{_INDENT - 2}}  ", (f"{name}{count}", "title"), f" +{entry.offset:#x}  "
    )
    tokens: list[str | Piece] = []
    long: list[tuple[str, str]] = []
    for key, value in (entry.fields or {}).items():
        _field(entry, key, value, tokens, long)
    if entry.body is not None:
        long.append((f"length {len(entry.body) // 2}, body", entry.body))
    if entry.padding is not None:
        long.append(("padding", entry.padding))
    lines = list(flow(tokens, first=first, indent=_INDENT))
    if len(lines) > 1:
        lines = [first, *flow(tokens, first=line(" " * _INDENT), indent=_INDENT)]
    yield from lines
    for key, value in long:
        yield from _long(key, value)
    for platform, bits in (entry.policies or {}).items():
        said = [f"{key} {bit}" for key, bit in bits.items() if bit] or ["nothing"]
        yield from flow(said, first=line(" " * _INDENT, f"{platform}: "), indent=_INDENT + 2)
    if entry.raw is not None:
        yield from _bytes(entry.raw, entry.offset)
    if entry.context is not None:
        yield from _context(entry, entry.context)
    elif entry.data is not None:
        at = f"data at {entry.data.offset:#x}, {bytes_text(entry.data.size)}"
        yield line(" " * _INDENT, (at, "quiet"))
    if entry.problem is not None:
        text = printable(entry.problem).split(" ")
        pieces: list[str | Piece] = [(one, "bad") for one in text]
        yield from flow(pieces, first=line(" " * _INDENT), indent=_INDENT, gap=" ")


def _field(
    entry: Entry,
    key: str,
    value: FieldValue,
    tokens: list[str | Piece],
    long: list[tuple[str, str]],
) -> None:
    """Add a field to what flows, or to what has lines of its own; reserved zeroes are left out."""
    meaning = (entry.names or {}).get(key)
    if isinstance(value, dict):
        for part, inner in value.items():
            _field(entry, f"{key}.{part}", inner, tokens, long)
        return
    reserved = "reserved" in key
    if isinstance(value, str):
        if _is_text(entry):
            long.append((key, f'"{printable(value)}"'))
        elif value.strip("0"):
            long.append((key, value))
        elif not reserved:
            tokens.append(f"{key} zero")
    elif key == "compatibility_mask":
        names = "+".join(entry.platforms or ()) or "no platform"
        tokens.append(f"{key} {value:#x} ({names})")
    elif meaning is not None:
        said = meaning if isinstance(meaning, str) else "+".join(meaning)
        tokens.append(f"{key} {value} ({said})")
    elif value or not reserved:
        tokens.append(_number(key, value))


def _is_text(entry: Entry) -> bool:
    spec = HEADERS.get(HeaderType(entry.type & 0x7FFFFFFF))
    return spec is not None and spec.record is None


def _long(key: str, value: str) -> Iterator[Line]:
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
    place = f" at {entry.data.offset:#x}, {bytes_text(entry.data.size)}" if entry.data else ""
    vtl = "" if context.vtl is None else f", VTL {context.vtl}"
    yield line(" " * _INDENT, (f"{context.format} context{place}{vtl}", "quiet"))
    numbers: list[str] = []
    for name, value in context.registers.items():
        if isinstance(value, dict):
            yield from flow(
                [f"{name:<5}{value_text(value)}"], first=line(" " * _INDENT), indent=_INDENT + 5
            )
        elif isinstance(value, str):
            yield from _long(name, value)
        elif name == "sev_features":
            numbers.append(f"{name} {value:#x} ({'+'.join(context.sev_features)})")
        else:
            numbers.append(f"{name} {value:#x}")
    yield from flow(numbers, first=line(" " * _INDENT), indent=_INDENT)


def _bytes(value: str, offset: int) -> Iterator[Line]:
    """Bytes as a hex dump, 16 a line, with those that are letters beside them."""
    data = bytes.fromhex(value)
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        letters = "".join(chr(one) if 0x20 <= one < 0x7F else "." for one in row)
        cells = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
        yield line((f"  {offset + start:08x}  {cells:<48}  {letters}", "quiet"))
