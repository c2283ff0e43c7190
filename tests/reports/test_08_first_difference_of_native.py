"""Report 08: two builds for NATIVE, or for it and SEV_SNP, whose NATIVE pages differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "08-first-difference-of-native"


@pytest.mark.parametrize("files", [("native-a.igvm", "native-b.igvm"), ("a.igvm", "b.igvm")])
def test_native_is_compared(ask: Ask, files: tuple[str, str]) -> None:
    """The first difference of NATIVE is told, by plan, whatever else the files are for."""
    result = ask("diff", *files)
    assert 1 == result.exit_code
    assert "NATIVE  the contents of the page differ" in result.output
    assert "0x100000" in result.output
    assert "by plan" in result.output


def test_what_is_equal_is_said(ask: Ask) -> None:
    """SEV_SNP beside it is compared by measurement, and no difference says what was looked at."""
    words = " ".join(ask("diff", "a.igvm", "b.igvm").output.split())
    assert "SEV_SNP no difference in 2 pages, of which 2 are measured with their contents" in words


def test_in_json(ask: Ask) -> None:
    """JSON says for each platform what was compared."""
    launches = json.loads(ask("diff", "a.igvm", "b.igvm", "--json").output)["launches"]
    assert [("NATIVE", "plan", True), ("SEV_SNP", "measurement", False)] == [
        (launch["platform"], launch["compared_by"], launch["differ"]) for launch in launches
    ]


def test_a_platform_of_one_file(ask: Ask) -> None:
    """A platform that one of the files has alone is a difference."""
    result = ask("diff", "a.igvm", "native-a.igvm")
    assert 1 == result.exit_code
    assert "SEV_SNP  only the first file is for it" in result.output


def test_same_files(ask: Ask) -> None:
    """Two copies of one file have no difference on any platform."""
    result = ask("diff", "a.igvm", "a.igvm")
    assert 0 == result.exit_code
    assert 2 == result.output.count("no difference in 2 pages")
