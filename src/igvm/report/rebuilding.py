"""Puts a file together again from its dump and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import FormatError, ValidationError
from igvm.report.dump_model import Dump, Entry
from igvm.spec.enums import OPTIONAL_BIT, HeaderType
from igvm.spec.fixed import FixedHeaderV1, FixedHeaderV2
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.wire.record import Record


def rebuild(dump: Dump | bytes | str, data: bytes | memoryview) -> bytes:
    """The file that `dump` was made from.

    Args:
        dump: what `dump` returned or `igvm dump --json` printed, without a filter.
        data: the file data: all that follows the variable headers, from `file.data_offset` on.

    Raises:
        ValidationError: it is not a whole dump, or `data` has not the size that it says.
    """
    whole = dump if isinstance(dump, Dump) else _decoded(dump)
    if not whole.complete:
        raise ValidationError("the dump was made with a filter and does not hold every header")
    if len(data) != whole.file.data_size:
        message = f"there are {len(data)} bytes of file data, the dump is of {whole.file.data_size}"
        raise ValidationError(message)
    try:
        is_first = len(whole.fixed_header) == len(FixedHeaderV1.FIELDS)
        fixed = _packed(FixedHeaderV1 if is_first else FixedHeaderV2, whole.fixed_header)
        size = whole.fixed_header["variable_header_size"]
        section = _section(whole, size)
        gap = bytes.fromhex(whole.gap)
    except (FormatError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        message = f"the dump does not hold what a file is made of: {error}"
        raise ValidationError(message) from error
    start = whole.fixed_header["variable_header_offset"]
    # The headers may lie over the fixed header in a file that is wrong; they have the same bytes.
    outside = fixed + gap
    result = b"".join((outside[:start], section, outside[start + len(section) :], data))
    if len(section) != size or len(result) != whole.file.size:
        raise ValidationError("the headers of the dump have not the size that it says")
    return result


def _section(whole: Dump, size: int) -> bytearray:
    """The variable headers; a little more than `size` bytes at most."""
    section = bytearray()
    for entry in whole.headers:
        for header in _headers(entry):
            section += header
            if len(section) > size:
                return section
    return section + bytes.fromhex(whole.trailing)


def _decoded(text: bytes | str) -> Dump:
    try:
        return msgspec.json.decode(text, type=Dump)
    except msgspec.MsgspecError as error:
        raise ValidationError(f"this is not the dump of a file: {error}") from error
    except UnicodeDecodeError as error:
        raise ValidationError("this is not the dump of a file: it is not UTF-8") from error


def _headers(entry: Entry) -> Iterator[bytes]:
    """The headers of one entry."""
    step = entry.step or {}
    fields = dict(entry.fields or {})
    prefix = entry.type.to_bytes(4, "little")
    for _ in range(entry.count):
        body = _body(entry, fields)
        padding = bytes(-len(body) % 8) if entry.padding is None else bytes.fromhex(entry.padding)
        yield b"".join((prefix, len(body).to_bytes(4, "little"), body, padding))
        for name, more in step.items():
            fields[name] += more  # type: ignore[operator]


def _body(entry: Entry, fields: dict[str, Any]) -> bytes:
    """The body of a header with these fields."""
    if entry.body is not None:
        return bytes.fromhex(entry.body)
    header_type = HeaderType(entry.type & ~OPTIONAL_BIT)
    if header_type == HeaderType.VERSION_STRING:
        return str(fields["text"]).encode()
    record = HEADERS[header_type].record
    if record is None:
        raise ValueError(f"a {header_type.name} with fields")
    return _packed(record, fields)


def _packed(record: type[Record], fields: dict[str, Any]) -> bytes:
    """The bytes of a record with these values."""
    return record(**{item.name: _value(item, fields[item.name]) for item in record.FIELDS}).pack()


def _value(item: Any, value: Any) -> Any:
    """The value of a field: numbers as they are, hex as bytes, nested records as such."""
    if item.kind == "octets":
        return bytes.fromhex(value)
    if item.kind == "record":
        return item.type(**{part.name: _value(part, value[part.name]) for part in item.type.FIELDS})
    return value
