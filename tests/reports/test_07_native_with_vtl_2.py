"""Report 07: a platform without VTLs has a highest VTL of 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "07-native-with-vtl-2"


def test_the_rule_covers_native(ask: Ask) -> None:
    """There is a warning, and no error: QEMU ignores the field, and such files are common."""
    result = ask("check", "native.igvm")
    assert 0 == result.exit_code
    assert "highest-vtl-platform" in result.output
    assert "no findings" not in result.output
