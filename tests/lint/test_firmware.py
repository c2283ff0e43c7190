"""Pages of OVMF's SEV metadata that no header loads, and what shares the area of a memory map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.launch.lint import lint
from tests.small_files.contents import KVM_VMSA, padded
from tests.small_files.guests import NATIVE, RESET_PAGE, SNP, VMSA_GPA, bytes_for
from tests.small_files.ovmf_pages import CPUID, KERNEL_HASHES, SEC_MEM, ovmf_page
from tests.small_files.raw import area, at, context, insert, page, parameter, policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTIONS = ((0x800000, 0x3000, SEC_MEM), (0x80E000, 0x1000, CPUID), (0, 0, SEC_MEM))
COVERED = [page(0x800000), page(0x801000), page(0x802000), page(0x80E000, kind=2)]
RESET_VMSA = KVM_VMSA.replace(rip=0xFFF0, cs=igvm.SEVSelector(selector=0xF000, base=0xFFFF0000))
MEMORY_MAP, VP_COUNT, MADT = 0x30C, 0x307, 0x309


def found(
    *headers: bytes,
    loader: str = "qemu-kvm",
    rule: str = "firmware-metadata",
    firmware: bytes = ovmf_page(*SECTIONS),
    **more: object,
) -> list[str]:
    """What a rule finds in a file with firmware whose last page is `firmware`."""
    heads = [policy(), page(RESET_PAGE, at(0)), *headers]
    drawn: dict[str, object] = {"platforms": SNP, "data": [firmware]} | more
    data = bytes_for(drawn.pop("platforms"), *heads, **drawn)  # type: ignore[arg-type]
    findings = lint(igvm.parse(data), loader, most=999)
    return [each.found for each in findings if each.rule == f"loader/{loader}/{rule}"]


def missing(start: int, end: int, name: str = "SNP_SEC_MEM") -> str:
    """What is said of pages that no header loads."""
    return f"no header loads [{start:#x}, {end:#x}), which its metadata has as {name}"


@pytest.mark.parametrize("loader", ["qemu-kvm", "cloud-hypervisor-kvm"])
def test_all_pages_are_loaded(loader: str) -> None:
    """Pages of any type do, and a section of no bytes asks for none."""
    assert [] == found(*COVERED, loader=loader)
    assert [missing(0x80E000, 0x80F000, "CPUID")] == found(*COVERED[:3], loader=loader)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(COVERED[1:], [missing(0x800000, 0x801000)], id="the first"),
        pytest.param([COVERED[0], *COVERED[2:]], [missing(0x801000, 0x802000)], id="the middle"),
        pytest.param([*COVERED[:2], COVERED[3]], [missing(0x802000, 0x803000)], id="the last"),
        pytest.param(COVERED[3:], [missing(0x800000, 0x803000)], id="all"),
        pytest.param([area(0, 0x3000), insert(0, 0x800000), COVERED[3]], [], id="a parameter area"),
        pytest.param([page(0x800000, flags=1)], [], id="a page of 2 MiB"),
    ],
)
def test_which_pages(headers: Sequence[bytes], expected: list[str]) -> None:
    """The first gap of a section is named, with what the section is for."""
    assert expected == found(*headers)


def test_hashes_of_a_kernel() -> None:
    """The section of type 0x10 is left out by buildigvm."""
    firmware = ovmf_page(*SECTIONS, (0x810000, 0x1000, KERNEL_HASHES))
    expected = [missing(0x810000, 0x811000, "SNP_KERNEL_HASHES")]
    assert expected == found(*COVERED, firmware=firmware)


def test_metadata_before_the_last_page() -> None:
    """The tables may begin on an earlier page of the firmware."""
    sections = [(0x800000 + 0x1000 * i, 0x1000, SEC_MEM) for i in range(400)]
    firmware = ovmf_page(*sections)
    assert 4096 < len(firmware)
    whole = firmware.rjust(8192, b"\x90")
    pieces = [whole[4096:], whole[:4096]]
    earlier = page(RESET_PAGE - 0x1000, at(1))
    everything = area(0, 400 * 0x1000), insert(0, 0x800000)
    assert [] == found(earlier, *everything, data=pieces)
    assert 400 == len(found(earlier, data=pieces))
    assert [] == found(data=pieces)


@pytest.mark.parametrize(
    ("rip", "expected"),
    [pytest.param(0xFFF0, 1, id="in the firmware"), pytest.param(0x1000, 0, id="in an SVSM")],
)
def test_where_the_guest_starts(rip: int, expected: int) -> None:
    """An SVSM that starts first prepares the pages of the firmware below it."""
    vmsa = RESET_VMSA.replace(rip=rip) if rip == 0xFFF0 else KVM_VMSA
    start = context(at(1), gpa=VMSA_GPA)
    pieces = [ovmf_page(*SECTIONS), vmsa.pack()]
    assert expected == len(found(*COVERED[1:], start, data=pieces))


@pytest.mark.parametrize(
    "firmware",
    [
        pytest.param(padded(b""), id="zeroes"),
        pytest.param(ovmf_page(*SECTIONS, magic=b"TDVF"), id="damaged metadata"),
    ],
)
def test_other_firmware(firmware: bytes) -> None:
    """Nothing is known of what other firmware wants."""
    assert [] == found(firmware=firmware)


def test_other_platforms() -> None:
    """Only SEV-SNP has pages to validate."""
    assert [] == found(platforms=NATIVE)


@pytest.mark.corpus("tools/*OVMF*.igvm")
def test_real_files(corpus_file: Path) -> None:
    """Files of buildigvm lack the page for hashes, whoever merged them; an SVSM's files don't."""
    name = corpus_file.name
    with igvm.open(corpus_file) as file:
        is_snp = igvm.PlatformType.SEV_SNP in file.platform_masks
        rules = [each for each in lint(file, "qemu-kvm") if each.rule.endswith("-metadata")]
    expected = [missing(0x810000, 0x811000, "SNP_KERNEL_HASHES")]
    is_wrapped = is_snp and "svsm" not in name
    assert (expected if is_wrapped else []) == [each.found for each in rules]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param([(MEMORY_MAP, 0)], None, id="a map alone"),
        pytest.param([(MEMORY_MAP, 0), (VP_COUNT, 192)], "8 ranges", id="as edk2 has it"),
        pytest.param([(VP_COUNT, 191), (MEMORY_MAP, 0)], "7 ranges", id="one byte less"),
        pytest.param([(MEMORY_MAP, 0), (VP_COUNT, 0)], None, id="both at the start"),
        pytest.param(
            [(MEMORY_MAP, 0), (MADT, 480), (VP_COUNT, 240)], "10 ranges", id="the first counts"
        ),
    ],
)
def test_room_of_a_map(parameters: list[tuple[int, int]], expected: str | None) -> None:
    """What stands behind a map in its area says how many ranges there is room for."""
    heads = [parameter(kind, 0, offset) for kind, offset in parameters]
    notes = found(area(0), *heads, insert(0, 0x812000), rule="map-room")
    assert (expected is not None) == bool(notes)
    assert expected is None or expected in notes[0]
