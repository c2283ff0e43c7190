"""Where firmware wants the hashes of a kernel, from the table of GUIDs at its end."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

import igvm
from igvm.launch.kernel_hashes import firmware_area
from tests.small_files import raw
from tests.small_files.guests import RESET_PAGE, SNP, file_for

FOOTER = UUID("96b582de-1fb2-45f7-baea-a366c55a082d").bytes_le
AREA = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454").bytes_le
OTHER = UUID(int=7).bytes_le


def entry(data: bytes, guid: bytes, *, more: int = 0) -> bytes:
    """An entry: its data, its size, which counts itself and the GUID, and the GUID."""
    return data + struct.pack("<H", len(data) + 18 + more & 0xFFFF) + guid


def firmware(*entries: bytes, more: int = 0) -> bytes:
    """The last page of firmware: the table, then 32 bytes up to 4 GiB."""
    body = b"".join(entries)
    table = entry(body, FOOTER, more=more)
    return (table + bytes(32)).rjust(4096, b"\x90")


PLACE = entry(struct.pack("<II", 0x810C00, 0x400), AREA)


def area(page: bytes, *heads: bytes) -> int | None:
    """Where the hashes go with this firmware."""
    file = file_for(SNP, raw.page(RESET_PAGE, raw.at(0)), *heads, data=page)
    plan = igvm.plan(file, SNP, loader="igvmmeasure")
    return firmware_area(plan)


def test_the_place() -> None:
    """It is found among other entries."""
    page = firmware(entry(b"data", OTHER), PLACE, entry(b"", OTHER))
    assert 0x810C00 == area(page, raw.page(0x810000))


@pytest.mark.parametrize(
    "page",
    [
        bytes(4096),
        firmware(),
        firmware(entry(b"data", OTHER)),
        firmware(PLACE, more=5000),
        firmware(PLACE, more=-100),
        firmware(PLACE, entry(b"", OTHER, more=-1)),
        firmware(PLACE, entry(b"", OTHER, more=1000)),
        firmware(entry(b"abc", AREA)),
    ],
    ids=[
        *("no table", "no entries", "others", "too long", "too short"),
        *("an entry without a size", "an entry too long", "no room for an address"),
    ],
)
def test_no_place(page: bytes) -> None:
    """Firmware that does not say it, or says it wrongly, has none."""
    assert area(page, raw.page(0x810000)) is None


@pytest.mark.parametrize(
    "heads",
    [
        [],
        [raw.page(0x810000), raw.page(0x810000)],
        [raw.page(0x810000, kind=2)],
        [raw.area(1, 0x1000), raw.insert(1, 0x810000)],
    ],
    ids=["nothing", "two pages", "a CPUID page", "a parameter area"],
)
def test_no_page_for_it(heads: list[bytes]) -> None:
    """The page must be one that is loaded and measured."""
    assert area(firmware(PLACE), *heads) is None
