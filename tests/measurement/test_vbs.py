"""VBS boot digests computed by hand: chunks of pages, then chunks of registers."""

from __future__ import annotations

import hashlib
import struct

import pytest

import igvm
from igvm.errors import MeasurementError
from igvm.measurement.technologies import vbs
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE
from tests.small_files.guests import VBS, file_for


def page(digest: bytes, gpa: int, data: bytes = bytes(4096), metadata: int = 0) -> bytes:
    """The digest after a page chunk: byte count, type 2, reserved, metadata, page number, data."""
    chunk = struct.pack("<IIQQQ", 0x1020, 2, 0, metadata, gpa // 4096) + data
    return hashlib.sha256(digest + chunk).digest()


def register(digest: bytes, vtl: int, name: int, value: bytes) -> bytes:
    """The digest after a register chunk: byte count, type 0, VTL, name, value among zeroes."""
    chunk = struct.pack("<II8x4xB3x4xI16s", 0x30, 0, vtl, name, value)
    assert len(chunk) == 0x30
    return hashlib.sha256(digest + chunk).digest()


def digest_of(file: igvm.IgvmFile) -> bytes:
    """The boot digest that we compute."""
    return igvm.measure(file, VBS).digest


def test_nothing() -> None:
    """Without anything the digest is 32 zero bytes."""
    assert bytes(32) == digest_of(file_for(VBS))


def test_pages() -> None:
    """Pages with data, without, unmeasured and shared."""
    file = file_for(
        VBS,
        raw.page(0x5000, raw.at(1)),
        raw.page(0x1000, raw.at(0)),
        raw.page(0x2000),
        raw.page(0x3000, raw.at(0), flags=2),
        raw.page(0x4000, raw.at(0), flags=4),
        data=[PAGE, OTHER_PAGE],
    )
    digest = page(bytes(32), 0x5000, OTHER_PAGE)
    digest = page(digest, 0x1000, PAGE)
    digest = page(digest, 0x2000)
    digest = page(digest, 0x3000, metadata=4)  # data_unmeasured
    assert digest == digest_of(file)


def test_many_pages_wherever_they_are() -> None:
    """Pages that follow each other in the file, that do not, and that have no data, for batches."""
    data = [struct.pack("<Q", number + 1) * 512 for number in range(150)]
    forwards = list(range(150))
    order = [*forwards, *reversed(forwards), *[0, None, 7] * 20, *[None] * 300, *forwards]
    file = file_for(
        VBS,
        *[
            raw.page(0x1000 * index, 0 if blob is None else raw.at(blob))
            for index, blob in enumerate(order)
        ],
        data=data,
    )
    digest = bytes(32)
    for index, blob in enumerate(order):
        digest = page(digest, 0x1000 * index, bytes(4096) if blob is None else data[blob])
    assert digest == digest_of(file)
    assert digest == list(vbs.chain(igvm.plan(file, VBS).measured_part()))[-1]


def test_a_page_that_the_loader_made() -> None:
    """The bytes of a page may come from the plan instead of the file."""
    file = file_for(VBS, raw.page(0x1000, raw.at(0)), raw.page(0x2000), data=PAGE)
    plan = igvm.plan(file, VBS)
    rows = plan.rows.copy()
    rows["source"][1] = -2
    changed = plan.with_rows(rows, blobs=[OTHER_PAGE])
    assert (
        page(page(bytes(32), 0x1000, PAGE), 0x2000, OTHER_PAGE) == igvm.measure_plan(changed).digest
    )


def test_a_parameter_area_of_two_pages() -> None:
    """Every page of an area is one whose data is unmeasured."""
    file = file_for(VBS, raw.area(1, 0x2000), raw.insert(1, 0x8000))
    assert page(page(bytes(32), 0x8000, metadata=4), 0x9000, metadata=4) == digest_of(file)


def test_an_error_range() -> None:
    """Readable and writable, unmeasured, up to the page that the range ends in."""
    head = raw.error_range(0x50000, 0x1001)
    file = file_for(VBS, head)
    assert page(page(bytes(32), 0x50000, metadata=7), 0x51000, metadata=7) == digest_of(file)


def test_registers_come_last() -> None:
    """Contexts are measured after all pages, in file order, whatever comes in between."""
    rip, cs, gdtr = 0x20010, 0x60002, 0x70001
    value = bytes(range(1, 17))
    first = raw.register_list((rip, value), vtl=2)
    second = raw.register_list((cs, value), (gdtr, value), vtl=2)
    file = file_for(
        VBS, raw.context(raw.at(0)), raw.page(0x1000), raw.context(raw.at(1)), data=[first, second]
    )
    digest = page(bytes(32), 0x1000)
    digest = register(digest, 2, rip, value[:8] + bytes(8))  # 64 bits count
    digest = register(digest, 2, cs, value)
    digest = register(digest, 2, gdtr, bytes(6) + value[6:])  # the padding does not
    assert digest == digest_of(file)


def test_a_long_list_of_registers() -> None:
    """A list has as many registers as it says, were they more than 16 bits count."""
    count = (1 << 16) + 1
    file = file_for(VBS, raw.context(raw.at(0)), data=raw.register_list(*[0x20010] * count))
    digest = bytes(32)
    for _ in range(count):
        digest = register(digest, 0, 0x20010, bytes(16))
    assert digest == digest_of(file)


def test_more_registers_than_the_file_is_worth() -> None:
    """A long list that many contexts share would be hashed again and again."""
    registers = raw.register_list(*[0x20010] * 1000)
    file = file_for(VBS, *[raw.context(raw.at(0))] * 2000, data=registers)
    with pytest.raises(MeasurementError, match=r"more than \d{3},\d{3} registers, the limit for a"):
        digest_of(file)


def test_registers_that_run_out_of_the_file() -> None:
    """A count that the file cannot hold is an error at the header that refers to it."""
    file = file_for(VBS, raw.context(raw.at(0)), data=struct.pack("<I", 0xFFFFFFFF) + bytes(40))
    with pytest.raises(MeasurementError, match=r"VP_CONTEXT\.file_offset: its registers"):
        digest_of(file)
