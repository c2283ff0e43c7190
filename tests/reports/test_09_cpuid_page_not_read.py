"""Report 09: what a CPUID page holds is shown, and a leaf that is there twice is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "09-cpuid-page-not-read"
MSHV = ("--loader", "cloud-hypervisor-mshv")


def test_dump_shows_the_leaves(ask: Ask) -> None:
    """Every leaf has a row with EAX, ECX, XCR0 and XSS."""
    result = ask("dump", "subleaves-0-to-8.igvm", "--type", "PAGE_DATA")
    assert 0 == result.exit_code
    assert "ecx" in result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert all(["0xd", f"{subleaf:#x}", "0x1", "0x0"] in rows for subleaf in range(9))


def test_a_leaf_twice_is_named(ask: Ask) -> None:
    """The loader that takes the file's list says which leaf it has twice."""
    result = ask("check", "leaf-twice.igvm", *MSHV)
    assert "leaf 0xd" in result.output


def test_a_count_that_is_too_large_is_an_error(ask: Ask) -> None:
    """That loader crashes on it."""
    result = ask("check", "count-too-large.igvm", *MSHV)
    assert 1 == result.exit_code
    assert "65 leaves" in result.output


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param("subleaves-0-to-8", "cpuid-xsave-avx512", id="refused with AVX-512"),
        pytest.param("no-cet", "cpuid-xsave-cet", id="crash on hosts with CET"),
        pytest.param("xcr0-is-0", "cpuid-xsave-state", id="not what the guest looks for"),
        pytest.param("leaf-twice", "cpuid-leaf-twice", id="twice"),
        pytest.param("count-too-large", "cpuid-count", id="count"),
    ],
)
def test_each_cause_has_a_rule(ask: Ask, name: str, rule: str) -> None:
    """What made guests die in the threads of the report is said, and none of it is an error."""
    result = ask("check", f"{name}.igvm", "--severity", "note")
    assert 0 == result.exit_code
    assert f"[{rule}]" in result.output
