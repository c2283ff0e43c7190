"""Realms that the RMM does not make: what is refused, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

import igvm
from igvm.errors import MeasurementError
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.guests import CCA, file_for

HALF = 1 << 39
"""The end of the protected half of 40 bits."""
AREA = [raw.area(1, 0x3000), raw.insert(1, HALF - 0x2000)]
DATA = raw.at(0)
"""The offset of a page that has data."""
SHA384 = raw.cca_policy(algorithm=2)


def measure(*heads: bytes, **parameters: Any) -> igvm.Measurement:
    """The RIM of a file with one page of data."""
    realm = igvm.RealmParameters(**{"s2sz": 40, "num_bps": 1, "num_wps": 1} | parameters)
    return igvm.measure(file_for(CCA, *heads, data=PAGE), CCA, realm=realm)


def test_sha384_before_rmm_2() -> None:
    """SHA-384 came with RMM 2.0, and the policy that asks an earlier one for it is named."""
    with pytest.raises(MeasurementError, match=r"RMM 1\.1 has no SHA-384") as caught:
        measure(SHA384, rmm=(1, 1))
    assert ("CCA_POLICY", "hash_algorithm") == (caught.value.header, caught.value.field)
    assert "rmm=2.0" in str(caught.value.hint)
    assert "sha384" == measure(SHA384, rmm=(2, 0)).algorithm


def test_the_rmm_that_nobody_named() -> None:
    """It is 1.0, or the first that has the policy's hash; the result says so."""
    plain, sha384 = measure(), measure(SHA384, num_bps=0)
    assert ("the RMM has version 1.0",) == plain.assumptions
    assert ("sha384", ("the RMM has version 2.0",)) == (sha384.algorithm, sha384.assumptions)
    assert () == measure(rmm=(1, 0)).assumptions
    assert plain.digest == measure(rmm=(1, 0)).digest
    ram = {"ripas": ((0, 0x200000),)}
    assert plain.digest != measure(**ram).digest
    assert sha384.digest == measure(SHA384, num_bps=0, **ram).digest


@pytest.mark.parametrize("name", ["num_bps", "num_wps"])
def test_no_breakpoints_in_rmm_2(name: str) -> None:
    """RMM 2.0 reserves the value 0, which RMM 1.0 takes."""
    with pytest.raises(MeasurementError, match=rf"{name} is 0, which RMM 2\.0 refuses") as caught:
        measure(rmm=(2, 0), **{name: 0})
    assert name in str(caught.value.hint)
    assert measure(rmm=(1, 0), **{name: 0}).digest


@pytest.mark.parametrize(
    ("s2sz", "flags", "message"),
    [
        (31, 0, "s2sz is 31, and an IPA space has 32 to 48 bits"),
        (49, 0, "s2sz is 49, and an IPA space has 32 to 48 bits"),
        (53, 1, "s2sz is 53, and an IPA space has 32 to 52 bits"),
        ((1 << 32) - 1, 1, "s2sz is 4294967295, and an IPA space has 32 to 52 bits"),
    ],
)
def test_the_width_of_the_ipa_space(s2sz: int, flags: int, message: str) -> None:
    """Stage 2 translation has 32 to 48 bits, and 52 with LPA2."""
    with pytest.raises(MeasurementError, match=message):
        measure(s2sz=s2sz, flags=flags)


@pytest.mark.parametrize(("s2sz", "flags"), [(32, 0), (48, 0), (49, 1), (52, 1)])
def test_the_widest_and_the_narrowest(s2sz: int, flags: int) -> None:
    """The limits themselves are taken."""
    assert measure(s2sz=s2sz, flags=flags).digest


def test_lpa2_is_hinted_at() -> None:
    """Where LPA2 would do, the error says so."""
    with pytest.raises(MeasurementError) as caught:
        measure(s2sz=52)
    assert "flags=1" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("heads", "header", "gpa"),
    [
        ([raw.page(HALF, DATA)], "PAGE_DATA", HALF),
        ([raw.page(HALF)], "PAGE_DATA", HALF),
        ([raw.page(HALF + 0x1000, DATA, flags=2)], "PAGE_DATA", HALF + 0x1000),
        ([raw.page(0x1000, DATA), *AREA], "PARAMETER_INSERT", HALF),
    ],
    ids=["data", "empty", "unmeasured", "end of an area"],
)
def test_a_page_in_the_upper_half(heads: list[bytes], header: str, gpa: int) -> None:
    """A page is refused where memory is shared with the host, by its address and its header."""
    with pytest.raises(MeasurementError, match=f"IPA {gpa:#x} is not in the protected") as caught:
        measure(*heads)
    assert (header, "gpa") == (caught.value.header, caught.value.field)
    assert "s2sz=41" in str(caught.value.hint)
    assert measure(*heads, s2sz=41).digest


