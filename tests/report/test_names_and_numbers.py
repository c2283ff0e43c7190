"""Names and numbers as people write them."""

from __future__ import annotations

import pytest

import igvm
from igvm.report.names_and_numbers import (
    bytes_text,
    count_text,
    file_name,
    flag_names,
    mask_names,
)
from tests.small_files import raw


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0 bytes", 0),
        ("1 byte", 1),
        ("1,023 bytes", 1023),
        ("4 KiB", 4096),
        ("1.5 KiB", 1536),
        ("1.8 MiB", 1885736),
        ("16 EiB", 1 << 64),
        ("1,048,576 EiB", 1 << 80),
    ],
)
def test_bytes_text(text: str, size: int) -> None:
    """A size is written in the largest unit that leaves at least one."""
    assert text == bytes_text(size)


def test_count_text() -> None:
    """A noun follows its number."""
    assert ["1 error", "2 errors", "1,000 pages"] == [
        count_text(1, "error"),
        count_text(2, "error"),
        count_text(1000, "page"),
    ]


def test_flag_names_keep_unknown_bits() -> None:
    """Bits without a name are one number."""
    assert ["UNMEASURED", "0x8008"] == flag_names(igvm.PageDataFlags(0x800A))


def test_mask_names() -> None:
    """A mask is the platforms that it names, and the bits that no platform has."""
    heads = raw.platform(2, 1) + raw.platform(3, 2)
    file = igvm.parse(raw.file(heads))
    assert ["SEV_SNP", "TDX", "0x80000000"] == mask_names(file, 0x80000003)


def test_file_name_that_is_no_text() -> None:
    """A name with bytes that are no UTF-8 can be shown and encoded."""
    assert file_name("a\udcff.igvm") == "a\\xff.igvm"
    assert file_name(None) is None
