"""What LAUNCH_MEASURE of SEV and SEV-ES reports of a launch digest."""

from __future__ import annotations

import hmac

from igvm.errors import MeasurementError


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
