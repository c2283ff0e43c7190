"""Report 14: two headers load one page of a platform, and QEMU does not say which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "14-pages-overlap"


@pytest.mark.parametrize(
    ("file", "address", "first"),
    [
        ("stage2-and-cpuid.igvm", "0x13000", "header 5 (PAGE_DATA)"),
        ("parameters-in-zero-pages.igvm", "0x812000", "header 4 (PARAMETER_INSERT)"),
    ],
    ids=["stage over CPUID page", "parameters in zero pages"],
)
def test_both_headers_are_named(ask: Ask, file: str, address: str, first: str) -> None:
    """The address and the header that loads it already are named for the loader."""
    result = ask("check", file, "--loader", "qemu-kvm")
    assert 1 == result.exit_code
    assert "rejected" in result.output
    assert address in result.output
    assert first in " ".join(result.output.split())
