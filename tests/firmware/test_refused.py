"""Firmware that QEMU would end at, and damaged firmware: a sentence, and nothing else."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import igvm
from igvm import FormatError, IgvmError, KernelHashes, LoadError
from igvm.recipes.bare_firmware import parse_firmware
from igvm.sources.ovmf import FOOTER, guid_table, sev_sections
from igvm.sources.tdvf import tdvf_sections
from tests.firmware.images import TDSection, firmware, real_firmware, td_sections

if TYPE_CHECKING:
    from pathlib import Path

    from igvm import IgvmFile

HASHES = KernelHashes.of(b"kernel")
BFV, CFV, TEMP, HOB = td_sections(0x3000)[:4]


def measured(file: IgvmFile, platform: str, hashes: KernelHashes | None = None) -> igvm.Measurement:
    """The measurement of two vCPUs, where there are any."""
    return igvm.measure(file, platform, loader="qemu-bios", vcpus=2, cpu="EPYC-v4", hashes=hashes)


@pytest.mark.parametrize("size", [0, 1, 4, 4095, 4097, (32 << 20) + 4096])
def test_sizes(size: int) -> None:
    """Firmware has whole pages, and not more than any firmware has."""
    with pytest.raises(FormatError, match=r"x\.fd\+0x[0-9a-f]+: firmware has"):
        parse_firmware(bytes(size), path="x.fd")


def test_no_file(tmp_path: Path) -> None:
    """A folder or a file that is not there is the system's error."""
    for path in (tmp_path, tmp_path / "none.fd"):
        with pytest.raises(OSError, match=r"none|directory"):
            igvm.open_firmware(path)


@pytest.mark.parametrize(
    ("platform", "image", "words"),
    [
        ("snp", bytes(4096), r"firmware\+0xfce: this is no OVMF"),
        ("sev-es", bytes(4096), r"firmware\+0xfce: this is no OVMF"),
        ("tdx", bytes(4096), r"firmware\+0xfce: this is no OVMF"),
        ("snp", firmware(sections=None), "not built for SEV_SNP: it has no SEV metadata"),
        ("snp", firmware(ap_start=None), "not built for SEV_SNP: it has no SEV-ES reset block"),
        ("sev-es", firmware(ap_start=None), "not built for SEV_ES: it has no SEV-ES reset"),
        ("sev-es", firmware(ap_start=0), "it has no SEV-ES reset block"),
        ("tdx", firmware(), "not built for TDX: it has no TDX metadata"),
        ("snp", firmware(sections=[(0x800001, 0x1000, 1)]), "SNP_SEC_MEM is not of whole pages"),
        ("snp", firmware(sections=[(0x800000, 0x10, 1)]), "SNP_SEC_MEM is not of whole pages"),
        ("snp", firmware(sections=[(0, 0xFFFFF000, 1)]), "0xfffff000 bytes, more than 64 MiB"),
        ("snp", firmware(sections=[(0, 0x3000000, 1)] * 2), "0x6000000 bytes, more than 64 MiB"),
    ],
)
def test_not_built_for_it(platform: str, image: bytes, words: str) -> None:
    """Why the firmware is not for a platform."""
    with pytest.raises(LoadError, match=words):
        measured(parse_firmware(image), platform)


@pytest.mark.parametrize(
    ("td", "words"),
    [
        ([BFV, CFV], "it has no TD_HOB section"),
        ([HOB], "it has 1 sections, and needs 2"),
        ([BFV, HOB._replace(attributes=1)], "TD_HOB section is measured"),
        ([BFV, HOB, BFV._replace(type=4)], r"TDVF section 2 \(PERM_MEM\) is of a type"),
        ([BFV, HOB, BFV._replace(type=77)], r"\(UNKNOWN_0x4d\) is of a type"),
        ([BFV._replace(gpa=0x1001), HOB], "not of whole pages: 0x1001"),
        ([BFV._replace(size=0x1001), HOB], "not of whole pages"),
        ([BFV._replace(size=0), HOB], "has no bytes in memory"),
        ([BFV._replace(size=1 << 63, gpa=1 << 63), HOB], "ends at 0x8000000000001000"),
        ([TEMP._replace(gpa=(1 << 64) - 4096), HOB], "runs past the end of the address space"),
        ([BFV._replace(data_size=0x4000), HOB], "has 0x4000 bytes for 0x2000 in memory"),
        ([BFV._replace(data_size=0), HOB], "has no bytes in the firmware"),
        ([TEMP._replace(data_size=1), HOB], "has bytes in the firmware"),
        ([BFV._replace(data_offset=0x2000), HOB], "which a file with the code alone does not"),
        ([TEMP._replace(size=1 << 40), HOB], "0x10000002000 bytes, more than 64 MiB"),
        ([BFV] * 9000 + [HOB], "does not fit"),
    ],
)
def test_tdvf_sections(td: list[TDSection], words: str) -> None:
    """A section that QEMU refuses, by its number and what is wrong with it."""
    if len(td) > 100:  # a table that is longer than the firmware
        image = bytearray(firmware(td=[BFV, HOB]))
        struct.pack_into("<I", image, image.index(b"TDVF") + 12, len(td))
        words = f"{len(td)} sections do not fit"
    else:
        image = bytearray(firmware(td=td))
    with pytest.raises(LoadError, match=words):
        igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")


