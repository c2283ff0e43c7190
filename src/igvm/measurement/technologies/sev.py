"""SEV and SEV-ES launch digest: SHA-256 over all that is launched (SEV API 6.2, 6.3)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.measurement.hashing_limit import require_bounded
from igvm.measurement.host_axes import CONTEXT_ORDER, EMPTY_PAYLOAD
from igvm.measurement.page_cache import parted
from igvm.measurement.technology import Continuation, Technology
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.page_cache import ContentCache
    from igvm.measurement.realm import RealmParameters

# Bytes hashed at once of a run of zeroes.
_WINDOW = 1 << 20


def digest(
    plan: LaunchPlan, _realm: RealmParameters | None = None, cache: ContentCache | None = None
) -> bytes:
    """SHA-256 over the payload of every LAUNCH_UPDATE in order, 32 bytes (SEV API 6.2, 6.3)."""
    if cache is None:
        return _hashed(plan).digest()
    body, contexts = parted(plan)
    return _hashed(contexts, cache.start("sev", body, _hashed)).digest()


def _hashed(plan: LaunchPlan, start: hashlib._Hash | None = None) -> hashlib._Hash:
    """The hash over `start` and the payload of `plan`."""
    hasher = hashlib.sha256() if start is None else start.copy()
    for part in payload(plan):
        hasher.update(part)
    return hasher


def payload(plan: LaunchPlan) -> Iterator[bytes | memoryview]:
    """The bytes of every LAUNCH_UPDATE, those that follow each other in the file joined."""
    import numpy as np

    rows = plan.rows
    if not len(rows):
        return
    sizes = rows["loaded"].astype(np.int64) * PAGE
    sources = rows["source"]
    goes_on = (sources[:-1] >= 0) & (sources[1:] == sources[:-1] + sizes[:-1])
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    lengths = np.add.reduceat(sizes, starts).tolist()
    zeroes = bytes(_WINDOW)
    is_page = (rows["operation"][starts] != Operation.KERNEL_HASHES).tolist()
    for source, size, pages in zip(sources[starts].tolist(), lengths, is_page, strict=True):
        if not pages:
            yield plan.blobs[NO_SOURCE - 1 - source]
        elif source == NO_SOURCE:
            for start in range(0, size, _WINDOW):
                yield zeroes[: min(_WINDOW, size - start)]
        else:
            yield plan.content(source, size)


def _start(plan: LaunchPlan, _cache: ContentCache | None) -> hashlib._Hash:
    require_bounded(plan, TECHNOLOGY)
    return _hashed(plan)


def _entry(page: bytes, _gpa: int) -> bytes:
    return page


def _after(state: hashlib._Hash, entries: Iterable[bytes]) -> Iterator[bytes]:
    hasher = state.copy()
    yield hasher.digest()
    for entry in entries:
        hasher.update(entry)
        yield hasher.digest()


TECHNOLOGY = Technology(
    platforms=(PlatformType.SEV, PlatformType.SEV_ES),
    measurement="launch digest",
    algorithms=("sha256",),
    digest=digest,
    stream=payload,
    continuation=Continuation(_start, _entry, _after),
    cost=0.5,
    hashed=dict.fromkeys((Operation.NORMAL, Operation.VP_CONTEXT), PAGE),
    axes=(EMPTY_PAYLOAD, CONTEXT_ORDER),
)
