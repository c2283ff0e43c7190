"""What the rules about CPUID pages look at, and what they leave alone."""

from __future__ import annotations

import struct

import pytest

import igvm
from tests.small_files.contents import cpuid_leaves, padded
from tests.small_files.guests import NATIVE, SNP, bytes_for
from tests.small_files.raw import at, page, policy


def found(*pages: bytes, platform: igvm.PlatformType = SNP) -> list[igvm.Finding]:
    """The findings about CPUID pages of a file with these."""
    headers = [page(0x1000 * (i + 1), at(i), kind=2) for i in range(len(pages))]
    data = bytes_for(platform, policy(), *headers, data=pages)
    findings = igvm.check(igvm.parse(data))
    return [finding for finding in findings if finding.rule.startswith("cpuid")]


def rules(*pages: bytes, platform: igvm.PlatformType = SNP) -> list[str]:
    """The rules of these."""
    return [finding.rule for finding in found(*pages, platform=platform)]


@pytest.mark.parametrize(
    ("leaves", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(4, 0), (4, 1)], [], id="another subleaf"),
        pytest.param([(0xD, 0, 1), (0xD, 0, 3)], [], id="another XCR0"),
        pytest.param([(0xD, 0, 1, 0), (0xD, 0, 1, 8)], [], id="another XSS"),
        pytest.param([(4, 1), (5,), (4, 1)], ["cpuid-leaf-twice"], id="a leaf twice"),
        pytest.param([(0, 0), (0, 0)], ["cpuid-leaf-twice"], id="leaf 0 twice"),
        pytest.param([(0xD, 0, 3)], [], id="XCR0 3"),
        pytest.param([(0xD, 0, 7)], ["cpuid-xsave-state"], id="XCR0 7 alone"),
        pytest.param([(0xD, 0, 1, 1)], ["cpuid-xsave-state"], id="XCR0 1 with an XSS"),
        pytest.param([(0xD, 2, 0)], [], id="XCR0 0 of another subleaf"),
        pytest.param([(7, 0, 0, 1)], ["cpuid-state"], id="XSS of leaf 7"),
        pytest.param([(0xD, 7, 1)], ["cpuid-xsave-avx512"], id="subleaf 7"),
        pytest.param([(0xD, 8, 1)], [], id="subleaf 8"),
        pytest.param([(0xD, 1, 1), (0xD, 11), (0xD, 12)], [], id="both of CET"),
        pytest.param([(0xD, 1, 1), (0xD, 12)], ["cpuid-xsave-cet"], id="one of CET"),
        pytest.param([(i,) for i in range(64) if i != 0xD] + [(64,)], [], id="64 leaves"),
    ],
)
def test_leaves(leaves: list[tuple[int, ...]], expected: list[str]) -> None:
    """A leaf is EAX, ECX, XCR0 and XSS, and what a rule is about depends on all four."""
    assert expected == rules(cpuid_leaves(*leaves))


def test_an_answer_makes_avx512_fine() -> None:
    """Subleaves 5 to 7 with values are no zeroes that the firmware would refuse."""
    assert [] == rules(cpuid_leaves((0xD, 5, 1), (0xD, 6, 1), answer=0x40))


def test_a_count_that_is_too_large_is_all_that_is_said() -> None:
    """What such a page has for leaves is not looked at."""
    assert ["cpuid-count"] == rules(struct.pack("<I", 1 << 31) + b"\x01" * 4092)


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(4, id="head"),
        pytest.param(16 + 40, id="reserved bytes of a leaf"),
        pytest.param(16 + 48, id="entry past the count"),
        pytest.param(4095, id="tail"),
    ],
)
def test_reserved_bytes(where: int) -> None:
    """The first byte that should be zero is named; an answer may be anything."""
    leaves = bytearray(cpuid_leaves((1,), answer=0xFFFFFFFF))
    assert [] == rules(bytes(leaves))
    leaves[where] = 7
    (finding,) = found(bytes(leaves))
    assert ("cpuid-reserved", 7) == (finding.rule, finding.value)
    assert f"the byte at {where:#x} of the page is 0x07" in finding.message


def test_each_page_is_looked_at() -> None:
    """A page has one finding a rule, which counts the others of the page."""
    bad = cpuid_leaves((1,), (1,), (1,))
    findings = found(bad, cpuid_leaves((1,)), bad)
    assert [2, 4] == [finding.header_index for finding in findings]
    assert "and 1 more of the page" in findings[0].message


def test_pages_that_share_their_bytes_are_looked_at_once() -> None:
    """The work depends on the file's bytes and not on how often they are loaded."""
    headers = [page(0x1000 * (i + 1), at(0), kind=2) for i in range(50)]
    data = bytes_for(SNP, policy(), *headers, data=cpuid_leaves((1,), (1,)))
    findings = igvm.check(igvm.parse(data))
    assert ["cpuid-leaf-twice"] == [each.rule for each in findings if each.rule[:5] == "cpuid"]


def test_platforms_without_cpuid_pages_are_left_alone() -> None:
    """That the type means nothing there is a rule of its own."""
    assert [] == rules(cpuid_leaves((1,), (1,)), platform=NATIVE)


def test_loaders_with_a_table_of_their_own_do_not_mind() -> None:
    """QEMU, OpenVMM and Cloud Hypervisor on KVM write over the page."""
    leaves = cpuid_leaves((0xD, 0, 0), (0xD, 5), (0xD, 5))
    file = igvm.parse(bytes_for(SNP, policy(), page(0x1000, at(0), kind=2), data=padded(leaves)))
    for loader in ("qemu-kvm", "openvmm", "cloud-hypervisor-kvm"):
        about = [each.rule for each in igvm.lint(file, loader) if "cpuid" in each.rule]
        assert [f"loader/{loader}/page-cpuid"] == about
