"""SEV and SEV-ES: the launch digest, and the HMAC that the firmware reports of it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, Operation
from igvm.measurement.cache import parted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.cache import ContentCache

# Bytes hashed at once of a run of zeroes.
_WINDOW = 1 << 20


def digest(plan: LaunchPlan, cache: ContentCache | None = None) -> bytes:
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
    rows = rows[np.isin(rows["operation"], (Operation.NORMAL, Operation.VP_CONTEXT))]
    if not len(rows):
        return
    sizes = rows["pages"].astype(np.int64) * PAGE
    sources = rows["source"]
    goes_on = (sources[:-1] >= 0) & (sources[1:] == sources[:-1] + sizes[:-1])
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    lengths = np.add.reduceat(sizes, starts).tolist()
    zeroes = bytes(_WINDOW)
    for source, size in zip(sources[starts].tolist(), lengths, strict=True):
        if source == NO_SOURCE:
            for start in range(0, size, _WINDOW):
                yield zeroes[: min(_WINDOW, size - start)]
        else:
            yield plan.content(source, size)


def launch_measurement(
    digest: bytes,
    *,
    tik: bytes,
    mnonce: bytes,
    policy: int,
    api_major: int,
    api_minor: int,
    build: int,
) -> bytes:
    """The measurement that LAUNCH_MEASURE reports: an HMAC of the launch digest, 32 bytes.

    HMAC-SHA-256 by the TIK of 0x04, API version and build of the firmware, policy, digest and
    nonce (SEV API 6.5.1).

    Args:
        digest: the launch digest, 32 bytes.
        tik: the transport integrity key, 16 bytes.
        mnonce: the nonce of the report, 16 bytes.
        policy: the guest policy, 32 bits.
        api_major: of the firmware, 8 bits; likewise `api_minor` and `build`.
        api_minor: of the firmware.
        build: of the firmware.

    Raises:
        MeasurementError: an argument does not have its size.
    """
    for name, value, size in (("digest", digest, 32), ("tik", tik, 16), ("mnonce", mnonce, 16)):
        if len(value) != size:
            raise MeasurementError(f"{name} has {len(value)} bytes and must have {size}")
    if not 0 <= policy < 1 << 32:
        raise MeasurementError(f"policy {policy:#x} does not fit 32 bits")
    if not all(0 <= part < 256 for part in (api_major, api_minor, build)):
        raise MeasurementError("a part of the firmware's version does not fit 8 bits")
    text = bytes((4, api_major, api_minor, build)) + policy.to_bytes(4, "little") + digest + mnonce
    return hmac.digest(tik, text, "sha256")
