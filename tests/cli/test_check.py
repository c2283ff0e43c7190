"""`igvm check` and `igvm rules`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from igvm.launch.directives import MOST_HEADERS
from tests.hostile.bombs import pages_of_one_address

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("folder")


def test_nothing_found(run: Run) -> None:
    """A good file is one line under one set of rules, and exit code 0."""
    result = run("check", "--rules", "spec", "--severity", "error", "good.igvm")
    assert result.stdout.startswith("good.igvm: ")
    assert (1, "", 0) == (result.stdout.count("\n"), result.stderr, result.exit_code)


def test_an_error_is_found(run: Run) -> None:
    """A bad file gives exit code 1, and the place of what is wrong."""
    result = run("check", "bad.igvm")
    assert "  error +0x14 FIXED_HEADER.checksum [checksum]\n" in result.stdout
    assert ("", 1) == (result.stderr, result.exit_code)


@pytest.mark.parametrize(
    ("sets", "arguments"),
    [
        (["spec"], []),
        (["spec", "igvm-0.5", "igvm-0.4"], ["--rules", "all"]),
        (["igvm-0.5", "igvm-0.4"], ["--rules", "igvm-0.4", "--rules", "igvm-0.5"]),
    ],
)
def test_rule_sets(run: Run, sets: list[str], arguments: list[str]) -> None:
    """The rule sets that are asked for are the ones that answer."""
    result = run("check", "--json", *arguments, "bad.igvm")
    (checked,) = json.loads(result.stdout)["files"]
    assert sets == [judged["rules"] for judged in checked["results"]]
    assert {"rejected"} == {judged["verdict"] for judged in checked["results"]}
    assert 1 == result.exit_code


def test_severity(run: Run) -> None:
    """The threshold decides what is listed."""
    listed = {
        severity: json.loads(run("check", "--json", "--severity", severity, "full.igvm").stdout)
        for severity in ("note", "warning", "error")
    }
    counts = [len(report["files"][0]["results"][0]["findings"]) for report in listed.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]


def test_most(run: Run) -> None:
    """A rule that is broken in many places is listed so often as asked for."""
    (checked,) = json.loads(run("check", "--json", "--most", "1", "full.igvm").stdout)["files"]
    rules = [finding["rule"] for finding in checked["results"][0]["findings"]]
    assert len(rules) == len(set(rules))


def test_unreadable_is_a_finding(run: Run) -> None:
    """A file that cannot be read is a finding on standard output, and exit code 3."""
    result = run("check", "none.igvm", "--rules", "all")
    assert "  error +0x0 FIXED_HEADER.magic [unreadable]" in result.stdout
    assert "this is not an IGVM file" in " ".join(result.stdout.split())
    assert "[igvm-0.5/InvalidFixedHeader]" in result.stdout
    assert ("", 3) == (result.stderr, result.exit_code)


def test_unreadable_standard_input(run: Run) -> None:
    """The same from standard input."""
    result = run("check", "-", stdin=b"short")
    assert result.stdout.startswith("<stdin>: 1 error\n")
    assert 3 == result.exit_code


def test_all_files_are_checked(run: Run, folder: Path) -> None:
    """The worst exit code wins, and a file that is missing does not keep others from it."""
    (folder / "also.igvm").write_bytes((folder / "bad.igvm").read_bytes())
    result = run("check", "missing.igvm", "bad.igvm", "none.igvm", "also.igvm", "good.igvm")
    assert "igvm: missing.igvm: No such file or directory\n" == result.stderr
    assert ["bad.igvm", "none.igvm", "also.igvm", "good.igvm"] == [
        line.partition(":")[0] for line in result.stdout.splitlines() if not line.startswith(" ")
    ]
    assert 3 == result.exit_code


def test_codes_of_several_files(run: Run) -> None:
    """An error in any file gives 1."""
    assert 1 == run("check", "bad.igvm", "good.igvm").exit_code


def test_rules_are_listed(run: Run) -> None:
    """All rules are listed, or those of one set."""
    every, few = run("rules").stdout, run("rules", "--rules", "igvm-0.5").stdout
    assert "  error checksum\n" in every
    assert "  error InvalidChecksum\n" in every
    assert "  error checksum\n" not in few


def test_a_rule_is_explained(run: Run) -> None:
    """A rule is explained with its clause; as JSON too."""
    assert "Source: " in run("rules", "checksum").stdout
    (rule,) = json.loads(run("rules", "checksum", "--json").stdout)["rules"]
    assert ("checksum", ["spec"]) == (rule["name"], rule["rule_sets"])


def test_rules_of_a_loader(run: Run) -> None:
    """The rules of one loader are listed, and one is explained by the name that a finding has."""
    listed = run("rules", "--loader", "openvmm").stdout
    assert "  error overlap\n    OpenVMM does not import a page twice (openvmm)\n" in listed
    assert "checksum" not in listed
    explained = run("rules", "loader/openvmm/overlap").stdout
    assert explained.startswith("overlap  error\n  OpenVMM does not import a page twice.\n")
    assert "  Checked by: openvmm\n" in explained


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["overlap", "--rules", "spec"],
            "there is no rule overlap among those of spec; did you mean data-overlap?",
        ),
        (["--rules", "spec", "--loader", "openvmm"], "--rules and --loader do not go together"),
    ],
)
def test_rules_that_do_not_go_together(run: Run, arguments: list[str], message: str) -> None:
    """A rule of another set, and two sets at once, are usage errors."""
    result = run("rules", *arguments)
    assert (f"igvm: rules: {message}\nhint: see igvm rules --help\n", 2) == (
        result.stderr,
        result.exit_code,
    )


def test_no_such_rule(run: Run) -> None:
    """A name that no rule has is a usage error."""
    result = run("rules", "nonsense")
    assert "igvm: rules: there is no rule nonsense\nhint: see igvm rules --help\n" == result.stderr
    assert ("", 2) == (result.stdout, result.exit_code)


def test_search_of_rules(run: Run) -> None:
    """A hypervisor's message finds its rule, and what to do is below it."""
    result = run("rules", "--search", "qemu-system-x86_64: IGVM: Device tree not available")
    shown = " ".join(result.stdout.split())
    assert (0, "") == (result.exit_code, result.stderr)
    assert shown.startswith("device-tree error QEMU has a device tree on microvm only")
    assert "Printed: IGVM: device tree not available" in shown
    assert "Start them with it, or leave the header out." in shown


