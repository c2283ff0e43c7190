"""SEV-SNP launch digest: SHA-384 over one PAGE_INFO after another (SNP firmware ABI 8.17.2)."""

from __future__ import annotations

import functools
import hashlib
import struct
from collections import deque
from typing import TYPE_CHECKING

from igvm.launch.plan import NO_SOURCE
from igvm.measurement.hashing_limit import require_bounded
from igvm.measurement.host_axes import (
    AREA_PAGES,
    CONTEXT_ORDER,
    CPUID_ORDER,
    SHARED_PAGES,
    ZERO_PAGES,
)
from igvm.measurement.page_cache import parted
from igvm.measurement.page_digests import PageDigests, page_sources, segments, windows
from igvm.measurement.technology import Continuation, Technology
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters

PAGE_TYPE = {
    Operation.NORMAL: 1,
    Operation.VP_CONTEXT: 2,
    Operation.ZERO: 3,
    Operation.UNMEASURED: 4,
    Operation.PARAMETER: 4,
    Operation.SECRETS: 5,
    Operation.CPUID: 6,
}
"""PAGE_INFO.PAGE_TYPE of each operation; the others do not reach the firmware as an update."""

_LENGTH = 0x70
_DIGEST = 48
# Where a PAGE_INFO's contents field comes from: they do not count, a page of zeroes, a page.
_NOTHING, _ZEROES, _DATA = 0, 1, 2


def digest(
    plan: LaunchPlan, _realm: RealmParameters | None = None, cache: ContentCache | None = None
) -> bytes:
    """The launch digest, 48 bytes."""
    before = plan.start or bytes(_DIGEST)
    if cache is None:
        return _last(plan, before, None)
    body, contexts = parted(plan)
    running = cache.start("snp", body, lambda part: _last(part, before, cache))
    return _last(contexts, running, cache)


def _last(plan: LaunchPlan, running: bytes, cache: ContentCache | None) -> bytes:
    last = deque(chain(plan, running, cache), maxlen=1)
    return last[0] if last else running


def chain(
    plan: LaunchPlan, running: bytes = bytes(_DIGEST), cache: ContentCache | None = None
) -> Iterator[bytes]:
    """The running digest after each page, 48 bytes each, from `running` on."""
    for part in segments(plan):
        for digest_after in _chain_of(part, running, cache):
            running = digest_after
            yield running


def _chain_of(plan: LaunchPlan, running: bytes, cache: ContentCache | None) -> Iterator[bytes]:
    """The running digest after each page of a plan that has not many.

    The firmware hashes a zero contents field, not the hash of a zero page, where the contents are
    not measured (SNP ABI 8.17.2).
    """
    import numpy as np

    types = np.zeros(256, np.uint8)
    for operation, page_type in PAGE_TYPE.items():
        types[operation] = page_type
    kinds = types[plan.rows["operation"]]
    contents = PageDigests(plan, page_sources(plan, (kinds == 1) | (kinds == 2)), "sha384", cache)
    hashed = iter(contents)
    fixed = bytes(_DIGEST), contents.zero
    at = 0
    layout = [("length", "<u2"), ("type", "u1"), ("rest", "u1", (5,)), ("gpa", "<u8")]
    sha384 = hashlib.sha384
    for pages in windows(plan, kinds != 0):
        tails = np.zeros(len(pages.gpa), np.dtype(layout))
        page_type = kinds[pages.row]
        tails["length"], tails["type"], tails["gpa"] = _LENGTH, page_type, pages.gpa
        counted = (page_type == 1) | (page_type == 2)
        kept = np.where(pages.source == NO_SOURCE, _ZEROES, _DATA) * counted
        data = kept == _DATA
        kept[data] -= contents.is_zero[at : at + int(data.sum())]
        at += int(data.sum())
        for (tail,), content in zip(
            struct.iter_unpack("16s", tails.tobytes()), kept.tolist(), strict=True
        ):
            known = next(hashed) if content == _DATA else fixed[content]
            running = sha384(running + known + tail).digest()
            yield running
    deque(hashed, maxlen=0)  # to its end, where the cache learns


def _chain(plan: LaunchPlan, _realm: RealmParameters | None) -> Iterator[bytes]:
    return chain(plan, plan.start or bytes(_DIGEST))


def _start(plan: LaunchPlan, cache: ContentCache | None) -> bytes:
    require_bounded(plan, TECHNOLOGY)
    return digest(plan, None, cache)


@functools.lru_cache(maxsize=4)  # most pages of a family are the same one
def _entry(page: bytes, gpa: int) -> bytes:
    tail = struct.pack("<HBBIQ", _LENGTH, PAGE_TYPE[Operation.VP_CONTEXT], 0, 0, gpa)
    return hashlib.sha384(page).digest() + tail


def _after(running: bytes, entries: Iterable[bytes]) -> Iterator[bytes]:
    sha384 = hashlib.sha384
    yield running
    for entry in entries:
        running = sha384(running + entry).digest()
        yield running


TECHNOLOGY = Technology(
    platforms=(PlatformType.SEV_SNP,),
    measurement="launch digest",
    algorithms=("sha384",),
    digest=digest,
    chain=_chain,
    continuation=Continuation(_start, _entry, _after),
    cost=1.3,
    hashed=dict.fromkeys(PAGE_TYPE, 2 << 10),
    shares_digests=True,
    leaves_page_digests=True,
    axes=(AREA_PAGES, ZERO_PAGES, SHARED_PAGES, CPUID_ORDER, CONTEXT_ORDER),
)
