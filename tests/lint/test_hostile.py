"""Hostile files get findings, in bounded time and memory, and nothing but IgvmError is raised."""

from __future__ import annotations

import random
import time

import pytest

import igvm
from igvm.launch.lint import lint
from igvm.launch.loader_table import loaders_named
from igvm.spec.registry import HEADERS
from tests.hostile.bent_fields import bent_fields
from tests.hostile.peak_memory import peak_memory
from tests.lint.examples import EXAMPLES
from tests.small_files.guests import NATIVE, SNP, VBS, bytes_for
from tests.small_files.raw import (
    area,
    at,
    context,
    insert,
    page,
    parameter,
    register_list,
    with_checksum,
)
from tests.small_files.samples import EVERY_HEADER

LOADERS = [loader.name for loader in loaders_named("all", tools=False)]

FILES = pytest.mark.parametrize("data", EVERY_HEADER.values(), ids=EVERY_HEADER.keys())
DAWDLE = 4.0
"""Seconds in which a hostile file must be judged on a slow machine."""


def judge(data: bytes) -> None:
    """Lint `data` for every loader, if it can be read."""
    try:
        file = igvm.parse(data)
    except igvm.IgvmError:
        return
    for loader in LOADERS:
        for finding in lint(file, loader, most=3):
            assert str(finding)


@pytest.mark.slow
@pytest.mark.parametrize("data", [EVERY_HEADER["x64 v1"], EVERY_HEADER["arm"]], ids=["x64", "arm"])
def test_flipped_bits(data: bytes) -> None:
    """Bits all over the headers may flip, with the checksum made right again."""
    size = int.from_bytes(data[8:12], "little") + int.from_bytes(data[12:16], "little")
    for position in range(size % 3, size, 3):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        judge(with_checksum(flipped))
    assert size


@pytest.mark.slow
@FILES
def test_truncated(data: bytes) -> None:
    """A file may end anywhere."""
    for size in range(0, len(data), 97):
        judge(with_checksum(data[:size]))
    assert data


@pytest.mark.slow
@pytest.mark.parametrize("name", [spec.name for spec in HEADERS.values() if spec.record])
def test_extreme_fields(name: str) -> None:
    """Each number of each header may have any boundary value."""
    [spec] = [spec for spec in HEADERS.values() if spec.name == name]
    for data in (EVERY_HEADER["x64 v1"], EVERY_HEADER["arm"]):
        for bent in bent_fields(data, spec, step=2):
            judge(bent)


@pytest.mark.slow
def test_mutated_examples() -> None:
    """The examples of the rules with random bytes changed."""
    chance = random.Random(3)
    for example in EXAMPLES.values():
        for _ in range(2):
            bent = bytearray(example.bad)
            for _ in range(chance.randint(1, 4)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            judge(with_checksum(bent))
    assert EXAMPLES


MANY = 50_000
CROWDS = {
    "overlapping pages": lambda: bytes_for(SNP, *[page(0x1000)] * MANY),
    "inserts among pages": lambda: bytes_for(
        NATIVE, *[area(i) + page(i << 12) + insert(i, i << 12) for i in range(MANY // 3)]
    ),
    "parameters": lambda: bytes_for(NATIVE, area(0), *[parameter(0x309, 0, 8)] * MANY),
    "contexts": lambda: bytes_for(SNP, *[context(at(0), index=1)] * MANY),
    "native contexts": lambda: bytes_for(NATIVE, *[context(at(0))] * MANY),
    "register lists": lambda: bytes_for(
        VBS,
        *[context(at(0) + 32 * (i % 64)) for i in range(MANY)],
        data=register_list(*[0x20010] * 4096),
    ),
    "runs": lambda: bytes_for(NATIVE, *[page(i << 13) for i in range(MANY)]),
}


@pytest.mark.parametrize("name", CROWDS)
def test_crowded(name: str) -> None:
    """Fifty thousand headers that meet each other are judged in linear time and memory."""
    data = CROWDS[name]()
    file = igvm.parse(data)

    def work() -> None:
        for loader in LOADERS:
            lint(file, loader)

    start = time.process_time()
    peak = peak_memory(work)
    assert time.process_time() - start < DAWDLE  # of this process: others may keep it waiting
    assert peak <= (16 << 20) + 400 * len(data)
