"""Files that the reference parses and mostly measures: those of tests.differential, enriched."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from igvm.spec.directive import ErrorRange, PageData, ParameterArea, ParameterInsert, VPContext
from igvm.spec.enums import PlatformType
from igvm.spec.initialization import GuestPolicy
from igvm.spec.platform import SupportedPlatform
from igvm.spec.registry import TYPE_OF
from tests.differential.draft import get, pack, put, rebase, sound
from tests.small_files.raw import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.differential.draft import Draft, Header

_GUESTS = (PlatformType.SEV_SNP, PlatformType.TDX, PlatformType.VSM_ISOLATION)


def measurable(seed: int, count: int) -> Iterator[bytes]:
    """`count` files, the same for the same `seed`."""
    for number in range(count):
        rng = random.Random(seed << 32 | number)
        draft = sound(rng)
        masks = _masks(draft)
        if masks:
            _enrich(rng, draft, masks)
        yield draft.raw().to_bytes()


def _masks(draft: Draft) -> list[int]:
    """The masks of the platforms that are measured."""
    platforms = [header for header in draft.headers if header.kind == TYPE_OF[SupportedPlatform]]
    guests = [header for header in platforms if get(header, "platform_type") in _GUESTS]
    return [get(header, "compatibility_mask") for header in guests]


def _enrich(rng: random.Random, draft: Draft, masks: list[int]) -> None:
    """Give `draft` more of what is measured, and what the reference wants to measure it at all."""
    for header in draft.headers:
        if header.kind == TYPE_OF[ParameterArea]:
            put(header, "number_of_bytes", rng.choice([0, 1, 2, 3, 5]) * PAGE_SIZE)
            put(header, "file_offset", 0)
        if header.kind == TYPE_OF[ErrorRange]:
            put(header, "size_bytes", rng.choice([0, 1, 2, 3]) * PAGE_SIZE)
        if header.kind in {TYPE_OF[ErrorRange], TYPE_OF[ParameterInsert]}:
            put(header, "gpa", get(header, "gpa") & (1 << 40) - 1)
        if header.kind == TYPE_OF[PageData] and rng.random() < 0.9:
            put(header, "data_type", 0)
    first = next(
        (at for at, header in enumerate(draft.headers) if not 1 <= header.kind <= 0x100),
        len(draft.headers),
    )
    if rng.random() < 0.8:
        _insert(draft, first, GuestPolicy, policy=0x30000, compatibility_mask=rng.choice(masks))
    pages = [header for header in draft.headers if header.kind == TYPE_OF[PageData]]
    contexts = [at for at, header in enumerate(draft.headers) if header.kind == TYPE_OF[VPContext]]
    directives = [at for at, header in enumerate(draft.headers) if header.kind > 0x300]
    low = min(directives, default=len(draft.headers))
    high = min(contexts, default=len(draft.headers))
    for _ in range(rng.randint(0, 8)):
        _insert(
            draft,
            rng.randint(low, high),
            PageData,
            gpa=rng.choice([rng.randrange(64), rng.randrange(1 << 40)]) * PAGE_SIZE,
            compatibility_mask=sum(rng.sample(masks, rng.randint(1, len(masks)))),
            file_offset=_place(rng, draft, pages),
            flags=rng.choice([0, 0, 0, 2, 4, rng.randint(0, 7)]),
            data_type=rng.choice([0] * 30 + [1, 2, 3]),
        )
        high += 1


def _place(rng: random.Random, draft: Draft, pages: list[Header]) -> int:
    """Where a page may lie: nowhere, where another does, or anywhere in the data."""
    room = len(draft.data) - PAGE_SIZE
    start = draft.data_start
    places = [0, *(get(header, "file_offset") for header in pages)]
    return rng.choice([*places, start + rng.randint(0, max(0, room))])


def _insert(draft: Draft, at: int, record: Any, **values: int) -> None:
    """Put a header into `draft` and let what lies behind it be found where it is then."""
    before = draft.data_start
    draft.headers.insert(at, pack(record, values))
    rebase(draft, before)
