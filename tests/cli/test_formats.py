"""`igvm check --format`: findings in the forms that other programs read."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_release_gates import DEBUG
from tests.report.sarif_schema import SCHEMA
from tests.small_files import raw

if TYPE_CHECKING:
    from tests.cli.conftest import Run

jsonschema = pytest.importorskip("jsonschema")

GCC = re.compile(r"^(.*?):(\d+):(\d+):\s+(error|warning|note):\s+(.*)$")
"""What VS Code's matcher for gcc and GNU's standard for error messages read."""


@pytest.fixture(autouse=True)
def _in_folder(folder: Path) -> None:
    """Beside the files of `folder`: one with a warning, and one with a name that needs escapes."""
    (folder / "debug.igvm").write_bytes(DEBUG)
    (folder / "a: 100%, b.igvm").write_bytes(DEBUG)
    pages = (raw.page(0x1001 + number * 0x1000) for number in range(30))
    (folder / "odd.igvm").write_bytes(raw.file(raw.platform(1), *pages, data=bytes(4096)))


def sarif(run: Run, *arguments: str) -> Any:
    """The one run of a SARIF log, which follows the schema."""
    log = json.loads(run("check", "--format", "sarif", *arguments).stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(log)
    official = os.environ.get("IGVM_SARIF_SCHEMA")
    if official:
        jsonschema.Draft7Validator(json.loads(Path(official).read_text())).validate(log)
    (only,) = log["runs"]
    return only


def test_gcc_lines_are_read_by_matchers(run: Run) -> None:
    """File, line, column, severity and message are where programs look for them."""
    result = run("check", "--format", "gcc", "bad.igvm", "debug.igvm", "odd.igvm")
    assert 1 == result.exit_code
    lines = result.stdout.splitlines()
    assert all(map(GCC.match, lines))
    assert (
        "debug.igvm:1:57: warning: +0x38 GUEST_POLICY[1].policy: policy is 0xb0000; "
        "the policy lets the host debug the guest [policy-debug]"
    ) in lines
    assert any(line.startswith("bad.igvm:1:21: error: +0x14 FIXED_HEADER") for line in lines)
    assert any(line.endswith("(and 20 more) [page-alignment]") for line in lines)


def test_gcc_of_a_good_file(run: Run) -> None:
    """Nothing found is nothing printed."""
    assert ("", 0) == (
        run("check", "--format", "gcc", "--severity", "error", "good.igvm").stdout,
        run("check", "--format", "gcc", "good.igvm").exit_code,
    )


def test_github_annotations(run: Run) -> None:
    """One command for each fault, by how bad it is."""
    output = run("check", "--format", "github", "debug.igvm", "odd.igvm").stdout
    assert (
        "::warning file=debug.igvm,title=igvm%3A policy-debug::+0x38 GUEST_POLICY[1].policy: "
        "policy is 0xb0000; the policy lets the host debug the guest"
    ) in output.splitlines()
    assert (
        "::error file=odd.igvm,title=igvm%3A page-alignment::the gpa of a PAGE_DATA must be a "
        "multiple of the page size: 30 places%0APAGE_DATA.gpa of headers 1 to 30: gpa is "
        "0x1001 to 0x1e001"
    ) in output.splitlines()


def test_github_escapes(run: Run) -> None:
    """A name that would end the property, or the command, does not."""
    output = run("check", "--format", "github", "a: 100%, b.igvm").stdout
    assert output.startswith("::warning file=a%3A 100%25%2C b.igvm,title=")


@pytest.mark.parametrize("form", ["gcc", "github"])
def test_ignored_is_said(run: Run, form: str) -> None:
    """What --ignore takes out is in every form."""
    result = run("check", "--format", form, "--ignore", "policy-debug", "debug.igvm")
    assert "1 ignored" in result.stdout
    assert "policy-debug" in result.stdout


def test_sarif_of_every_kind(run: Run) -> None:
    """Files good, bad and unreadable, under all rules and loaders, follow the schema."""
    paths = ("good.igvm", "bad.igvm", "full.igvm", "none.igvm", "odd.igvm", "a: 100%, b.igvm")
    options = ("--rules", "all", "--loader", "all", "--severity", "note")
    only = sarif(run, *options, *paths)
    assert len(paths) == len(only["artifacts"])
    assert "a%3A%20100%25%2C%20b.igvm" == only["artifacts"][-1]["location"]["uri"]
    rules = only["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in only["results"])
    assert len({rule["id"] for rule in rules}) == len(rules)
    described = [rule for rule in rules if rule["id"] != "unreadable"]
    assert all("Source: " in rule["fullDescription"]["text"] for rule in described)


def test_sarif_places(run: Run) -> None:
    """A place is a byte of the file, and the header by its name; there are no lines in bytes."""
    (result,) = sarif(run, "debug.igvm")["results"]
    (location,) = result["locations"]
    place = {"artifactLocation": {"uri": "debug.igvm", "index": 0}, "region": {"byteOffset": 0x38}}
    assert place == location["physicalLocation"]
    assert [{"fullyQualifiedName": "GUEST_POLICY[1].policy"}] == location["logicalLocations"]
    assert ("policy-debug", "warning") == (result["ruleId"], result["level"])


def test_sarif_of_the_run(run: Run) -> None:
    """A file that is missing, what is ignored, and the exit code are told of the run."""
    only = sarif(run, "--ignore", "policy-debug", "debug.igvm", "missing.igvm")
    (invocation,) = only["invocations"]
    assert (False, 3) == (invocation["executionSuccessful"], invocation["exitCode"])
    assert ["missing.igvm: No such file or directory"] == [
        one["message"]["text"] for one in invocation["toolExecutionNotifications"]
    ]
    assert ["1 ignored: policy-debug"] == [
        one["message"]["text"] for one in invocation["toolConfigurationNotifications"]
    ]
    assert [] == only["results"]


def test_sarif_of_a_whole_path(run: Run, folder: Path) -> None:
    """An absolute path is a URI of a file."""
    (artifact,) = sarif(run, str(folder / "debug.igvm"))["artifacts"]
    assert (folder / "debug.igvm").as_uri() == artifact["location"]["uri"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--json", "--format", "gcc"], "--json and --format do not go together"),
        (["-v", "--format", "gcc"], "-v is about text; other forms list each place, up to --most"),
        (
            ["--format", "sarf"],
            "Invalid value for '--format': there is no format 'sarf'; did you mean sarif?",
        ),
    ],
)
def test_options_that_do_not_fit(run: Run, options: list[str], message: str) -> None:
    """One line, and exit code 2."""
    result = run("check", "debug.igvm", *options)
    assert (f"igvm: check: {message}\nhint: see igvm check --help\n", 2) == (
        result.stderr,
        result.exit_code,
    )
