"""The words of releases and loaders with which `igvm check` of one file ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from igvm.checks import RULE_SETS
from igvm.launch.loader_table import loaders_named
from igvm.report import verdicts
from igvm.report.verdicts import RELEASES
from tests.cli.test_release_gates import DEBUG

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("folder")


def test_releases_are_those_that_there_are() -> None:
    """Every release has a word."""
    assert set(RELEASES) == set(RULE_SETS) - {"spec"}


def test_the_end_of_a_check(run: Run) -> None:
    """Each release, then the loaders by what they say, with the platforms that they start."""
    output = run("check", "good.igvm").stdout
    assert max(map(len, output.splitlines())) <= 80
    words = " ".join(output.split())
    assert "reference igvm 0.5: accepted; igvm 0.4: accepted" in words
    assert "loaders accepted by openvmm (VSM_ISOLATION); rejected by qemu-tcg, qemu-kvm," in words
    assert "(--loader all says why; assumed: machine q35," in words


def test_they_are_what_the_rules_say(run: Run) -> None:
    """A word is the verdict of --rules all and --loader all, for each of them."""
    names = [loader.name for loader in loaders_named("all", tools=False)]
    for path in ("good.igvm", "bad.igvm", "full.igvm", "pages.igvm"):
        (checked,) = json.loads(run("check", path, "--json").stdout)["files"]
        reasons = run("check", path, "--rules", "all", "--loader", "all", "--json").stdout
        (whole,) = json.loads(reasons)["files"]
        expected = {one["rules"]: one["verdict"] for one in whole["results"]}
        expected.pop("spec")
        assert expected == {one["name"]: one["verdict"] for one in checked["verdicts"]}
        assert {*RELEASES, *names} == set(expected)
        assert [] == whole["verdicts"]


def test_they_do_not_count(run: Run) -> None:
    """A file that no loader takes is not in error for that."""
    assert 0 == run("check", "good.igvm").exit_code


@pytest.mark.parametrize("arguments", [["good.igvm", "bad.igvm"], ["good.igvm", "--rules", "spec"]])
def test_where_they_are_left_out(run: Run, arguments: list[str]) -> None:
    """Many files do not cost five loaders each; and what was asked for is what is answered."""
    assert "loaders" not in run("check", *arguments).stdout


def test_an_unreadable_file(run: Run) -> None:
    """Of bytes that are no file the releases have a word, and no loader comes so far."""
    output = run("check", "none.igvm").stdout
    assert "igvm 0.5: rejected; igvm 0.4: rejected" in output
    assert "loaders" not in output


def test_large_files(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file with ID blocks is not hashed for a word, and that is said."""
    (folder / "debug.igvm").write_bytes(DEBUG)
    monkeypatch.setattr(verdicts, "LARGEST_HASHED", 1)
    assert "ID blocks" not in run("check", "debug.igvm").stdout
    assert "ID blocks are right" in " ".join(run("check", "full.igvm").stdout.split())
