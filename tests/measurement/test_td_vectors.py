"""MRTDs and hashes of TDINFO that td-shim gave (tests/vectors/td-shim.json)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE
from tests.small_files.guests import TDX, file_for

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "td-shim.json").read_text())
ZERO = bytes(48)
DATA = {
    "up": PAGE,
    "down": OTHER_PAGE,
    "half": bytes([0x42]) * 0x800 + bytes(0x800),
    "zero": bytes(4096),
    "numbered": b"".join(number.to_bytes(2, "little") * 2048 for number in range(512)),
}


def file_of(directives: list[dict[str, Any]]) -> igvm.IgvmFile:
    """A file of pages and parameter areas, in their order."""
    names = sorted({directive["data"] for directive in directives if "data" in directive})
    headers: list[bytes] = []
    for directive in directives:
        if "area" in directive:
            size, gpa = int(directive["area"], 16), int(directive["insert"], 16)
            headers += [raw.area(1, size), raw.insert(1, gpa)]
        else:
            place = raw.at(names.index(directive["data"])) if "data" in directive else 0
            flags, kind = directive.get("flags", 0), directive.get("type", 0)
            headers.append(raw.page(int(directive["page"], 16), place, flags=flags, kind=kind))
    return file_for(TDX, *headers, data=[DATA[name] for name in names])


def td(
    manifest: str, mrtd: bytes, rtmr: tuple[bytes, bytes, bytes, bytes] = (ZERO, ZERO, ZERO, ZERO)
) -> igvm.TDInfo:
    """The TD of a manifest, whose numbers are bytes in the order of memory."""
    fields = {name: bytes.fromhex(text) for name, text in VECTORS["manifests"][manifest].items()}
    return igvm.TDInfo(
        mrtd=mrtd,
        attributes=int.from_bytes(fields["attributes"], "little"),
        xfam=int.from_bytes(fields["xfam"], "little"),
        mrconfigid=fields["mrconfigid"],
        mrowner=fields["mrowner"],
        mrownerconfig=fields["mrownerconfig"],
        rtmr=rtmr,
    )


def separated(separator: int | None) -> tuple[bytes, bytes, bytes, bytes]:
    """The RTMRs after td-shim extended the first two with a separator."""
    if separator is None:
        return ZERO, ZERO, ZERO, ZERO
    number = hashlib.sha384(separator.to_bytes(4, "little")).digest()
    register = igvm.rtmr_extend(ZERO, number)
    return register, register, ZERO, ZERO


@pytest.mark.parametrize("vector", VECTORS["mrtd"], ids=lambda vector: vector["name"])
def test_mrtd(vector: dict[str, Any]) -> None:
    """A file has the MRTD that td-shim's library computes, and so its TD the hash."""
    mrtd = igvm.measure(file_of(vector["directives"]), TDX, loader="td-shim").digest
    assert (vector["mrtd"], vector["tdinfo_hash"]) == (mrtd.hex(), td("plain", mrtd).digest().hex())


@pytest.mark.parametrize("vector", VECTORS["tdvf"]["tdinfo"], ids=lambda vector: vector["manifest"])
def test_the_command_over_a_firmware_image(vector: dict[str, Any]) -> None:
    """The pages of a TDVF image have the MRTD and the hash that td-shim-tee-info-hash wrote."""
    tdvf = VECTORS["tdvf"]
    mrtd = igvm.measure(file_of(tdvf["directives"]), TDX).digest
    info = td(vector["manifest"], mrtd, separated(vector["separator"]))
    assert (tdvf["mrtd"], vector["hash"]) == (mrtd.hex(), info.digest().hex())


@pytest.mark.parametrize(
    "vector",
    VECTORS["tdinfo"],
    ids=lambda vector: f"{vector['manifest']}-{vector.get('separator', 'four RTMRs')}",
)
def test_tdinfo(vector: dict[str, Any]) -> None:
    """A TD has the hash that td-shim's library computes, whatever its registers hold."""
    if "rtmr" in vector:
        first, second, third, fourth = (bytes.fromhex(byte) * 48 for byte in vector["rtmr"])
        info = td(vector["manifest"], bytes(range(48)), (first, second, third, fourth))
    else:
        info = td(vector["manifest"], bytes(range(48)), separated(vector["separator"]))
    assert vector["hash"] == info.digest().hex()


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS["tdinfo"] if "packed" in vector],
    ids=lambda vector: vector["manifest"],
)
def test_tdinfo_bytes(vector: dict[str, Any]) -> None:
    """The structure has the bytes that td-shim's library hashes, and zeroes after them."""
    first, second, third, fourth = (bytes.fromhex(byte) * 48 for byte in vector["rtmr"])
    info = td(vector["manifest"], bytes(range(48)), (first, second, third, fourth))
    assert bytes.fromhex(vector["packed"]).ljust(512, b"\0") == info.pack()


@pytest.mark.parametrize(
    "vector",
    [
        vector
        for vector in VECTORS["tdinfo"]
        if "rtmr0_and_1" in vector and vector["manifest"] == "plain"
    ],
    ids=lambda vector: f"separator {vector['separator']}",
)
def test_rtmr(vector: dict[str, Any]) -> None:
    """A register that a separator was extended into holds what td-shim's library says."""
    number = hashlib.sha384(vector["separator"].to_bytes(4, "little")).digest()
    assert vector["rtmr0_and_1"] == igvm.rtmr_extend(ZERO, number).hex()
