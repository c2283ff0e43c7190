"""Whatever the bytes are, a check ends soon, in little memory, and with findings."""

from __future__ import annotations

import random
import struct
import time

import numpy as np
import pytest

import igvm
from igvm.spec.registry import TYPE_OF
from tests.hostile.edge_numbers import NUMBERS_64
from tests.small_files import raw
from tests.small_files.raw import with_checksum
from tests.small_files.sound_files import SNP_GUEST, SOUND

_SECONDS = 20


def _mutated(data: bytes, seed: int) -> bytes:
    """`data` with some numbers replaced and some bits turned over."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(8, len(changed) - 8)
        if rng.random() < 0.5:
            size = rng.choice((1, 2, 4, 8))
            number = rng.choice(NUMBERS_64) & (1 << 8 * size) - 1
            changed[at & -size : (at & -size) + size] = number.to_bytes(size, "little")
        else:
            changed[at] ^= 1 << rng.randrange(8)
    return with_checksum(changed)


@pytest.mark.parametrize("name", SOUND)
def test_changed_files_are_checked(name: str) -> None:
    """Numbers at their limits and flipped bits make findings and nothing else."""
    data = SOUND[name].to_bytes()
    read = 0
    for seed in range(400):
        try:
            file = igvm.parse(_mutated(data, seed))
        except igvm.IgvmError:
            continue
        read += 1
        for finding in igvm.check(file, most=3):
            assert str(finding).isprintable()
    assert read > 200


@pytest.mark.parametrize("record", TYPE_OF, ids=lambda record: record.__name__)
def test_very_many_headers_of_one_type(record: type[igvm.PageData]) -> None:
    """50,000 headers full of noise take a moment, and the findings are few."""
    noise = np.random.default_rng(1)
    rows = np.zeros(
        50_000,
        np.dtype([("type", "<u4"), ("length", "<u4"), ("body", "u1", (record.SIZE + 7 & ~7,))]),
    )
    rows["type"], rows["length"] = TYPE_OF[record], record.SIZE
    rows["body"] = noise.integers(0, 256, rows["body"].shape, np.uint8)
    heads = b"".join(raw.platform(i % 7, 1 << i) for i in range(32)) + rows.tobytes()
    file = igvm.parse(raw.file(heads, data=bytes(8192)))
    start = time.monotonic()
    findings = igvm.check(file, most=5)
    assert time.monotonic() - start < _SECONDS
    assert len(findings) < 300


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_very_many_contexts_that_overlap(kind: int) -> None:
    """Contexts that lie on top of one another are not read again for each."""
    count = 20_000
    start = 24 + 24 + count * 32
    heads = raw.platform(kind, 1) + b"".join(
        raw.context(start + 4 * i, index=i & 0xFFFF) for i in range(count)
    )
    data = struct.pack("<I", 2_000) * (count + 70_000)
    file = igvm.parse(raw.file(heads, data=data))
    begin = time.monotonic()
    rules = {finding.rule for finding in igvm.check(file, most=5)}
    assert time.monotonic() - begin < _SECONDS
    assert "data-overlap" in rules
    assert ("vbs-lists-overlap" in rules) == (kind == 1)


@pytest.mark.parametrize("size", range(24, 200, 5))
def test_files_cut_short(size: int) -> None:
    """A section that ends anywhere is checked up to there."""
    data = bytearray(SNP_GUEST.to_bytes())
    data[12:16] = (size - 24).to_bytes(4, "little")
    rules = {finding.rule for finding in igvm.check(igvm.parse(with_checksum(data)))}
    assert rules
