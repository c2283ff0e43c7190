"""A file taken apart and put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import igvm
from igvm import report
from tests.golden_text import assert_golden
from tests.report.printed import GOLDEN, every_header, text
from tests.small_files import raw
from tests.small_files.contents import cpuid_leaves
from tests.small_files.raw import with_checksum
from tests.small_files.samples import EVERY_HEADER, runs_of_pages

if TYPE_CHECKING:
    from pathlib import Path


def shown(content: bytes, **options: object) -> str:
    """The text of a dump."""
    chosen = report.DumpOptions(**options)  # type: ignore[arg-type]
    file = igvm.parse(content)
    return text(report.dump_text(report.frame(file, chosen, []), report.entries(file, chosen)))


def again(data: bytes) -> bytes:
    """A file made from the JSON of its dump and its data."""
    whole = report.dump(igvm.parse(data))
    return report.rebuild(report.encode(whole), data[whole.file.data_offset :])


@pytest.mark.parametrize("name", ["x64 v1", "x64 v2", "arm"])
def test_text(name: str) -> None:
    """The dump of a file with every header reads as it should."""
    file, options = every_header(name), report.DumpOptions()
    lines = report.dump_text(report.frame(file, options, []), report.entries(file, options))
    assert_golden(GOLDEN / f"dump {name}.txt", text(lines))


def test_text_of_pages() -> None:
    """Runs of pages are rows of a table."""
    assert_golden(GOLDEN / "dump pages.txt", shown(runs_of_pages()))


def test_text_with_bytes() -> None:
    """Headers and data in hex stand below what they belong to."""
    selection = report.Selection(indexes=((1, 3),))
    assert_golden(
        GOLDEN / "dump raw.txt", shown(runs_of_pages(), selection=selection, raw=True, data=32)
    )


def test_text_of_what_is_odd() -> None:
    """Unknown types, wrong lengths, padding, gaps and trailing bytes are shown."""
    heads = raw.platform(9, 0x30) + raw.header(0x302, b"\x01\x02\x03", padding=0x30)
    heads += raw.header(0x80000150, bytes(40)) + raw.page(0, 1 << 31, mask=8, flags=0xF2, kind=7)
    heads += raw.header(0x107, b"1\x1b[2J") + bytes([1]) * 7
    assert_golden(GOLDEN / "dump odd.txt", shown(raw.file(heads, gap=b"gap!" * 2)))


@pytest.mark.parametrize(
    "data", [*EVERY_HEADER.values(), runs_of_pages()], ids=[*EVERY_HEADER.keys(), "pages"]
)
def test_rebuild(data: bytes) -> None:
    """The dump and the data are the whole file."""
    assert data == again(data)


@given(st.data())
def test_rebuild_of_bent_files(drawn: st.DataObject) -> None:
    """The dump of a file with any bytes changed is still the whole file."""
    data = bytearray(drawn.draw(st.sampled_from([*EVERY_HEADER.values(), runs_of_pages(2)])))
    for _ in range(drawn.draw(st.integers(1, 6))):
        data[drawn.draw(st.integers(12, 1200))] = drawn.draw(st.integers(0, 255))
    bent = with_checksum(data) if drawn.draw(st.booleans()) else bytes(data)
    try:
        igvm.parse(bent)
    except igvm.FormatError:
        return
    assert bent == again(bent)


@pytest.mark.parametrize("offset", [0, 8, 24, 40])
def test_rebuild_where_headers_overlap(offset: int) -> None:
    """Variable headers that lie over the fixed header, or far behind it, come back."""
    data = bytearray(raw.file(raw.platform(), raw.page(0)))
    data[8:12] = offset.to_bytes(4, "little")
    data[12:16] = (80 - offset).to_bytes(4, "little")
    assert bytes(data) == again(bytes(data))


def test_rebuild_of_the_corpus(corpus_file: Path) -> None:
    """The dump of a real file, or of one with a fault, is the whole file."""
    data = corpus_file.read_bytes()
    try:
        igvm.parse(data)
    except igvm.FormatError:
        return
    assert data == again(data)


def test_rebuild_takes_the_model() -> None:
    """A dump need not go through JSON."""
    data = runs_of_pages()
    whole = report.dump(igvm.parse(data))
    assert data == report.rebuild(whole, memoryview(data)[whole.file.data_offset :])


def test_rebuild_refuses_a_filtered_dump() -> None:
    """A dump that lacks headers is no file."""
    file = igvm.parse(runs_of_pages())
    selection = report.Selection(indexes=((0, 2),))
    whole = report.dump(file, report.DumpOptions(selection=selection))
    with pytest.raises(igvm.ValidationError, match="filter"):
        report.rebuild(whole, b"")


def test_rebuild_refuses_other_data() -> None:
    """The data must have the size that the dump says."""
    with pytest.raises(igvm.ValidationError, match="0 bytes of file data"):
        report.rebuild(report.dump(igvm.parse(runs_of_pages())), b"")


@pytest.mark.parametrize(
    "change",
    [
        {"fixed_header": {}},
        {"gap": "zz"},
        {"trailing": "00"},
        {"headers": []},
        {"fixed_header": {"variable_header_size": 1, "variable_header_offset": -1}},
    ],
    ids=["no fixed header", "no hex", "too much", "too little", "few fields"],
)
def test_rebuild_refuses_nonsense(change: dict[str, object]) -> None:
    """A dump that was changed into something else is refused."""
    data = runs_of_pages()
    whole = msgspec.structs.replace(report.dump(igvm.parse(data)), **change)
    with pytest.raises(igvm.ValidationError):
        report.rebuild(whole, data[whole.file.data_offset :])


@pytest.mark.parametrize(
    "change",
    [
        {"fields": None},
        {"fields": {"gpa": "x"}},
        {"type": -1},
        {"count": 1 << 60, "step": None},
        {"step": {"gpa": 1 << 63}},
        {"type": 0x107, "fields": {"text": "\ud800"}},
        {"padding": "no"},
    ],
    ids=["no fields", "wrong kind", "type", "endless", "too large", "no text", "no hex"],
)
def test_rebuild_refuses_nonsense_entries(change: dict[str, object]) -> None:
    """An entry that cannot be written is refused, in time that the file's size bounds."""
    data = runs_of_pages()
    whole = report.dump(igvm.parse(data))
    entry = msgspec.structs.replace(whole.headers[1], **change)
    bent = msgspec.structs.replace(whole, headers=[whole.headers[0], entry, *whole.headers[2:]])
    with pytest.raises(igvm.ValidationError):
        report.rebuild(bent, data[whole.file.data_offset :])


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", "[1]", b'{"schema": "igvm.dump/2"}'])
def test_rebuild_refuses_what_is_no_dump(text: bytes | str) -> None:
    """Other JSON, and what is no JSON, is refused."""
    with pytest.raises(igvm.ValidationError, match="not the dump"):
        report.rebuild(text, b"")