def test_the_last_page_of_the_lower_half() -> None:
    """A page and an area that end with the protected half are loaded."""
    assert measure(raw.page(HALF - 0x1000, DATA)).digest
    assert measure(raw.area(1, 0x2000), raw.insert(1, HALF - 0x2000)).digest


def test_a_hint_for_the_highest_page() -> None:
    """The hint is for all pages; where no IPA space is wide enough there is none."""
    with pytest.raises(MeasurementError, match="0x8000000000 is not") as caught:
        measure(raw.page(HALF), raw.page(1 << 50))
    assert "s2sz=52,flags=1" in str(caught.value.hint)
    with pytest.raises(MeasurementError) as caught:
        measure(raw.page(HALF), raw.page(1 << 51))
    assert caught.value.hint is None


def test_a_shared_page_may_be_anywhere() -> None:
    """Shared pages are no DATA granules, and may be where they want and as often."""
    shared = raw.page(HALF, DATA, flags=4)
    assert measure().digest == measure(shared, shared).digest


@pytest.mark.parametrize(
    ("heads", "header", "gpa"),
    [
        ([raw.page(0x2000, DATA), raw.page(0x1000, DATA), raw.page(0x2000)], "PAGE_DATA", 0x2000),
        ([raw.page(0x1000, DATA), raw.page(0x1000, flags=2)], "PAGE_DATA", 0x1000),
        ([raw.page(HALF - 0x2000, DATA), raw.area(1, 0x1000), AREA[1]], "PARAMETER_INSERT", 1),
        ([raw.area(1, 0x3000), raw.insert(1, 0x1000), raw.page(0x3000, DATA)], "PAGE_DATA", 0x3000),
        ([raw.page(0x205000), raw.page(0x200000, flags=3)], "PAGE_DATA", 0x205000),
    ],
    ids=["data", "unmeasured", "area", "in an area", "in a large page"],
)
def test_a_page_twice(heads: list[bytes], header: str, gpa: int) -> None:
    """A page where one is already is refused, whatever brought the first."""
    ipa = "0x7fffffe000" if gpa == 1 else f"{gpa:#x}"
    with pytest.raises(MeasurementError, match=f"page at IPA {ipa} is loaded twice") as caught:
        measure(*heads)
    assert (header, "gpa") == (caught.value.header, caught.value.field)


def test_a_page_between_granules() -> None:
    """An address that is no multiple of 4 KiB is refused."""
    with pytest.raises(MeasurementError, match="0x1800 is not at a multiple of 4 KiB"):
        measure(raw.page(0x1000), raw.page(0x1800, DATA))


@pytest.mark.parametrize(
    ("ripas", "message"),
    [
        ([(0x800, 0x2000)], "RIPAS 0x800-0x2000 does not lie at multiples of 4 KiB"),
        ([(0x1000, 0x2001)], "RIPAS 0x1000-0x2001 does not lie at multiples"),
        ([(0x2000, 0x2000)], "RIPAS 0x2000-0x2000 has nothing in it"),
        ([(0x3000, 0x2000)], "RIPAS 0x3000-0x2000 has nothing in it"),
        ([(-0x1000, 0x2000)], "RIPAS -0x1000-0x2000 has nothing in it"),
        ([(0, HALF + 0x1000)], "is not all in the protected half of 40 bits of IPA"),
        ([(0x1000, 1 << 5000)], "is not all in the protected half"),
        ([(0, 0x3000), (0x2000, 0x4000)], "RIPAS 0x0-0x3000 overlaps RIPAS 0x2000-0x4000"),
        ([(0x2000, 0x3000), (0, 0x9000)], "RIPAS 0x0-0x9000 overlaps RIPAS 0x2000-0x3000"),
    ],
)
def test_ranges_of_ram(ripas: list[tuple[int, int]], message: str) -> None:
    """A range that cannot become RAM, or becomes it in no one way, is refused."""
    with pytest.raises(MeasurementError, match=message):
        measure(ripas=tuple(ripas))


def test_ranges_that_touch() -> None:
    """A range may begin where another ends, and all of the lower half may be RAM."""
    assert measure(ripas=((0x3000, 0x4000), (0x2000, 0x3000))).digest
    assert measure(ripas=((0, HALF),)).digest


def test_ranges_that_are_not_measured() -> None:
    """RMM 2.0 measures no ranges, so that overlapping ones do no harm; one outside does."""
    twice = ((0, 0x3000), (0, 0x3000))
    assert measure(rmm=(2, 0)).digest == measure(rmm=(2, 0), ripas=twice).digest
    with pytest.raises(MeasurementError, match="is not all in the protected half"):
        measure(rmm=(2, 0), ripas=((0, HALF + 0x1000),))
