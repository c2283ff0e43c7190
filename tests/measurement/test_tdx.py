"""MRTDs computed by hand: the records of TDH.MEM.PAGE.ADD and TDH.MR.EXTEND, one after another."""

from __future__ import annotations

import hashlib

import igvm
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE
from tests.small_files.guests import TDX, file_for


def add(gpa: int) -> bytes:
    """The record of TDH.MEM.PAGE.ADD, 128 bytes."""
    return b"MEM.PAGE.ADD\0\0\0\0" + gpa.to_bytes(8, "little") + bytes(104)


def extend(gpa: int, page: bytes) -> bytes:
    """The records of sixteen TDH.MR.EXTEND, each of 128 bytes and a chunk of 256."""
    return b"".join(
        b"MR.EXTEND\0\0\0\0\0\0\0"
        + (gpa + start).to_bytes(8, "little")
        + bytes(104)
        + page[start : start + 256]
        for start in range(0, 4096, 256)
    )


def mrtd_of(file: igvm.IgvmFile, loader: str = "reference") -> str:
    """The MRTD that we compute."""
    return igvm.measure(file, TDX, loader=loader).digest.hex()


def sha384(*records: bytes) -> str:
    """MRTD of records."""
    return hashlib.sha384(b"".join(records)).hexdigest()


def test_nothing() -> None:
    """Without a page it is the hash of nothing."""
    assert sha384() == mrtd_of(file_for(TDX))


def test_pages_with_data() -> None:
    """A page is added and extended before the next; its data type does not matter."""
    file = file_for(
        TDX,
        raw.page(0x5000, raw.at(1), kind=1),
        raw.page(0x1000, raw.at(0)),
        data=[PAGE, OTHER_PAGE],
    )
    assert sha384(
        add(0x5000), extend(0x5000, OTHER_PAGE), add(0x1000), extend(0x1000, PAGE)
    ) == mrtd_of(file)


def test_an_empty_page() -> None:
    """An empty page is extended with zeroes; td-shim's tool only adds it."""
    file = file_for(TDX, raw.page(0x1000))
    assert sha384(add(0x1000), extend(0x1000, bytes(4096))) == mrtd_of(file)
    assert sha384(add(0x1000)) == mrtd_of(file, "td-shim")


def test_unmeasured_and_shared_pages() -> None:
    """An unmeasured page is added only, a shared one is not there."""
    heads = [raw.page(0x1000, flags=2), raw.page(0x2000, flags=4), raw.page(0x3000, flags=6)]
    assert sha384(add(0x1000)) == mrtd_of(file_for(TDX, *heads))


def test_a_parameter_area_of_three_pages() -> None:
    """Every page of an area is added and not extended; td-shim's tool leaves it out."""
    file = file_for(TDX, raw.area(1, 0x3000), raw.insert(1, 0x8000))
    assert sha384(add(0x8000), add(0x9000), add(0xA000)) == mrtd_of(file)
    assert sha384() == mrtd_of(file, "td-shim")


def test_many_pages_of_every_kind() -> None:
    """Runs longer than a batch, broken by other kinds, by zeroes and by data out of order."""
    blobs = [bytes([number]) * 4096 for number in range(1, 200)]
    records: list[bytes] = []
    kinds: list[tuple[int, int | None, int]] = []
    for number in range(400):
        flags = 2 if number % 97 > 90 else 0
        blob = None if number % 53 > 40 else number * 7 % 199 if number % 5 == 0 else number % 199
        kinds.append((number * 4096, blob, flags))
        records.append(add(number * 4096))
        if not flags:
            records.append(extend(number * 4096, bytes(4096) if blob is None else blobs[blob]))
    file = file_for(
        TDX,
        *[
            raw.page(gpa, 0 if blob is None else raw.at(blob), flags=flags)
            for gpa, blob, flags in kinds
        ],
        data=blobs,
    )
    assert sha384(*records) == mrtd_of(file)