def test_search_of_a_result(run: Run) -> None:
    """The number of libigvm's result finds rules of the reference, and --rules those of one."""
    found = json.loads(run("rules", "--search=-18", "--json").stdout)["rules"]
    assert [("InvalidChecksum", -18, [])] == [
        (rule["name"], rule["result"], rule["messages"]) for rule in found
    ]
    assert "QEMU prints: Unable to parse IGVM file {file}: -18" in (
        run("rules", "--search", "-18", "--rules", "igvm-0.5").stdout
    )


def test_search_that_finds_much(run: Run) -> None:
    """Of many rules there is a list."""
    assert "reference (igvm crate)\n" in run("rules", "--search=-11").stdout


def test_search_that_finds_nothing(run: Run) -> None:
    """A message of no program is said to be none, and exits with 1."""
    result = run("rules", "--search", "no such message")
    assert (1, "") == (result.exit_code, result.stdout)
    assert "igvm: no rule is about 'no such message'\nhint: give less of it" in result.stderr


def test_search_of_one_rule(run: Run) -> None:
    """A rule that is named needs no search."""
    result = run("rules", "checksum", "--search", "x")
    assert 2 == result.exit_code
    assert "NAME and --search do not go together" in result.stderr


def test_too_many_headers_are_not_judged(run: Run, tmp_path: Path) -> None:
    """Of a file with more headers than are planned the loaders' line says so."""
    path = tmp_path / "many.igvm"
    path.write_bytes(pages_of_one_address(MOST_HEADERS + 2000))
    result = run("check", path)
    assert 1 == result.exit_code
    assert "not judged by qemu-kvm" in result.stdout
