"""Faults for the draft of a file: each bends one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from igvm.spec.directive import PageData, ParameterArea, VPContext
from igvm.spec.hyperv import ARM64_STORABLE, X64_STORABLE
from igvm.spec.initialization import CorimDocument, CorimSignature
from tests.differential.draft import RECORDS, Draft, field_at, get, pack, put
from tests.small_files.raw import PAGE_SIZE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_WITH_DATA = (PageData, ParameterArea, VPContext, CorimDocument, CorimSignature)
_EDGES = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    0xFF,
    0xFFF,
    PAGE_SIZE,
    PAGE_SIZE + 1,
    2 * PAGE_SIZE,
    3 * PAGE_SIZE,
    0x10000,
]
_EDGES += [
    sign + (1 << bits) for bits in (7, 8, 15, 16, 31, 32, 63, 64) for sign in (-PAGE_SIZE, -1, 0)
]
_TYPES = [0, 1, 2, 0x100, 0x101, 0x107, 0x108, 0x200, 0x201, 0x300, 0x301, 0x306, 0x314]
_TYPES += [0x400, 0x401, 0xFFFF, 0x80000000, 0x80000101, 0x80000302, 0xFFFFFFFF]


def _bend_field(rng: random.Random, draft: Draft) -> None:
    """Give a field of a header a number at some edge."""
    header = rng.choice(draft.headers)
    record = RECORDS.get(header.kind)
    if record is None:
        return
    item = rng.choice([item for item in record.FIELDS if item.size <= 8] or record.FIELDS[:1])
    old = get(header, item.name)
    new = rng.choice(
        [
            rng.choice(_EDGES),
            old + rng.choice([-PAGE_SIZE, -1, 1, PAGE_SIZE]),
            old ^ 1 << rng.randrange(8 * item.size),
            rng.getrandbits(8 * item.size),
        ]
    )
    put(header, item.name, new)


def _bend_offset(rng: random.Random, draft: Draft) -> None:
    """Point a header just before, into, to the end of, or past the file data."""
    wanting = [header for header in draft.headers if RECORDS.get(header.kind) in _WITH_DATA]
    if wanting:
        header = rng.choice(wanting)
        start, size = draft.data_start, len(draft.data)
        places = [
            0,
            1,
            start - 1,
            start,
            start + 1,
            start + size,
            start + size + 1,
            start + size - 1,
        ]
        places += [start + size - 3, start + size - 4, start + size - 5, 0xFFFFFFFF, 24, start // 2]
        places += [
            start + size - PAGE_SIZE,
            start + size - PAGE_SIZE + 1,
            start + rng.randrange(size + 1),
        ]
        put(header, "file_offset", rng.choice(places))


def _bend_mask(rng: random.Random, draft: Draft) -> None:
    """Give a header another mask."""
    header = rng.choice(draft.headers)
    masks = [0, 1, 2, 3, 4, 0xFFFFFFFF, 0x80000000, 1 << rng.randrange(32)]
    masks += [get(other, "compatibility_mask") for other in draft.headers]
    put(header, "compatibility_mask", rng.choice(masks))


def _bend_area(rng: random.Random, draft: Draft) -> None:
    """Give a header another parameter area."""
    users = [header for header in draft.headers if field_at(header, "parameter_area_index")]
    if users:
        numbers = [get(other, "parameter_area_index") for other in users]
        put(rng.choice(users), "parameter_area_index", rng.choice([*numbers, 0, 7]))


def _bend_region(rng: random.Random, draft: Draft) -> None:
    """Move or resize a relocatable or page table region."""
    regions = [header for header in draft.headers if header.kind in {0x102, 0x103}]
    if not regions:
        return
    header = rng.choice(regions)
    names = ("relocation_region_gpa", "relocation_region_size", "relocation_alignment")
    name = rng.choice(names if header.kind == 0x102 else ("gpa", "size", "used_size"))
    units = [
        0,
        PAGE_SIZE,
        2 * PAGE_SIZE,
        8 * PAGE_SIZE,
        1 << 21,
        1 << 63,
        -PAGE_SIZE % (1 << 64),
        -2 * PAGE_SIZE % (1 << 64),
    ]
    put(header, name, rng.choice(units))
    if rng.random() < 0.7:
        put(header, "relocation_alignment", rng.choice([PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0]))
        put(header, "used_size", 0)
    if rng.random() < 0.3:
        put(header, "vtl", rng.choice([0, 1, 2, 3, 255]))
        put(header, "vp_index", rng.choice([0, 0, 1]))


def _bend_initialization(rng: random.Random, draft: Draft) -> None:
    """Double an initialization header, or give it a number that it checks."""
    initializations = [header for header in draft.headers if 0x101 <= header.kind <= 0x106]
    if not initializations:
        return
    header = rng.choice(initializations)
    numbers = [0, 1, 2, 3, 0xFF, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 3 * PAGE_SIZE]
    match rng.randrange(4):
        case 0:
            twin = replace(header, kind=rng.choice([header.kind, header.kind, header.kind ^ 1]))
            draft.headers.insert(draft.headers.index(header), twin)
            if rng.random() < 0.5:
                put(rng.choice([header, twin]), "compatibility_mask", rng.choice([1, 2, 3, 4, 0]))
        case 1 if header.kind in {0x104, 0x105}:
            put(header, "compatibility_mask", rng.choice([1, 2, 3, 4, 6, 0xFFFFFFFF]))
        case _:
            record = RECORDS[header.kind]
            names = [item.name for item in record.FIELDS if item.name != "compatibility_mask"]
            put(header, rng.choice(names), rng.choice(numbers))


def _insert_near(rng: random.Random, draft: Draft) -> None:
    """Put a parameter insert around a page table region."""
    regions = [header for header in draft.headers if header.kind == 0x103]
    inserts = [header for header in draft.headers if header.kind == 0x303]
    if regions and inserts:
        region = rng.choice(regions)
        start, size = get(region, "gpa"), get(region, "size")
        place = rng.choice([start, start - PAGE_SIZE, start + size, start + size - PAGE_SIZE])
        header = rng.choice(inserts)
        put(header, "gpa", place)
        if rng.random() < 0.8:
            put(header, "compatibility_mask", get(region, "compatibility_mask"))


def _order(rng: random.Random, draft: Draft) -> None:
    """Swap, move, double or drop headers."""
    headers = draft.headers
    first, second = rng.randrange(len(headers)), rng.randrange(len(headers))
    match rng.randrange(4):
        case 0:
            headers[first], headers[second] = headers[second], headers[first]
        case 1:
            headers.insert(first, headers.pop(second))
        case 2:
            headers.insert(first, replace(headers[second]))
        case _:
            if len(headers) > 1:
                del headers[first]


def _replatform(rng: random.Random, draft: Draft) -> None:
    """Move the file to the other architecture, a platform to another type, or add a policy."""
    if rng.random() < 0.3:
        mask = rng.choice([0, *(get(header, "compatibility_mask") for header in draft.headers)])
        draft.headers.insert(1, pack(RECORDS[0x106], {"compatibility_mask": mask}))
    elif rng.random() < 0.4:
        draft.architecture, draft.version = 1 - draft.architecture, 2
    else:
        header = draft.headers[0]
        put(header, "platform_type", rng.choice([0, 1, 2, 3, 4, 5, 6, 7]))
        put(header, "shared_gpa_boundary", 0)


def _retype(rng: random.Random, draft: Draft) -> None:
    """Give a header another type."""
    header = rng.choice(draft.headers)
    same = [kind for kind, record in RECORDS.items() if record.SIZE == len(header.body)]
    header.kind = rng.choice(
        [rng.choice(_TYPES), rng.choice(same or _TYPES), header.kind ^ 1 << 31]
    )


def _relength(rng: random.Random, draft: Draft) -> None:
    """Give a header another length, in its field or in truth, or bytes in its padding."""
    header = rng.choice(draft.headers)
    length = rng.choice(
        [0, 1, 8, len(header.body) - 4, len(header.body) + 4, len(header.body) + 8, 0xFFFFFFFF]
    )
    match rng.randrange(3):
        case 0:
            header.length = max(length, 0)
        case 1:
            header.body = header.body[: length % 1000].ljust(length % 1000, b"\0")
        case _:
            header.padding = 0xFF


def _end(rng: random.Random, draft: Draft) -> None:
    """Let the headers end early, or with something that is none."""
    if rng.random() < 0.5:
        draft.cut = rng.choice([1, 4, 8, 12, 16, 24])
    else:
        draft.tail = rng.choice(
            [bytes(4), bytes(8), bytes(1), b"\1\0\0\0\x10\0\0\0", rng.randbytes(7)]
        )
        if rng.random() < 0.5:
            header = rng.choice(draft.headers).pack()
            draft.tail = header[: rng.randrange(len(header) + 1)]


def _bend_data(rng: random.Random, draft: Draft) -> None:
    """Change, cut or lengthen the file data."""
    match rng.randrange(5):
        case 0:
            draft.data[rng.randrange(len(draft.data))] ^= 1 << rng.randrange(8)
        case 1:
            del draft.data[
                rng.choice([0, 1, 4, 36, PAGE_SIZE - 1, PAGE_SIZE, len(draft.data) - 1]) :
            ]
        case 2:
            draft.data += rng.randbytes(rng.choice([1, 7, 4, 36]))
        case _:
            # The register lists lie last.
            at = len(draft.data) - 1 - min(rng.randrange(140), len(draft.data) - 1)
            draft.data[at] = rng.choice([0, 1, 2, 3, 4, 5, 0xFF])
    if not draft.data:
        draft.data = bytearray(1)


def _bend_list(rng: random.Random, draft: Draft) -> None:
    """Change the count, a VTL or a name of a register list where a context refers to it."""
    contexts = [header for header in draft.headers if header.kind == 0x304]
    if not contexts:
        return
    at = get(rng.choice(contexts), "file_offset") - draft.data_start
    register = rng.randrange(4)
    if not 0 <= at <= len(draft.data) - 4 - 32 * (register + 1):
        register = 0
    match rng.randrange(3):
        case 0:
            where, new = at, rng.choice([0, 1, 2, 3, 5, 0xFF, 0xFFFFFFFF]).to_bytes(4, "little")
        case 1:
            where, new = at + 4 + 32 * register, bytes([rng.choice([0, 1, 2, 3, 255])])
        case _:
            names = [*X64_STORABLE, *ARM64_STORABLE, 0x20000, 0x60006, 0x20003, 0]
            where, new = at + 5 + 32 * register, int(rng.choice(names)).to_bytes(4, "little")
    if 0 <= where <= len(draft.data) - len(new):
        draft.data[where : where + len(new)] = new


FAULTS: list[Callable[[random.Random, Draft], None]] = [
    *[_bend_field] * 5,
    *[_bend_offset] * 3,
    *[_bend_list] * 3,
    *[_bend_region] * 3,
    *[_bend_initialization] * 4,
    *[_bend_mask] * 2,
    *[_bend_area] * 2,
    *[_order] * 3,
    _insert_near,
    _insert_near,
    _replatform,
    _retype,
    _relength,
    _end,
    _bend_data,
]
