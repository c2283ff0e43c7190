"""RIMs that Arm's RMM and another tool gave (tests/vectors/cca.json)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import igvm
from igvm.measurement.technologies.cca import realm_parameters
from tests.small_files import raw
from tests.small_files.contents import padded
from tests.small_files.guests import CCA, file_for

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
    pytest.param(ram, algorithm, rim, id=f"{'-'.join(ram['range'])}-s2sz{ram['s2sz']}-{algorithm}")
    for ram in VECTORS["ripas_ranges"]
    for algorithm, rim in ram["rims"].items()
]


def content(name: str) -> bytes:
    """A page by its name: a byte that is repeated, zero, or a counter."""
    if name == "counter":
        return bytes(number % 251 for number in range(4096))
    return bytes([0 if name == "zero" else int(name, 16)]) * 4096


def file_of(operations: list[dict[str, Any]], algorithm: str) -> igvm.IgvmFile:
    """A file whose hash is `algorithm`, and that leads to `operations`."""
    pages: list[bytes] = []
    headers = [raw.cca_policy(algorithm=HASHES[algorithm])]
    for number, operation in enumerate(operations):
        if "rec" in operation:
            registers = {f"x{index}": int(text, 16) for index, text in enumerate(operation["gprs"])}
            context = igvm.CCAContext(
                **registers, pc=int(operation["rec"], 16), flags=operation["flags"]
            )
            pages.append(padded(context.pack()))
            headers.append(raw.context(raw.at(number), index=number))
            continue
        pages.append(content(operation.get("content", "0x55")))
        if "data" in operation:
            # A page of zeroes may be said in two ways; here without data.
            place = 0 if operation["content"] == "zero" else raw.at(number)
            headers.append(raw.page(int(operation["data"], 16), place))
        elif "unmeasured" in operation:
            headers.append(raw.page(int(operation["unmeasured"], 16), raw.at(number), flags=2))
    return file_for(CCA, *headers, data=pages)


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
    ripas = tuple(
        range_of(operation["ripas"]) for operation in shape["operations"] if "ripas" in operation
    )
    file = file_of(shape["operations"], algorithm)
    measured = igvm.measure(file, CCA, realm=parameters_of(shape["realm"], rmm, ripas))
    assert (rim, algorithm) == (measured.digest.hex(), measured.algorithm)


@pytest.mark.parametrize(("ram", "algorithm", "rim"), RANGES)
def test_a_range_of_ram(ram: dict[str, Any], algorithm: str, rim: str) -> None:
    """A range is the entries that RMM 1.0 converted when the tables were made as KVM makes them."""
    realm = {"s2sz": ram["s2sz"], "num_bps": 1, "num_wps": 1}
    parameters = parameters_of(realm, "1.0", (range_of(ram["range"]),))
    assert rim == igvm.measure(file_of([], algorithm), CCA, realm=parameters).digest.hex()
