"""Every recorded run of QEMU: where it ended, and no other, there is an error or a reset warning.

The runs lie beside the corpus (`../shared/vectors/qemu`, or `$IGVM_VECTORS`): 368 files, each with
what QEMU 11.1 did with it on one machine or two. Their README says how they were made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import igvm

if TYPE_CHECKING:
    from pathlib import Path

EXACT = {"q35", "pc"}
"""The machines whose runs must all be foretold."""


def said(path: Path, run: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the lint has an error for a run, and whether it warns of the reset."""
    machine = igvm.Machine.of(
        f"{run['machine']},vga=none", memory=run["memory_mib"] << 20, vcpus=run["cpus"]
    )
    try:
        file = igvm.open(path)
    except igvm.FormatError:
        return True, False
    with file:
        findings = igvm.lint(file, "qemu-tcg", machine=machine)
    has_error = any(finding.is_error for finding in findings)
    return has_error, any(finding.rule == "loader/qemu-tcg/reset" for finding in findings)


@pytest.fixture(scope="module")
def runs(vectors: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Each file with each of its runs."""
    return [
        (answers.with_suffix(".igvm"), run)
        for answers in sorted((vectors / "qemu").glob("*.json"))
        for run in json.loads(answers.read_bytes())["runs"]
    ]


def test_every_run_is_foretold(runs: list[tuple[Path, dict[str, Any]]]) -> None:
    """QEMU ends at the first boot where there is an error, and at the reset where it is warned."""
    wrong = []
    for path, run in runs:
        has_error, warns = said(path, run)
        ended = not run["accepted"]
        ended_later = run["accepted"] and not run["after_reset"]["accepted"]
        if (ended, ended_later) != (has_error, warns):
            wrong.append(f"{path.stem} on {run['machine']}: {run['message']}")
    assert [] == wrong


def test_there_are_runs_of_the_machines_that_are_exact(
    runs: list[tuple[Path, dict[str, Any]]],
) -> None:
    """Nothing but q35 and pc was run, with and without an end, at first and at the reset."""
    assert EXACT == {run["machine"] for _, run in runs}
    assert {True, False} == {run["accepted"] for _, run in runs}
    assert {True, False} == {run["after_reset"]["accepted"] for _, run in runs if run["accepted"]}
    assert len(runs) > 500
