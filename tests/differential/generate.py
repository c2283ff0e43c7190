"""A seeded generator of small files: nearly sound ones, and ones with targeted or random faults.

Nothing here needs the code that is tested: headers are packed by `igvm.spec` and files put
together by `tests.small_files.raw`. The same seed always gives the same files.
"""

from __future__ import annotations

import random
import struct
import zlib
from typing import TYPE_CHECKING

from tests.differential.draft import rebase, sound
from tests.differential.faults import FAULTS
from tests.small_files.raw import PAGE_SIZE, RawFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.draft import Draft


def generate(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, the same for the same `seed`."""
    for number in range(count):
        rng = random.Random(seed << 32 | number)
        draft = sound(rng)
        style = rng.random()
        for _ in range(0 if style < 0.15 else rng.choice([1, 1, 1, 2, 3])):
            before = draft.data_start
            rng.choice(FAULTS)(rng, draft)
            rebase(draft, before)
        yield _assemble(rng, draft, wild=style > 0.85)


def _assemble(rng: random.Random, draft: Draft, *, wild: bool) -> bytes:
    """The bytes of a file; `wild` ones have faults in the fixed header or in any byte."""
    raw = draft.raw()
    if not wild:
        return raw.to_bytes()
    match rng.randrange(4):
        case 0:
            return _wild_fixed(rng, raw)
        case 1:
            section = bytearray(raw.headers)
            for _ in range(rng.randint(1, 4)):
                section[rng.randrange(len(section))] = rng.choice([0, 1, 0xFF, rng.randrange(256)])
            return raw._replace(headers=bytes(section)).to_bytes()
        case 2:
            data = raw.to_bytes()
            return data[: rng.randrange(len(data) + 1)]
        case _:
            gap = bytes(rng.choice([1, 3, 4, 8]))
            return raw._replace(gap=gap, data=raw.data[: rng.choice([0, 1, 5, 9999])]).to_bytes()


def _wild_fixed(rng: random.Random, raw: RawFile) -> bytes:
    """A file with one field of its fixed header bent; its checksum is mostly right."""
    data = bytearray(raw.to_bytes())
    where = rng.choice(range(0, 24 if raw.version == 1 else 32, 4))
    old = int.from_bytes(data[where : where + 4], "little")
    size = len(data)
    edges = [
        0,
        1,
        2,
        3,
        8,
        24,
        32,
        PAGE_SIZE,
        size,
        size - 1,
        size + 1,
        size - 24,
        old + 8,
        old - 8,
    ]
    edges += [old + 1, old - 1, 0xFFFFFFFF, 0xFFFFFFE0, -old, 8 - old, old ^ 1 << rng.randrange(32)]
    struct.pack_into("<I", data, where, rng.choice(edges) & 0xFFFFFFFF)
    if where == 20 or rng.random() < 0.2:
        return bytes(data)
    version, start, length = struct.unpack_from("<III", data, 4)
    data[20:24] = bytes(4)
    checksum = zlib.crc32(data[: 32 if version == 2 else 24])
    checksum = zlib.crc32(data[start : start + length], checksum)
    struct.pack_into("<I", data, 20, checksum)
    return bytes(data)
