"""Every header type is made, read, written anew, checked, found by address, dumped and rebuilt.

All that is asked for here follows from what `igvm.spec.registry` declares of a type, so a new type
is asked for the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import igvm
from igvm import report
from igvm.report.header_selection import select
from igvm.spec.initialization import VersionString
from igvm.spec.registry import HEADERS, HeaderSpec
from tests.small_files import raw
from tests.small_files.guests import SNP, file_for

if TYPE_CHECKING:
    from igvm.spec.registry import HeaderRecord

GPA, SIZE, AREA = 0x20000, 0x2000, 3
DATA = bytes(range(1, 101))
SPECS = [
    spec for spec in HEADERS.values() if spec.header_type != igvm.HeaderType.SUPPORTED_PLATFORM
]
each_type = pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])


def record_of(spec: HeaderSpec, **changes: Any) -> HeaderRecord:
    """A header of a type, for the platform with mask 1, with a value in all that is declared."""
    if spec.record is None:
        return VersionString("1.2.3")
    values: dict[str, Any] = {}
    if spec.has_mask:
        values["compatibility_mask"] = 1
    if spec.memory is not None:
        values |= {spec.memory.address: GPA, spec.memory.size.field: SIZE}
    if spec.data is not None and spec.data.is_padded:
        values[spec.data.size.field] = SIZE
    if spec.area is not None:
        values[spec.area.index] = AREA
    values.pop("", None)
    return spec.record.unpack_from(bytes(spec.record.SIZE)).replace(**values | changes)


def built(spec: HeaderSpec, **changes: Any) -> tuple[igvm.IgvmFile, igvm.Header[Any]]:
    """A file with a header of a type, and the header."""
    builder = igvm.Builder(revision=2)
    builder.platform("snp")
    if spec.area is not None and spec.area.act != "declare":
        builder.parameter_area(SIZE, index=AREA)
    data = None if spec.data is None else DATA
    if spec.data is not None and spec.data.size.rule == "context":
        data = igvm.SEVVMSA(rip=0x1234).pack()
    builder.add(record_of(spec, **changes), data=data)
    file = igvm.parse(builder.to_bytes())
    return file, file.headers[-1]


def content(spec: HeaderSpec) -> bytes:
    """What the data of such a header starts with."""
    if spec.data is None:
        return b""
    is_context = spec.data.size.rule == "context"
    return igvm.SEVVMSA(rip=0x1234).pack() if is_context else DATA


def memory_of(spec: HeaderSpec, header: igvm.Header[Any]) -> int:
    """Bytes of guest memory that such a header names."""
    if spec.memory is None:
        return 0
    sizes = {"page": 0x1000, "area": SIZE, "context": 0x1000}
    rule = spec.memory.size.rule
    size: int = sizes[rule] if rule in sizes else getattr(header.record, spec.memory.size.field)
    return size


@each_type
def test_is_read_back(spec: HeaderSpec) -> None:
    """Fields and data are those that went in, and the data has the size that is declared."""
    file, header = built(spec)
    assert (spec.header_type, spec.section) == (header.header_type, header.section)
    expected = record_of(spec)
    offset = getattr(header.record, "file_offset", 0)
    if spec.data is not None:
        assert offset >= file.data_offset
        sizes = {} if spec.data.is_padded else {spec.data.size.field: len(DATA)}
        expected = expected.replace(file_offset=offset, **sizes)  # type: ignore[union-attr]
    assert expected == header.record
    data = bytes(file.data(header))
    assert data.startswith(content(spec))
    assert data.strip(b"\0") == content(spec).strip(b"\0")


@each_type
def test_is_written_anew(spec: HeaderSpec) -> None:
    """Lifted into a builder it is the same file, and the reference's layout keeps all of it."""
    file, header = built(spec)
    assert bytes(file.buffer) == igvm.Builder.of(file).to_bytes()
    clean = igvm.canonical(file)
    assert igvm.equivalent(file, clean)
    (kept,) = (other for other in clean.headers if other.header_type == spec.header_type)
    assert bytes(file.data(header)) == bytes(clean.data(kept))


@each_type
def test_is_taken_apart_and_put_together(spec: HeaderSpec) -> None:
    """The dump of a file, as JSON too, rebuilds it with its data."""
    file, header = built(spec)
    dump = report.dump(file)
    data = file.buffer[file.data_offset :]
    assert bytes(file.buffer) == report.rebuild(dump, data)
    assert bytes(file.buffer) == report.rebuild(report.encode(dump), data)
    entry = dump.headers[header.index]
    assert spec.name == entry.name
    assert (spec.data is None) == (entry.data is None)


@each_type
def test_is_found_by_address(spec: HeaderSpec) -> None:
    """A header that names guest memory is found by any address of it, and by no other."""
    file, header = built(spec)
    size = memory_of(spec, header)
    selected = [
        header.index in select(file, report.Selection(addresses=((gpa, gpa + 1),)))
        for gpa in (GPA - 1, GPA, GPA + max(size, 1) - 1, GPA + size)
    ]
    assert [False, size > 0, size > 0, False] == selected


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.data], ids=lambda spec: spec.name)
def test_data_outside_the_file_is_an_error(spec: HeaderSpec) -> None:
    """Every header that refers to data is checked for where that lies."""
    file, header = built(spec)
    assert spec.data is not None
    field = next(item for item in type(header.record).FIELDS if item.name == spec.data.offset)
    at = header.offset + 8 + field.offset
    data = bytearray(file.buffer)
    for place in (len(data), 30):
        data[at : at + 4] = place.to_bytes(4, "little")
        blamed = [
            finding
            for finding in igvm.check(igvm.parse(bytes(data)))
            if finding.is_error and finding.header_index == header.index
        ]
        assert spec.data.offset in {finding.field for finding in blamed}


@pytest.mark.parametrize(
    "spec",
    [spec for spec in SPECS if spec.memory and spec.memory.size.rule != "context"],
    ids=lambda spec: spec.name,
)
def test_memory_past_the_end_is_an_error(spec: HeaderSpec) -> None:
    """Every header that names guest memory is checked for where that ends."""
    assert spec.memory is not None
    large = {"flags": igvm.PageDataFlags.IS_2MB_PAGE} if spec.memory.size.rule == "page" else {}
    file, header = built(spec)
    record = msgspec.structs.replace(
        header.record, **{spec.memory.address: (1 << 64) - memory_of(spec, header) // 2}, **large
    )
    data = bytearray(file.buffer)
    data[header.offset + 8 : header.offset + 8 + len(record.pack())] = record.pack()
    rules = {
        finding.rule
        for finding in igvm.check(igvm.parse(bytes(data)))
        if finding.header_index == header.index
    }
    assert "memory-wraps" in rules


def test_a_type_that_nobody_knows_loses_nothing() -> None:
    """Its body survives as it is; where data may be its own, it is not laid out anew."""
    file = file_for(SNP, raw.header(0x3F0, b"abcdefgh"), data=b"")
    assert bytes(file.buffer) == igvm.Builder.of(file).to_bytes()
    owned = file_for(SNP, raw.header(0x3F0, b"abcdefgh"), data=DATA)
    for change in (igvm.canonical, lambda file: igvm.Builder.of(file).to_bytes()):
        with pytest.raises(igvm.ValidationError, match="UNKNOWN_0x3f0"):
            change(owned)
