"""The reference rules against the reference itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from igvm.checks.reference import REFERENCE_RULES
from tests.differential.answers import differences
from tests.differential.cases import CASES
from tests.differential.crowded import crowded
from tests.differential.generate import generate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oracle.client import Oracle, Release

FILES = 2000
"""Files of each seed."""


@pytest.mark.parametrize("release", ["0.4", "0.5"])
@pytest.mark.parametrize("seed", range(10))
def test_generated_files(oracle: Oracle, seed: int, release: Release) -> None:
    """Accepted, refused for the same reason or crashed at the same place: as the reference."""
    assert [] == differences(oracle, list(generate(seed, FILES)), release)


@pytest.mark.parametrize("release", ["0.4", "0.5"])
@pytest.mark.parametrize("seed", range(2))
def test_crowded_files(oracle: Oracle, seed: int, release: Release) -> None:
    """Of many headers that refer to each other the same one is refused."""
    assert [] == differences(oracle, list(crowded(seed, FILES)), release)


@pytest.mark.parametrize("release", ["0.4", "0.5"])
def test_cases(oracle: Oracle, release: Release) -> None:
    """The files with one fault each are refused by the reference for that fault."""
    assert [] == differences(oracle, [case.file for case in CASES], release)


@pytest.mark.parametrize("release", ["0.4", "0.5"])
def test_corpus(oracle: Oracle, corpus: Path, release: Release) -> None:
    """Every file of the corpus gets the verdict of the reference."""
    files = [path.read_bytes() for path in sorted(corpus.rglob("*.igvm"))]
    assert [] == differences(oracle, files, release)


def test_every_rule_has_a_case() -> None:
    """No rule of the reference is there without a file that breaks it."""
    errors = {name for name in REFERENCE_RULES if name != "corim-feature"}
    assert errors == {case.rule for case in CASES} - {""}