def test_overlapping_contexts_are_bounded() -> None:
    """Contexts that share their registers are decoded as often as the file is large, then not."""
    count = 400
    start = 24 + 24 + 32 * count
    heads = raw.platform(2) + b"".join(raw.context(start, index=i) for i in range(count))
    whole = report.dump(igvm.parse(raw.file(heads, data=bytes(4096))))
    decoded = [entry for entry in whole.headers if entry.context is not None]
    assert 4 < len(decoded) < 30
    assert whole.headers[-1].problem is not None


def test_data_past_the_end_of_a_run() -> None:
    """A run whose last pages have no data in the file says so."""
    start = 24 + 24 + 96
    heads = raw.platform(2) + b"".join(raw.page(4096 * i, start + 4096 * i) for i in range(3))
    whole = report.dump(igvm.parse(raw.file(heads, data=bytes(5000))))
    run = whole.headers[1]
    assert 3 == run.count
    assert run.data is not None
    assert (start, 5000) == (run.data.offset, run.data.size)
    assert run.problem is not None


def cpuid_file(*pages: bytes, offset: int | None = None) -> bytes:
    """A file with these CPUID pages, all at one place of the data where `offset` is given."""
    headers = [
        raw.page(0x1000 * i, raw.at(i if offset is None else offset), kind=2)
        for i in range(len(pages))
    ]
    return raw.file(raw.platform(2), *headers, data=pages)


LEAVES = cpuid_leaves((0, 0), (0xD, 1, 3, 8), (0x8000001F,), answer=0x10)


def test_text_of_cpuid_pages() -> None:
    """The leaves stand below the row of their page, wide ones on two lines."""
    wide = cpuid_leaves((0xFFFFFFFF, 0xFFFFFFFF, (1 << 64) - 1, (1 << 64) - 1), answer=0xFFFFFFFF)
    many = (65).to_bytes(4, "little") + cpuid_leaves((7,))[4:64].ljust(4092, b"\0")
    asked_for = cpuid_leaves((1,), (4, 1))
    dumped = shown(cpuid_file(LEAVES, asked_for, wide, many[:4096], cpuid_leaves()))
    assert_golden(GOLDEN / "dump cpuid.txt", dumped)


def test_leaves_are_values() -> None:
    """JSON has the count and every field of each leaf."""
    entry = report.dump(igvm.parse(cpuid_file(LEAVES))).headers[1]
    assert entry.cpuid is not None
    assert 3 == entry.cpuid.count
    expected = {"eax_in": 0xD, "ecx_in": 1, "xcr0_in": 3, "xss_in": 8}
    answer = {"eax": 0x10, "ebx": 0, "ecx": 0, "edx": 0}
    assert expected | answer == msgspec.to_builtins(entry.cpuid.leaves[1])
    assert cpuid_file(LEAVES) == again(cpuid_file(LEAVES))


def test_pages_of_another_type_have_no_leaves() -> None:
    """Neither has a CPUID page without data."""
    data = raw.file(raw.platform(2), raw.page(0, raw.at(0)), raw.page(0x1000, kind=2), data=LEAVES)
    assert [None] * 3 == [entry.cpuid for entry in report.dump(igvm.parse(data)).headers]


def test_overlapping_leaves_are_bounded() -> None:
    """What is decoded of CPUID pages at one place does not exceed the file by more than a bit."""
    headers = [raw.page(0x2000 * i, raw.at(0), kind=2) for i in range(100)]
    data = raw.file(raw.platform(2), *headers, data=LEAVES)
    entries = report.dump(igvm.parse(data)).headers[1:]
    decoded = [entry for entry in entries if entry.cpuid is not None]
    assert len(decoded) * 4096 <= len(data) + (1 << 16)
    assert "the CPUID pages before this one overlap" in (entries[-1].problem or "")
