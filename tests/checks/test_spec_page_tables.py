"""Page tables that start a large page of their own, which loaders in use leave unmapped."""

from __future__ import annotations

import pytest

import igvm
from tests.small_files.guests import SNP, VBS, bytes_for
from tests.small_files.raw import page_tables, region

MIB_2 = 0x200000


def is_found(*headers: bytes, platforms: object = VBS, **fixed: int) -> bool:
    """Whether the rule has a finding."""
    data = bytes_for(platforms, *headers, **fixed)  # type: ignore[arg-type]
    return "page-table-boundary" in {each.rule for each in igvm.check(igvm.parse(data))}


@pytest.mark.parametrize(
    ("gpa", "expected"),
    [
        pytest.param(MIB_2 - 0x1000, False, id="a page before"),
        pytest.param(MIB_2, True, id="at 2 MiB"),
        pytest.param(MIB_2 + 0x1000, False, id="a page after"),
        pytest.param(3 * MIB_2, True, id="at 6 MiB"),
    ],
)
def test_where_the_region_starts(gpa: int, expected: bool) -> None:  # noqa: FBT001
    """Only a start at a multiple of 2 MiB is a large page of its own."""
    assert expected == is_found(region(0x1000, 0x1000), page_tables(gpa))


def test_a_region_that_shares_the_large_page() -> None:
    """Where memory that is moved lies in the same 2 MiB, the page is mapped anew."""
    assert not is_found(region(MIB_2 + 0x100000, 0x1000), page_tables(MIB_2))


def test_nothing_moves_without_a_region() -> None:
    """Page tables alone are not relocated, nor by a region of another platform."""
    assert not is_found(page_tables(MIB_2))
    platforms = (VBS, SNP)
    assert not is_found(region(0x1000, mask=2), page_tables(MIB_2), platforms=platforms)
    assert is_found(region(0x1000, mask=3), page_tables(MIB_2), platforms=platforms)


def test_tables_of_aarch64_are_another_matter() -> None:
    """Nothing is known of loaders that relocate them."""
    assert not is_found(region(0x1000), page_tables(MIB_2), architecture=1)
