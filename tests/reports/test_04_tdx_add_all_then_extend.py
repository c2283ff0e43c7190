"""Report 04: TDX hosts that add all pages of a section first, or extend what only is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "04-tdx-add-all-then-extend"
ADDED_FIRST = "but the pages of a run are all added before they are extended"
ALL_EXTENDED = "but unmeasured pages are extended"

# The first three of the report's make.py (hashlib over the records of the TDX module ABI); both
# together by the same program's mrtd(by_section=True, everything=True).
DIGESTS = [
    (
        "a71a8143fdc3b2106157359c33eb4aba36b6599e0900890f7db50a244a9aa9e8fe150cb540d8f9967429b6684517ad42",
        (),
        (),
    ),
    (
        "9f8f05230c5c062bba107838e4f043e70b5fa09ba959d4eb39f7687f0fd7c29518c9083024cd6897b09651993f565f44",
        (ADDED_FIRST,),
        ("--host", "extend-order=runs"),
    ),
    (
        "8f8906b459c9a9abed8b998ba177fa24f5f518e5da450727c29024a5f1663e03b2d99e9083737c5d5bb0833d7ec1ab4c",
        (ALL_EXTENDED,),
        ("--host", "unmeasured-pages=extended"),
    ),
    (
        "c4d7c01544af728fe0bfaee041b9063034f3cfd676f77c804edaf4bdff63460b03623fb5f22e7961bb78b93fbead2f3f",
        (ADDED_FIRST, ALL_EXTENDED),
        ("--host", "extend-order=runs", "--host", "unmeasured-pages=extended"),
    ),
]
IDS = ["page by page", "added first", "unmeasured too", "both"]


@pytest.mark.parametrize(("digest", "words", "options"), DIGESTS, ids=IDS)
def test_found(ask: Ask, digest: str, words: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Each is found, with what the host does otherwise and how `measure` is told."""
    result = ask("find", digest, "tdvf.igvm")
    assert 0 == result.exit_code
    said = " ".join(result.output.split())
    assert "not found" not in said
    for sentence in words:
        assert sentence in said
    assert len(words) == said.count("but ") / said.count("found ")
    for option in options:
        assert option in said


@pytest.mark.parametrize(("digest", "words", "options"), DIGESTS, ids=IDS)
def test_measured(ask: Ask, digest: str, words: tuple[str, ...], options: tuple[str, ...]) -> None:
    """`measure` gives each with the same options."""
    del words
    assert f"{digest}\n" == ask("measure", "tdvf.igvm", "--bare", *options).output


@pytest.mark.parametrize(("digest", "words", "options"), DIGESTS, ids=IDS)
def test_explained(ask: Ask, digest: str, words: tuple[str, ...], options: tuple[str, ...]) -> None:
    """`explain` ends with the same digest, whatever the order."""
    del words
    assert digest in "".join(ask("explain", "tdvf.igvm", *options).output.split())
