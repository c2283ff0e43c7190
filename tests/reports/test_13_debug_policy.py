"""Report 13: a debug build under the name of a production one, and nothing stopped it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "13-debug-policy"


def test_check_shows_it(ask: Ask) -> None:
    """A policy that lets the host debug the guest is a warning, which is shown."""
    result = ask("check", "debug.igvm")
    assert 0 == result.exit_code
    assert "[policy-debug]" in result.output


@pytest.mark.parametrize(
    ("code", "options"),
    [
        pytest.param(1, ["--fail-on", "policy-debug"], id="rule"),
        pytest.param(1, ["--fail-on", "warning"], id="severity"),
        pytest.param(0, ["--fail-on", "error"], id="errors alone"),
        pytest.param(0, ["--fail-on", "warning", "--ignore", "policy-debug"], id="ignored"),
    ],
)
def test_a_release_stops_on_it(ask: Ask, code: int, options: list[str]) -> None:
    """The build asks for an exit code, by the rule or by how bad a finding is."""
    assert code == ask("check", "debug.igvm", *options).exit_code


def test_info_names_it(ask: Ask) -> None:
    """The policy is in words."""
    assert "debug" in ask("info", "debug.igvm").output
