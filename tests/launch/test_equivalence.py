"""`igvm.equivalent`: the same launches, however a file is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE
from tests.small_files.guests import SNP, TDX, VBS, file_for

if TYPE_CHECKING:
    from pathlib import Path


def file(
    *platforms: igvm.PlatformType, page: bytes = PAGE, gpa: int = 0x1000, swapped: bool = False
) -> igvm.IgvmFile:
    """A file for `platforms` with a page for all of them and an area with first contents."""
    every = (1 << len(platforms)) - 1
    contents, area = (raw.at(2), raw.at(1)) if swapped else (raw.at(1), raw.at(2))
    return file_for(
        platforms,
        raw.page(gpa, contents, mask=every),
        raw.area(0, 4096, area),
        raw.insert(0, 0x9000, every),
        data=[bytes(8), *((OTHER_PAGE, page) if swapped else (page, OTHER_PAGE))],
    )


def test_layout_does_not_matter() -> None:
    """Neither the order of platforms, nor masks, nor where data lies."""
    assert igvm.equivalent(file(SNP, TDX), file(SNP, TDX))
    assert igvm.equivalent(file(SNP, TDX), file(TDX, SNP))
    assert igvm.equivalent(file(SNP), file(SNP, swapped=True))


@pytest.mark.parametrize(
    "other",
    [
        file(SNP),
        file(SNP, VBS),
        file(SNP, TDX, page=OTHER_PAGE),
        file(SNP, TDX, gpa=0x2000),
        file_for((SNP, TDX)),
    ],
    ids=["a platform less", "another platform", "contents", "address", "nothing"],
)
def test_what_matters(other: igvm.IgvmFile) -> None:
    """Platforms, fields and contents."""
    assert not igvm.equivalent(file(SNP, TDX), other)
    assert not igvm.equivalent(other, file(SNP, TDX))


def test_an_empty_page_is_not_a_page_of_zeroes() -> None:
    """Loaders and measurements tell them apart."""
    empty = file_for(SNP, raw.page(0x1000))
    full = file_for(SNP, raw.page(0x1000, raw.at(0)))
    assert not igvm.equivalent(empty, full)
    assert igvm.equivalent(full, full)


def test_unknown_headers_count() -> None:
    """A header of a type that nobody knows is compared byte for byte."""

    def unknown(value: bytes) -> igvm.IgvmFile:
        return file_for(SNP, raw.header(0x3F0, value))

    assert igvm.equivalent(unknown(b"12345678"), unknown(b"12345678"))
    assert not igvm.equivalent(unknown(b"12345678"), unknown(b"12345679"))


def test_rewriting_keeps_the_launch(corpus: Path) -> None:
    """Real files that are laid out anew ask for the same launch."""
    for path in sorted((corpus / "tools").rglob("*.igvm")):
        with igvm.open(path) as before:
            assert igvm.equivalent(before, igvm.parse(igvm.Builder.of(before).to_bytes()))
            assert igvm.equivalent(before, igvm.canonical(before))
