"""TDINFO computed by hand: 512 bytes, one field after another, hashed."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

import igvm

MRTD = bytes(range(48))


def test_a_td_with_nothing_but_its_mrtd() -> None:
    """Attributes, XFAM, MRTD, and zeroes."""
    info = igvm.TDInfo(mrtd=MRTD, attributes=0x10000000, xfam=0xE7)
    text = bytes.fromhex("0000001000000000e700000000000000") + MRTD + bytes(448)
    assert 512 == len(text)
    assert (text, hashlib.sha384(text).digest()) == (info.pack(), info.digest())


def test_every_field_has_its_place() -> None:
    """Owner fields, RTMRs and the hash of service TDs follow MRTD in that order."""
    parts = [bytes([number]) * 48 for number in range(1, 10)]
    info = igvm.TDInfo(
        mrtd=parts[0],
        attributes=1,
        xfam=3,
        mrconfigid=parts[1],
        mrowner=parts[2],
        mrownerconfig=parts[3],
        rtmr=(parts[4], parts[5], parts[6], parts[7]),
        servtd_hash=parts[8],
    )
    text = b"\1" + bytes(7) + b"\3" + bytes(7) + b"".join(parts) + bytes(64)
    assert text == info.pack()


def test_extending_an_rtmr() -> None:
    """The new value is the hash of the old one and the digest."""
    separator = hashlib.sha384(bytes(4)).digest()
    once = hashlib.sha384(bytes(48) + separator).digest()
    assert once == igvm.rtmr_extend(bytes(48), separator)
    assert hashlib.sha384(once + MRTD).digest() == igvm.rtmr_extend(once, MRTD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mrtd": bytes(32)}, "TDINFO.mrtd: it has 32 bytes and must have 48"),
        ({"rtmr": (bytes(48),) * 3}, "TDINFO.rtmr: there are 4 RTMRs, not 3"),
        ({"rtmr": (MRTD, MRTD, b"", MRTD)}, "TDINFO.rtmr2: it has 0 bytes"),
        ({"servtd_hash": bytes(49)}, "TDINFO.servtd_hash: it has 49 bytes"),
        ({"xfam": 1 << 64}, "TDINFO.xfam: xfam 0x10000000000000000 does not fit 64 bits"),
        ({"attributes": -1}, "TDINFO.attributes: attributes -0x1 does not fit 64 bits"),
    ],
)
def test_a_field_of_the_wrong_size(change: dict[str, Any], message: str) -> None:
    """What does not fit is refused by name."""
    fields: dict[str, Any] = {"mrtd": MRTD, "attributes": 0, "xfam": 0} | change
    info = igvm.TDInfo(**fields)
    with pytest.raises(igvm.MeasurementError, match=message):
        info.digest()


def test_a_digest_of_the_wrong_size() -> None:
    """An RTMR takes SHA-384 alone."""
    with pytest.raises(igvm.MeasurementError, match=r"RTMR\.digest: it has 32 bytes"):
        igvm.rtmr_extend(bytes(48), bytes(32))
