"""A seeded generator of files with many headers of one kind that refer to each other or to data."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from tests.small_files import raw
from tests.small_files.guests import VBS
from tests.small_files.raw import (
    PAGE_SIZE,
    area,
    context,
    insert,
    page_tables,
    parameter,
    platform,
    region,
    register_list,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    headers = [platform(VBS)]
    for _ in range(rng.randint(1, 40)):
        mask = rng.getrandbits(bits) if rng.random() < 0.5 else 1 << rng.randrange(bits)
        gpa = rng.randrange(room) * PAGE_SIZE
        size = rng.choice([1, 1, 1, 1, 2, 3, 5]) * PAGE_SIZE
        match rng.random():
            case chance if chance < 0.01:
                size = 0
            case chance if chance < 0.02:
                gpa = _TOP - rng.choice([1, 2, 3]) * PAGE_SIZE
            case chance if chance < 0.03:
                gpa, size = 0, rng.choice([0, _TOP - PAGE_SIZE])
        if rng.random() < 0.1:
            headers.append(page_tables(gpa, size, mask=mask))
        else:
            vtl = int(rng.random() < 0.02)
            headers.append(region(gpa, size, mask=mask, vtl=vtl))
    return raw.file(*headers, context(raw.at(0)), data=register_list(_NAMES[0]))


def _areas(rng: random.Random) -> bytes:
    """Many parameter areas, declared, used and inserted mostly in turn, around page tables."""
    headers = (
        [platform(VBS), page_tables(8 * PAGE_SIZE, 4 * PAGE_SIZE)]
        if rng.random() < 0.3
        else [platform(VBS)]
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
                headers.append(insert(index, rng.choice([0, 0, 0, 7, 8, 11, 12]) * PAGE_SIZE, mask))
            else:
                headers.append(parameter(rng.choice([0x307, 0x308, 0x30C, 0x313]), index))
    return raw.file(*headers, context(raw.at(0)), data=register_list(_NAMES[0]))


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
    return raw.file(platform(VBS), contexts, data=bytes(data))
