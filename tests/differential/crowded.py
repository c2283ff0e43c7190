"""A seeded generator of files with many headers of one kind that refer to each other or to data."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from tests.differential.cases import reloc, tables
from tests.raw import PAGE, Raw, area, context, insert, parameter, platform

if TYPE_CHECKING:
    from collections.abc import Iterator

_VBS = 1
_NAMES = (0x20010, 0x20004, 0x40000, 0x60000)
_STRANGE = (0x20000, 0, 0xFFFFFFFF)
_TOP = 1 << 64


def crowded(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, the same for the same `seed`."""
    for number in range(count):
        rng = random.Random(seed << 32 | number)
        yield rng.choice((_regions, _areas, _lists))(rng)


def _regions(rng: random.Random) -> bytes:
    """Many regions of many masks, most of which overlap at last."""
    bits = rng.choice([1, 2, 3, 8, 32])
    room = rng.choice([8, 64, 512, 4096])
    headers = [platform(_VBS)]
    for _ in range(rng.randint(1, 40)):
        mask = rng.getrandbits(bits) if rng.random() < 0.5 else 1 << rng.randrange(bits)
        gpa = rng.randrange(room) * PAGE
        size = rng.choice([1, 1, 1, 1, 2, 3, 5]) * PAGE
        match rng.random():
            case chance if chance < 0.01:
                size = 0
            case chance if chance < 0.02:
                gpa = _TOP - rng.choice([1, 2, 3]) * PAGE
            case chance if chance < 0.03:
                gpa, size = 0, rng.choice([0, _TOP - PAGE])
        if rng.random() < 0.1:
            headers.append(tables(gpa, size, mask=mask))
        else:
            vtl = int(rng.random() < 0.02)
            headers.append(reloc(gpa, size, mask=mask, vtl=vtl))
    data = struct.pack("<IBI11s16s", 1, 0, _NAMES[0], b"", b"")
    start = 24 + sum(map(len, headers)) + 32
    return Raw(b"".join([*headers, context(start)]), data).file()


def _areas(rng: random.Random) -> bytes:
    """Many parameter areas, declared, used and inserted mostly in turn, around page tables."""
    headers = (
        [platform(_VBS), tables(8 * PAGE, 4 * PAGE)] if rng.random() < 0.3 else [platform(_VBS)]
    )
    unused = [*range(20), 0xFFFFFFFF, 1 << 31]
    rng.shuffle(unused)
    held: list[int] = []
    gone = [99]
    for _ in range(rng.randint(1, 60)):
        wrong = rng.random() < 0.02
        act = rng.randrange(4)
        if act == 0 and (unused or wrong):
            index = rng.choice(held + gone) if wrong else unused.pop()
            held.append(index)
            headers.append(area(index))
        elif held or wrong:
            index = rng.choice(unused + gone) if wrong else rng.choice(held)
            if act == 1:
                mask = rng.choice([0, 1, 1, 1, 2, 3])
                if mask and index in held:
                    held.remove(index)
                    gone.append(index)
                headers.append(insert(index, rng.choice([0, 0, 0, 7, 8, 11, 12]) * PAGE, mask))
            else:
                headers.append(parameter(rng.choice([0x307, 0x308, 0x30C, 0x313]), index))
    data = struct.pack("<IBI11s16s", 1, 0, _NAMES[0], b"", b"")
    start = 24 + sum(map(len, headers)) + 32
    return Raw(b"".join([*headers, context(start)]), data).file()


def _lists(rng: random.Random) -> bytes:
    """Many VBS contexts whose register lists overlap, at several remainders by 32."""
    data = bytearray(rng.randrange(40))
    vtl = rng.choice([0, 1, 2])
    places = []
    for _ in range(rng.randint(1, 3)):
        data += bytes(rng.randrange(33))
        for _ in range(rng.randint(1, 40)):
            # The last four bytes of a register are the count of the list that starts with them.
            count = rng.choice([0, 1, 1, 2, 3, 5, 8, 40, 1 << 31])
            places.append(len(data))
            name = rng.choice(_STRANGE if rng.random() < 0.01 else _NAMES)
            if rng.random() < 0.02:
                vtl = rng.choice([0, 1, 2, 3])
            data += struct.pack("<IBI11s12s", min(count, 40), vtl, name, b"", b"")
    data += bytes(rng.choice([4, 4, 4, 0, 40]))
    wanted = [rng.choice(places) for _ in range(rng.randint(1, 24))]
    if rng.random() < 0.1:
        wanted.append(rng.randrange(-2, len(data) + 2))
    start = 24 + 24 + 32 * len(wanted)
    # Most lists must be sound: a file is refused at the first that is not.
    for place in wanted:
        if rng.random() < 0.9 and 0 <= place <= len(data) - 4:
            most = (len(data) - place - 4) // 32
            if int.from_bytes(data[place : place + 4], "little") > most or rng.random() < 0.5:
                data[place : place + 4] = struct.pack("<I", rng.randint(min(1, most), min(most, 9)))
    contexts = b"".join(context((start + place) % (1 << 32)) for place in wanted)
    return Raw(platform(_VBS) + contexts, bytes(data)).file()
