"""`igvm check --fail-on` and `--ignore`: what the exit code counts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from igvm import Severity
from igvm.cli.options import SEVERITIES
from tests.small_files import raw

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.cli.conftest import Run

_VMSA = bytes(0x3B0) + b"\x01" + bytes(0xC4F)
"""With the SNP feature and nothing else."""
DEBUG = raw.file(
    raw.platform(2), raw.policy(0xB0000), raw.context(raw.at(0), gpa=0x2000), data=_VMSA
)
"""A file with one finding, `policy-debug`."""


@pytest.fixture(autouse=True)
def _in_folder(folder: Path) -> None:
    """A file with a warning stands in the current directory, and one for another platform."""
    (folder / "debug.igvm").write_bytes(DEBUG)
    (folder / "tdx.igvm").write_bytes(
        raw.file(raw.platform(3), raw.page(0, raw.at(0)), data=bytes(4096))
    )


def counted(result: Result) -> dict[str, Any]:
    """What the specification says to the one file, as JSON."""
    (judged,) = json.loads(result.stdout)["files"][0]["results"]
    assert isinstance(judged, dict)
    return judged


def test_severities_are_those_of_findings() -> None:
    """What --fail-on and --severity take is what findings have, from the least on."""
    assert tuple(severity.name.lower() for severity in sorted(Severity)) == SEVERITIES


@pytest.mark.parametrize(
    ("code", "options"),
    [
        pytest.param(0, [], id="errors by default"),
        pytest.param(1, ["--fail-on", "note"], id="note"),
        pytest.param(1, ["--fail-on", "warning"], id="warning"),
        pytest.param(0, ["--fail-on", "error"], id="error"),
        pytest.param(1, ["--fail-on", "policy-debug"], id="rule"),
        pytest.param(1, ["--fail-on", "spec/policy-debug"], id="rule after its set"),
        pytest.param(1, ["--fail-on", "Policy_Debug"], id="folded"),
        pytest.param(0, ["--fail-on", "checksum"], id="another rule"),
        pytest.param(1, ["--fail-on", "checksum", "--fail-on", "policy-debug"], id="two rules"),
        pytest.param(1, ["--fail-on", "error", "--fail-on", "warning"], id="the least counts"),
        pytest.param(0, ["--fail-on", "warning", "--ignore", "policy-debug"], id="ignored"),
        pytest.param(0, ["--fail-on", "policy-debug", "--ignore", "policy-debug"], id="both"),
    ],
)
def test_exit_code(run: Run, code: int, options: list[str]) -> None:
    """A finding fails the check by its rule or its severity, unless it is ignored."""
    assert code == run("check", "debug.igvm", *options).exit_code


def test_what_fails_is_shown(run: Run) -> None:
    """Where the exit code counts a finding, --severity does not hide it."""
    result = run("check", "debug.igvm", "--severity", "error", "--fail-on", "policy-debug")
    assert 1 == result.exit_code
    assert "[policy-debug]" in result.stdout


def test_errors_fail_beside_a_rule(run: Run) -> None:
    """A rule is added to what fails; it does not stand instead of errors."""
    assert 1 == run("check", "debug.igvm", "bad.igvm", "--fail-on", "data-overlap").exit_code


def test_an_ignored_error(run: Run) -> None:
    """An error that is ignored is counted as that and named, and the verdict stays."""
    assert 1 == run("check", "bad.igvm").exit_code
    result = run("check", "bad.igvm", "--ignore", "checksum")
    assert 0 == result.exit_code
    assert "1 ignored (checksum)" in result.stdout
    judged = counted(run("check", "bad.igvm", "--ignore", "checksum", "--json"))
    assert {"checksum": 1} == judged["ignored"]
    assert (0, 0, "rejected") == (judged["errors"], judged["failing"], judged["verdict"])


def test_failing_places_are_counted(run: Run) -> None:
    """The JSON counts what makes the exit code 1."""
    assert 0 == counted(run("check", "debug.igvm", "--json"))["failing"]
    assert (
        1 == counted(run("check", "debug.igvm", "--json", "--fail-on", "policy-debug"))["failing"]
    )


def test_a_rule_of_several_sets(run: Run) -> None:
    """A name stands for the rule in every release; with the release before it for one."""
    everywhere = ["check", "bad.igvm", "--rules", "igvm-0.4", "--rules", "igvm-0.5", "--ignore"]
    assert 0 == run(*everywhere, "InvalidFixedHeader").exit_code
    assert 1 == run(*everywhere, "igvm-0.4/InvalidFixedHeader").exit_code


@pytest.mark.parametrize(
    "name", ["no-platform", "openvmm/no-platform", "loader/openvmm/no-platform"]
)
def test_a_rule_of_a_loader(run: Run, name: str) -> None:
    """Rules of loaders are named with the loader or without it."""
    options = ["check", "tdx.igvm", "--loader", "openvmm"]
    assert 1 == run(*options).exit_code
    result = run(*options, "--ignore", name)
    assert 0 == result.exit_code
    assert "rejected, 1 ignored (loader/openvmm/no-platform)" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--fail-on", "policy-debg"],
            (
                "Invalid value for '--fail-on': there is no rule 'policy-debg'; "
                "did you mean policy-debug?"
            ),
        ),
        (
            ["--ignore", "check-sum"],
            "Invalid value for '--ignore': there is no rule 'check-sum'; did you mean checksum?",
        ),
        (
            ["--fail-on", "errors"],
            "Invalid value for '--fail-on': there is no rule 'errors'; did you mean error?",
        ),
        (
            ["--ignore", "xyzzy"],
            "Invalid value for '--ignore': there is no rule 'xyzzy'; igvm rules lists them",
        ),
        (
            ["--fail-on", "InvalidChecksum"],
            (
                "--fail-on invalidchecksum: that is a rule of igvm-0.4, igvm-0.5, and not checked "
                "here; add --rules igvm-0.4"
            ),
        ),
        (
            ["--fail-on", "policy-debug", "--loader", "openvmm"],
            (
                "--fail-on policy-debug: that is a rule of spec, and not checked here; "
                "add --rules spec"
            ),
        ),
    ],
)
def test_no_rule_that_stops(run: Run, options: list[str], message: str) -> None:
    """A name of no rule, and a rule that nothing checks, are usage errors."""
    result = run("check", "debug.igvm", *options)
    assert (f"igvm: check: {message}\nhint: see igvm check --help\n", 2) == (
        result.stderr,
        result.exit_code,
    )


def test_unreadable_files_stay_unreadable(run: Run) -> None:
    """Nothing that is ignored makes a file readable."""
    assert 3 == run("check", "none.igvm", "--ignore", "checksum").exit_code
