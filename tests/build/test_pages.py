"""Pages: from one buffer, empty, and from columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import igvm
from igvm import Builder, FormatError, PageData, PageDataFlags, PageDataType, ValidationError
from tests.small_files.built_guests import tdx_builder

DATA = np.random.default_rng(7).integers(0, 256, 40 * 4096, np.uint8).tobytes()


def contents(file: igvm.IgvmFile) -> list[bytes]:
    """The data of every page."""
    return [bytes(file.data(header)) for header in file.directives]


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 3 * 4096, 8 * 4096, 9 * 4096, 20 * 4096 + 5])
def test_pages(size: int) -> None:
    """Each page of a buffer gets a header, in order, and the last is padded."""
    flags, kind = PageDataFlags.UNMEASURED, PageDataType.SECRETS
    builder = tdx_builder()
    builder.platform("snp")
    file = builder.pages(0x7000, DATA[:size], ["tdx", "snp"], flags=flags, data_type=kind).build()
    padded = DATA[:size] + bytes(-size % 4096)
    count = len(padded) // 4096
    assert [padded[i * 4096 : i * 4096 + 4096] for i in range(count)] == contents(file)
    assert [
        PageData(
            gpa=0x7000 + i * 4096,
            compatibility_mask=3,
            file_offset=24 + 2 * 24 + 32 * count + i * 4096,
            flags=flags,
            data_type=kind,
        )
        for i in range(count)
    ] == [header.record for header in file.directives]


@pytest.mark.parametrize("count", [5, 12])
def test_one_by_one_and_in_columns_are_the_same(count: int) -> None:
    """A run of pages makes the same bytes as its pages on their own."""
    single = tdx_builder()
    for i in range(count):
        single.pages(i * 4096, DATA[i * 4096 : i * 4096 + 4096], "tdx")
    together = tdx_builder().pages(0, DATA[: count * 4096], "tdx")
    rows = np.frombuffer(DATA, np.uint8).reshape(-1, 4096)[:count]
    columns = tdx_builder().page_columns(np.arange(count) * 4096, rows, "tdx")
    assert single.to_bytes() == together.to_bytes() == columns.to_bytes()


@pytest.mark.parametrize("count", [3, 12])
@pytest.mark.parametrize("tail", [0, 5])
def test_zero_pages(count: int, tail: int) -> None:
    """Zero pages are stored once, or not at all when asked."""
    data = bytearray(count * 4096 + tail)
    data[4096] = 1
    stored = tdx_builder().pages(0, data, "tdx").build()
    assert 2 * 4096 == len(stored.buffer) - 24 - len(stored.section)
    elided = tdx_builder().pages(0, data, "tdx", elide_zero=True).build()
    assert 4096 == len(elided.buffer) - 24 - len(elided.section)
    offsets = elided.table(PageData).column("file_offset")
    assert [1] == np.flatnonzero(offsets).tolist()
    gpas = stored.table(PageData).column("gpa").tolist()
    assert gpas == elided.table(PageData).column("gpa").tolist()


def test_pages_of_2_mib() -> None:
    """Large pages are 2 MiB apart, and the last is padded to 2 MiB."""
    data = bytes(2 << 20) + b"end"
    file = tdx_builder().pages(0x200000, data, "tdx", flags=PageDataFlags.IS_2MB_PAGE).build()
    assert [0x200000, 0x400000] == file.table(PageData).column("gpa").tolist()
    assert [bytes(2 << 20), b"end" + bytes((2 << 20) - 3)] == contents(file)


def test_empty_pages() -> None:
    """Empty pages have addresses and no data."""
    file = tdx_builder().empty_pages(0x1000, 3, "tdx", data_type=PageDataType.CPUID_DATA).build()
    assert [0x1000, 0x2000, 0x3000] == file.table(PageData).column("gpa").tolist()
    assert [b""] * 3 == contents(file)
    assert [2] * 3 == file.table(PageData).column("data_type").tolist()
    large = tdx_builder().empty_pages(0, 2, "tdx", flags=PageDataFlags.IS_2MB_PAGE).build()
    assert [0, 2 << 20] == large.table(PageData).column("gpa").tolist()


def test_columns() -> None:
    """Every column may differ from header to header."""
    rows = np.frombuffer(DATA, np.uint8).reshape(-1, 4096)[:2]
    file = (
        Builder()
        .page_columns(
            [0x1000, 0x5000, 0x3000, 1 << 63],
            rows,
            compatibility_mask=[1, 2, 4, 0xFFFFFFFF],
            flags=[0, PageDataFlags.SHARED, 0, 2],
            data_type=[0, 0, PageDataType.CPUID_XF, 9],
            source=[1, -1, 0, 1],
        )
        .build()
    )
    table = file.table(PageData)
    assert [0x1000, 0x5000, 0x3000, 1 << 63] == table.column("gpa").tolist()
    assert [1, 2, 4, 0xFFFFFFFF] == table.column("compatibility_mask").tolist()
    assert [0, 4, 0, 2] == table.column("flags").tolist()
    assert [0, 0, 3, 9] == table.column("data_type").tolist()
    first, second = DATA[:4096], DATA[4096:8192]
    assert [second, b"", first, second] == contents(file)


def test_no_columns() -> None:
    """No headers are no headers."""
    none = np.empty((0, 4096), np.uint8)
    builder = tdx_builder().page_columns([], None, "tdx").page_columns([], none, "tdx")
    assert 48 == len(builder.empty_pages(0, 0, "tdx").to_bytes())


def test_rows_that_are_not_contiguous() -> None:
    """Rows may be a view with gaps; they are copied."""
    wide = np.frombuffer(DATA, np.uint8).reshape(-1, 8192)
    file = tdx_builder().page_columns([0, 4096], wide[:2, 4096:], "tdx").build()
    assert [DATA[4096:8192], DATA[12288:16384]] == contents(file)


PAGES = np.zeros((2, 4096), np.uint8)


def on(mask: Any) -> dict[str, Any]:
    """The masks of columns."""
    return {"compatibility_mask": mask}


ON_ALL = on(1)


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        ((0, PAGES), ON_ALL, "gpa must be one-dimensional"),
        (([-1, 0], PAGES), ON_ALL, "-1 does not fit 64 unsigned bits"),
        (([0.5, 1], PAGES), ON_ALL, "gpa must be integers"),
        (
            ([0, 1], PAGES),
            on(1 << 32),
            "4294967296 does not fit 32 unsigned bits",
        ),
        (
            ([0, 1], PAGES),
            on([1, 2, 3]),
            r"compatibility_mask has shape \(3,\)",
        ),
        (
            ([0, 1], PAGES),
            ON_ALL | {"data_type": 65536},
            "65536 does not fit 16 unsigned bits",
        ),
        (([0], PAGES), ON_ALL, "1 headers and 2 rows"),
        (([0, 1], PAGES.reshape(-1)), ON_ALL, r"shape \(rows, 4096\)"),
        (([0, 1], PAGES.astype(np.int8)), ON_ALL, "is int8"),
        (([0, 1], PAGES), ON_ALL | {"flags": 1}, r"shape \(rows, 2097152\)"),
        (
            ([0, 1], np.zeros((2, 2 << 20), np.uint8)),
            ON_ALL | {"flags": [0, 1]},
            "a call of their own",
        ),
        (([0, 1], PAGES), ON_ALL | {"source": [0, 2]}, "not among the 2"),
        (([0, 1], PAGES), ON_ALL | {"source": [0, -2]}, "not among the 2"),
        (([0, 1], PAGES), ON_ALL | {"source": [0]}, "source must be 2 integers"),
        (
            ([0, 1], PAGES),
            ON_ALL | {"source": [0.0, 1.0]},
            "source must be 2 integers",
        ),
        (([0, 1], None), ON_ALL | {"source": [0, 1]}, "there is none"),
    ],
    ids=range(16),
)
def test_wrong_columns(arguments: Any, more: Any, message: str) -> None:
    """A value that does not fit, or a shape that does not match, is named."""
    with pytest.raises(ValidationError, match=message) as error:
        Builder().page_columns(*arguments, **more)
    assert "PAGE_DATA" == error.value.header


@pytest.mark.parametrize("count", [2, 20])
def test_end_of_memory(count: int) -> None:
    """Pages may reach the end of the address space and not go beyond."""
    gpa = (1 << 64) - count * 4096
    assert count == len(tdx_builder().pages(gpa, DATA[: count * 4096], "tdx").build().directives)
    assert count == len(tdx_builder().empty_pages(gpa, count, "tdx").build().directives)
    with pytest.raises(ValidationError, match=r"end past 2\^64"):
        tdx_builder().pages(gpa, DATA[: count * 4096 + 1], "tdx")
    with pytest.raises(ValidationError, match=r"end past 2\^64"):
        tdx_builder().empty_pages(gpa, count + 1, "tdx")


@pytest.mark.parametrize("count", [1, 20])
def test_value_that_does_not_fit(count: int) -> None:
    """A value too large for its field is named, for few pages and for many."""
    for more, field in (({"gpa": -1}, "gpa"), ({"data_type": 1 << 16}, "data_type")):
        values: Any = {"gpa": 0} | more
        with pytest.raises(FormatError, match=rf"PageData.{field}"):
            tdx_builder().pages(data=DATA[: count * 4096], platform="tdx", **values)
        with pytest.raises(FormatError, match=rf"PageData.{field}"):
            tdx_builder().empty_pages(count=count, platform="tdx", **values)


def test_columns_need_one_way_to_say_for_whom() -> None:
    """Either platforms or masks are given, not both and not neither."""
    for more in ({}, {"platform": "tdx", "compatibility_mask": 1}):
        with pytest.raises(ValidationError, match="either platform or compatibility_mask"):
            tdx_builder().page_columns([0, 4096], PAGES, **more)  # type: ignore[arg-type]
