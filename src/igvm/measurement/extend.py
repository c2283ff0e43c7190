"""How a measurement goes on after the pages: many sequences of VMSAs from one state."""

from __future__ import annotations

import functools
import hashlib
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.launch.plan import Operation
from igvm.measurement import sev, snp
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.cache import ContentCache


class Engine(NamedTuple):
    """How a measurement goes on after the pages."""

    start: Callable[[LaunchPlan], Any]
    """From pages to a state."""
    entry: Callable[[bytes, int], bytes]
    """What of a VMSA goes into the measurement, prepared once."""
    after: Callable[[Any, list[bytes]], Iterator[bytes]]
    """The digests after no, one, two, ... entries."""


def engine_for(platform: PlatformType, cache: ContentCache) -> Engine:
    """The engine of SEV-SNP or SEV-ES; page digests go to `cache`."""
    if platform == PlatformType.SEV_SNP:
        return Engine(functools.partial(snp.digest, cache=cache), _snp_entry, _snp_after)
    return Engine(_sev_start, lambda page, _: page, _sev_after)


@functools.lru_cache(maxsize=4)  # most pages of a family are the same one
def _snp_entry(page: bytes, gpa: int) -> bytes:
    tail = struct.pack("<HBBIQ", 0x70, snp.PAGE_TYPE[Operation.VP_CONTEXT], 0, 0, gpa)
    return hashlib.sha384(page).digest() + tail


def _snp_after(running: bytes, entries: list[bytes]) -> Iterator[bytes]:
    sha384 = hashlib.sha384
    yield running
    for entry in entries:
        running = sha384(running + entry).digest()
        yield running


def _sev_start(plan: LaunchPlan) -> hashlib._Hash:
    hasher = hashlib.sha256()
    for part in sev.payload(plan):
        hasher.update(part)
    return hasher


def _sev_after(state: hashlib._Hash, entries: list[bytes]) -> Iterator[bytes]:
    hasher = state.copy()
    yield hasher.digest()
    for entry in entries:
        hasher.update(entry)
        yield hasher.digest()
