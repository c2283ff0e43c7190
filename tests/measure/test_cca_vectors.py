"""RIMs that Arm's RMM and another tool gave (tests/vectors/cca.json)."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm.measurement.technologies.cca import realm_parameters
from tests import raw
from tests.measure.files import CCA, build

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "cca.json").read_text())
HASHES = {"sha256": 0, "sha512": 1, "sha384": 2}
RESERVED = ("params-zero-bps", "2.0")
"""What RMM 2.0 refuses, and its functions measure all the same."""
REALMS = [
    pytest.param(shape, rmm, algorithm, rim, id=f"{shape['name']}-{algorithm}-rmm{rmm}")
    for shape in VECTORS["realms"]
    for rmm, rims in shape["rims"].items()
    for algorithm, rim in rims.items()
]
RANGES = [
    pytest.param(one, algorithm, rim, id=f"{'-'.join(one['range'])}-s2sz{one['s2sz']}-{algorithm}")
    for one in VECTORS["ripas_ranges"]
    for algorithm, rim in one["rims"].items()
]


def content(name: str) -> bytes:
    """A page by its name: a byte that is repeated, zero, or a counter."""
    if name == "counter":
        return bytes(number % 251 for number in range(4096))
    return bytes([0 if name == "zero" else int(name, 16)]) * 4096


def file_of(operations: list[dict[str, Any]], algorithm: str) -> igvm.IgvmFile:
    """A file whose hash is `algorithm`, and that leads to `operations`."""
    blobs: list[bytes] = []
    for one in operations:
        if "rec" in one:
            registers = {f"x{number}": int(text, 16) for number, text in enumerate(one["gprs"])}
            made = igvm.CCAContext(**registers, pc=int(one["rec"], 16), flags=one["flags"])
            blobs.append(made.pack().ljust(4096, b"\0"))
        else:
            blobs.append(content(one.get("content", "0x55")))

    def heads(at: Sequence[int]) -> list[bytes]:
        body = struct.pack("<IIQQBB6x", 1, 0, 0, 0, HASHES[algorithm], 0)
        made = [raw.header(0x106, body)]
        for number, (one, place) in enumerate(zip(operations, at, strict=True)):
            if "data" in one:
                # A page of zeroes may be said in two ways; here without data.
                made.append(raw.page(int(one["data"], 16), place * (one["content"] != "zero")))
            elif "unmeasured" in one:
                made.append(raw.page(int(one["unmeasured"], 16), place, flags=2))
            elif "rec" in one:
                made.append(raw.context(place, index=number))
        return made

    return build(CCA, heads, *blobs, version=2, architecture=1)


def parameters_of(
    realm: dict[str, int], rmm: str, ripas: tuple[tuple[int, int], ...] = ()
) -> igvm.RealmParameters:
    """What the VMM chose, for version `rmm` of the RMM."""
    major, minor = map(int, rmm.split("."))
    fields: dict[str, Any] = dict(realm)
    return igvm.RealmParameters(**fields, ripas=ripas, rmm=(major, minor))


def range_of(texts: list[str]) -> tuple[int, int]:
    """A range of addresses from hexadecimal text."""
    base, top = (int(text, 16) for text in texts)
    return base, top


def test_the_vectors_are_there() -> None:
    """They are as many as were recorded."""
    assert (90, 32) == (len(REALMS), len(RANGES))


@pytest.mark.parametrize(("shape", "rmm", "algorithm", "rim"), REALMS)
def test_realm(shape: dict[str, Any], rmm: str, algorithm: str, rim: str) -> None:
    """A Realm has the RIM that the RMM gave it."""
    if (shape["name"], rmm) == RESERVED:
        page = realm_parameters(parameters_of(shape["realm"], rmm), algorithm)
        assert rim == hashlib.new(algorithm, page).hexdigest()
        return
    ripas = tuple(range_of(one["ripas"]) for one in shape["operations"] if "ripas" in one)
    file = file_of(shape["operations"], algorithm)
    measured = igvm.measure(file, CCA, realm=parameters_of(shape["realm"], rmm, ripas))
    assert (rim, algorithm) == (measured.digest.hex(), measured.algorithm)


@pytest.mark.parametrize(("one", "algorithm", "rim"), RANGES)
def test_a_range_of_ram(one: dict[str, Any], algorithm: str, rim: str) -> None:
    """A range is the entries that RMM 1.0 converted when the tables were made as KVM makes them."""
    realm = {"s2sz": one["s2sz"], "num_bps": 1, "num_wps": 1}
    parameters = parameters_of(realm, "1.0", (range_of(one["range"]),))
    assert rim == igvm.measure(file_of([], algorithm), CCA, realm=parameters).digest.hex()
