"""MRTDs and hashes of TDINFO that td-shim gave (tests/vectors/td-shim.json)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from tests import raw
from tests.measure.files import TDX, A, B, build

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "td-shim.json").read_text())
ZERO = bytes(48)
DATA = {
    "up": A,
    "down": B,
    "half": bytes([0x42]) * 0x800 + bytes(0x800),
    "zero": bytes(4096),
    "numbered": b"".join(number.to_bytes(2, "little") * 2048 for number in range(512)),
}


def file_of(directives: list[dict[str, Any]]) -> igvm.IgvmFile:
    """A file of pages and parameter areas, in their order."""
    names = sorted({one["data"] for one in directives if "data" in one})

    def heads(at: Sequence[int]) -> list[bytes]:
        places = dict(zip(names, at, strict=True))
        made: list[bytes] = []
        for one in directives:
            if "area" in one:
                made += [raw.area(1, int(one["area"], 16)), raw.insert(1, int(one["insert"], 16))]
            else:
                place = places[one["data"]] if "data" in one else 0
                flags, kind = one.get("flags", 0), one.get("type", 0)
                made.append(raw.page(int(one["page"], 16), place, flags=flags, kind=kind))
        return made

    return build(TDX, heads, *(DATA[name] for name in names))


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


@pytest.mark.parametrize("one", VECTORS["mrtd"], ids=lambda one: one["name"])
def test_mrtd(one: dict[str, Any]) -> None:
    """A file has the MRTD that td-shim's library computes, and so its TD the hash."""
    mrtd = igvm.measure(file_of(one["directives"]), TDX, loader="td-shim").digest
    assert (one["mrtd"], one["tdinfo_hash"]) == (mrtd.hex(), td("plain", mrtd).digest().hex())


@pytest.mark.parametrize("one", VECTORS["tdvf"]["tdinfo"], ids=lambda one: one["manifest"])
def test_the_command_over_a_firmware_image(one: dict[str, Any]) -> None:
    """The pages of a TDVF image have the MRTD and the hash that td-shim-tee-info-hash wrote."""
    tdvf = VECTORS["tdvf"]
    mrtd = igvm.measure(file_of(tdvf["directives"]), TDX).digest
    made = td(one["manifest"], mrtd, separated(one["separator"]))
    assert (tdvf["mrtd"], one["hash"]) == (mrtd.hex(), made.digest().hex())


@pytest.mark.parametrize(
    "one",
    VECTORS["tdinfo"],
    ids=lambda one: f"{one['manifest']}-{one.get('separator', 'four RTMRs')}",
)
def test_tdinfo(one: dict[str, Any]) -> None:
    """A TD has the hash that td-shim's library computes, whatever its registers hold."""
    if "rtmr" in one:
        first, second, third, fourth = (bytes.fromhex(byte) * 48 for byte in one["rtmr"])
        made = td(one["manifest"], bytes(range(48)), (first, second, third, fourth))
    else:
        made = td(one["manifest"], bytes(range(48)), separated(one["separator"]))
    assert one["hash"] == made.digest().hex()


@pytest.mark.parametrize(
    "one", [one for one in VECTORS["tdinfo"] if "packed" in one], ids=lambda one: one["manifest"]
)
def test_tdinfo_bytes(one: dict[str, Any]) -> None:
    """The structure has the bytes that td-shim's library hashes, and zeroes after them."""
    first, second, third, fourth = (bytes.fromhex(byte) * 48 for byte in one["rtmr"])
    made = td(one["manifest"], bytes(range(48)), (first, second, third, fourth))
    assert bytes.fromhex(one["packed"]).ljust(512, b"\0") == made.pack()


@pytest.mark.parametrize(
    "one",
    [one for one in VECTORS["tdinfo"] if "rtmr0_and_1" in one and one["manifest"] == "plain"],
    ids=lambda one: f"separator {one['separator']}",
)
def test_rtmr(one: dict[str, Any]) -> None:
    """A register that a separator was extended into holds what td-shim's library says."""
    number = hashlib.sha384(one["separator"].to_bytes(4, "little")).digest()
    assert one["rtmr0_and_1"] == igvm.rtmr_extend(ZERO, number).hex()
