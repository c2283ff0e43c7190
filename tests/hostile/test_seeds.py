"""The fuzzer's seeds as plain tests, and that they are the ones that fuzz/make_seeds.py makes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fuzz.make_seeds import seeds
from tests.hostile.everything import use
from tests.hostile.samples import fix

FOLDER = Path(__file__).resolve().parent.parent.parent / "fuzz" / "corpus" / "fuzz_file"
SEEDS = sorted(FOLDER.glob("*.igvm"))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_a_seed_does_no_harm(path: Path) -> None:
    """Each seed is read, with its checksum as it is and made right."""
    data = path.read_bytes()
    assert use(data)
    assert use(fix(data))


def test_the_seeds_are_those_of_the_script() -> None:
    """Nothing was added by hand, and nothing is stale."""
    assert {hashlib.sha256(seed).hexdigest()[:12] for seed in seeds()} == {
        path.stem for path in SEEDS
    }
