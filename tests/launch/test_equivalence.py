"""`igvm.equivalent`: the same launches, however a file is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import igvm
from tests import raw
from tests.measure.files import A, B

if TYPE_CHECKING:
    from pathlib import Path


def file(
    *platforms: int, page: bytes = A, gpa: int = 0x1000, swapped: bool = False
) -> igvm.IgvmFile:
    """A file for `platforms` with a page for all of them and an area with first contents."""
    masks = {kind: 1 << index for index, kind in enumerate(platforms)}
    heads = b"".join(raw.platform(kind, mask) for kind, mask in masks.items())
    every = sum(masks.values())

    def directives(first: int, second: int) -> bytes:
        insert = raw.insert(0, 0x9000, every)
        return raw.page(gpa, first, mask=every) + raw.area(0, 4096, second) + insert

    place = 24 + len(heads + directives(0, 0)) + 8
    places = (place + 4096, place) if swapped else (place, place + 4096)
    data = bytes(8) + (B + page if swapped else page + B)
    return igvm.parse(raw.Raw(heads + directives(*places), data).file())


def test_layout_does_not_matter() -> None:
    """Neither the order of platforms, nor masks, nor where data lies."""
    assert igvm.equivalent(file(2, 3), file(2, 3))
    assert igvm.equivalent(file(2, 3), file(3, 2))
    assert igvm.equivalent(file(2), file(2, swapped=True))


@pytest.mark.parametrize(
    "other",
    [
        file(2),
        file(2, 1),
        file(2, 3, page=B),
        file(2, 3, gpa=0x2000),
        igvm.parse(raw.Raw(raw.platform(2) + raw.platform(3, 2)).file()),
    ],
    ids=["a platform less", "another platform", "contents", "address", "nothing"],
)
def test_what_matters(other: igvm.IgvmFile) -> None:
    """Platforms, fields and contents."""
    assert not igvm.equivalent(file(2, 3), other)
    assert not igvm.equivalent(other, file(2, 3))


def test_an_empty_page_is_not_a_page_of_zeroes() -> None:
    """Loaders and measurements tell them apart."""
    heads = raw.platform(2)
    empty = igvm.parse(raw.Raw(heads + raw.page(0x1000), bytes(4096)).file())
    full = igvm.parse(raw.Raw(heads + raw.page(0x1000, 24 + len(heads) + 32), bytes(4096)).file())
    assert not igvm.equivalent(empty, full)
    assert igvm.equivalent(full, full)


def test_unknown_headers_count() -> None:
    """A header of a type that nobody knows is compared byte for byte."""

    def unknown(value: bytes) -> igvm.IgvmFile:
        return igvm.parse(raw.Raw(raw.platform(2) + raw.header(0x3F0, value)).file())

    assert igvm.equivalent(unknown(b"12345678"), unknown(b"12345678"))
    assert not igvm.equivalent(unknown(b"12345678"), unknown(b"12345679"))


def test_rewriting_keeps_the_launch(corpus: Path) -> None:
    """Real files that are laid out anew ask for the same launch."""
    for path in sorted((corpus / "tools").rglob("*.igvm")):
        with igvm.open(path) as before:
            assert igvm.equivalent(before, igvm.parse(igvm.Builder.of(before).to_bytes()))
            assert igvm.equivalent(before, igvm.canonical(before))
