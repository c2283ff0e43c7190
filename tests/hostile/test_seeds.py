"""The fuzzer's seeds as plain tests, and that they are the ones that fuzz/make_seeds.py makes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from fuzz.make_seeds import CORPUS, seeds
from tests.hostile.command_line import every_verb
from tests.hostile.everything import use
from tests.hostile.launches import launch
from tests.small_files.raw import with_checksum

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted((CORPUS / "fuzz_file").glob("*.igvm"))
COMMANDS = sorted((CORPUS / "fuzz_command").glob("*.igvm"))
LAUNCHES = sorted((CORPUS / "fuzz_launch").glob("*.igvm"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_seed_does_no_harm(path: Path) -> None:
    """Each seed is read, with its checksum as it is and made right."""
    data = path.read_bytes()
    assert use(data)
    assert use(with_checksum(data))


@pytest.mark.parametrize("path", LAUNCHES, ids=lambda path: path.stem)
def test_a_seed_is_launched(path: Path) -> None:
    """Each seed has launches to measure, to explain and to compare."""
    assert launch(path.read_bytes())


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_seed_goes_through_every_verb(path: Path) -> None:
    """Each verb ends with an exit code that the documentation lists, most of them with success."""
    assert 8 < every_verb(path.read_bytes())


@pytest.mark.parametrize("name", seeds())
def test_the_seeds_are_those_of_the_script(name: str) -> None:
    """Nothing was added by hand, and nothing is stale."""
    assert {hashlib.sha256(seed).hexdigest()[:12] for seed in seeds()[name]} == {
        path.stem for path in (CORPUS / name).glob("*.igvm")
    }
