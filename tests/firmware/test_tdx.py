"""MRTD of firmware that QEMU is given without an IGVM file, by a second and slow implementation."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.recipes.bare_firmware import parse_firmware
from tests.firmware.images import TDSection, firmware, real_firmware, td_sections

if TYPE_CHECKING:
    from pathlib import Path


def slow_mrtd(image: bytes) -> bytes:
    """MRTD by the TDVF table of `image`, record by record.

    The descriptor is looked for by its signature, so that no table of GUIDs is needed; sections
    are added page by page, and measured in pieces of 256 bytes.
    """
    start = image.rindex(b"TDVF", 0, len(image) - 0x40)
    while struct.unpack_from("<I", image, start + 8) != (1,):
        start = image.rindex(b"TDVF", 0, start)
    _, _, _, count = struct.unpack_from("<4sIII", image, start)
    mrtd = hashlib.sha384()
    for index in range(count):
        at = start + 16 + index * 32
        offset, raw, gpa, size, _, attributes = struct.unpack_from("<IIQQII", image, at)
        contents = image[offset : offset + size] if raw else bytes(size)
        for page in range(0, size, 4096):
            add = b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", gpa + page)
            mrtd.update(add.ljust(128, b"\0"))
            for chunk in range(0, 4096, 256) if attributes & 1 else ():
                extend = b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", gpa + page + chunk)
                mrtd.update(extend.ljust(128, b"\0"))
                mrtd.update(contents[page + chunk : page + chunk + 256])
    return mrtd.digest()


@pytest.mark.parametrize(
    "name", ["OVMF_native_c1", "OVMF.amdsev_sev_c1", "OVMF.inteltdx.ms_native_c1"]
)
def test_real_firmware(corpus: Path, name: str) -> None:
    """Debian's 2026.08 build, as its TDVF table says."""
    image = real_firmware(corpus, name)
    measurement = igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")
    assert slow_mrtd(image) == measurement.digest


@pytest.mark.parametrize("size", [0x2000, 0x5000])
def test_every_section(size: int) -> None:
    """Code that is measured, variables and memory that are not, memory that is."""
    image = firmware(size=size, td=td_sections(size))
    measurement = igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")
    assert slow_mrtd(image) == measurement.digest


def test_offset_inside_a_page() -> None:
    """The bytes of a section need not begin with a page of the firmware."""
    sections = [TDSection(0x123, 0x1000, 0x100000, 0x1000, 0, 1), *td_sections(0x3000)]
    image = firmware(size=0x3000, td=sections)
    measurement = igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")
    assert slow_mrtd(image) == measurement.digest


def test_firmware_bytes_after_a_short_section() -> None:
    """QEMU copies as many bytes as a section has in memory, past its own in the firmware."""
    sections = [TDSection(0, 0x10, 0x100000, 0x1000, 0, 1), *td_sections(0x3000)]
    image = firmware(size=0x3000, td=sections)
    measurement = igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")
    assert slow_mrtd(image) == measurement.digest


def test_found(corpus: Path) -> None:
    """A search of firmware finds its MRTD."""
    image = real_firmware(corpus)
    (match,) = igvm.find(parse_firmware(image), slow_mrtd(image), names=["qemu-bios"]).matches
    assert ("TDX", "qemu-bios", ()) == (match.platform.name, match.loader, match.deviations)