def test_code_without_variables(corpus: Path) -> None:
    """The code alone has a TDVF table whose offsets count from the variables, and is refused."""
    image = real_firmware(corpus, "OVMF_CODE_4M_native_c1")
    with pytest.raises(LoadError, match="offsets count from the start of the variables"):
        igvm.measure(parse_firmware(image), "tdx", loader="qemu-bios")


@pytest.mark.parametrize(
    ("platform", "image", "words"),
    [
        ("sev", firmware(hash_area=None), "no place for the hashes"),
        ("sev", firmware(hash_area=(0, 0)), "no place for the hashes"),
        ("sev-es", firmware(hash_area=(0x810C00, 175)), "has 175 bytes for the hashes"),
        ("snp", firmware(sections=[(0x800000, 0x1000, 1)]), "no SNP_KERNEL_HASHES section"),
        ("snp", firmware(hash_area=None), "no place for the hashes"),
        ("snp", firmware(hash_area=(0x810F80, 0x400)), "do not fit into their section"),
        ("tdx", firmware(td=[BFV, HOB]), "no hashes of a kernel on TDX"),
    ],
)
def test_no_place_for_a_kernel(platform: str, image: bytes, words: str) -> None:
    """A kernel that is given is in the digest, or refused."""
    with pytest.raises(LoadError, match=words):
        measured(parse_firmware(image), platform, HASHES)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"\xff\xff", "says that it has 65535 bytes"),
        (b"\x00\x00", "says that it has 0 bytes"),
        (b"\x11\x00", "says that it has 17 bytes"),
    ],
)
def test_size_of_the_table(table: bytes, words: str) -> None:
    """The table of GUIDs fits the firmware, and has room for its own end."""
    image = bytearray(firmware())
    at = image.rindex(FOOTER.bytes_le) - 2
    image[at : at + 2] = table
    with pytest.raises(FormatError, match=words) as caught:
        guid_table(bytes(image))
    assert at == caught.value.offset


@pytest.mark.parametrize("size", [0, 1, 17, 0xFFFF])
def test_size_of_an_entry(size: int) -> None:
    """An entry is as long as its own head at least, so that the walk comes to an end."""
    image = bytearray(firmware())
    at = image.rindex(FOOTER.bytes_le) - 2 - 18
    struct.pack_into("<H", image, at, size)
    with pytest.raises(FormatError, match=f"an entry of {size} bytes") as caught:
        guid_table(bytes(image))
    assert at == caught.value.offset


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 0x3FF), st.integers(0, 255)), min_size=1, max_size=8)
)
def test_bent_bytes(changes: list[tuple[int, int]]) -> None:
    """Whatever the tables say, there is a result or a sentence, from readers and loader alike."""
    image = bytearray(firmware(size=0x2000, td=td_sections(0x2000)))
    for back, value in changes:
        # Where the tables are: at the start of the last page and at its end.
        at = 0x1000 + back if back < 0x200 else 0x2000 - 32 - (back - 0x200)
        image[at] = value
    for reader in (guid_table, sev_sections, tdvf_sections):
        with contextlib.suppress(FormatError):
            reader(bytes(image))
    file = parse_firmware(image)
    for platform in ("snp", "sev-es", "sev", "tdx"):
        with contextlib.suppress(IgvmError):
            pages = measured(file, platform).pages
            assert sum(pages.values()) <= (64 << 20) // 4096 + 5


@settings(max_examples=100, deadline=None)
@given(tail=st.binary(min_size=0, max_size=200))
def test_any_tail(tail: bytes) -> None:
    """Bytes of any kind before the reset vector are tables, or refused."""
    image = (bytes(4096 - 32 - len(tail)) + tail).ljust(4096, b"\xf4")
    for reader in (guid_table, sev_sections, tdvf_sections):
        with contextlib.suppress(FormatError):
            reader(image)
