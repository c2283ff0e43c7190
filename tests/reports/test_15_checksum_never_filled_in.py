"""Report 15: a checksum of zero, as igvm-tooling left it until 2023."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "15-checksum-never-filled-in"


def test_check_names_both_checksums(ask: Ask) -> None:
    """The specification and both releases refuse it, with what is there and what should be."""
    result = ask("check", "no-checksum.igvm", "--rules", "all")
    assert 1 == result.exit_code
    assert "checksum is 0x00000000" in result.output
    assert "0x64bae79c" in result.output
    assert "igvm 0.5: rejected; igvm 0.4: rejected" in result.output


def test_info_shows_the_rest(ask: Ask) -> None:
    """The rest of the file is shown still."""
    result = ask("info", "no-checksum.igvm")
    assert 0 == result.exit_code
    assert "checksum 0x00000000 should be 0x64bae79c" in result.output
    assert "SEV_SNP" in result.output
