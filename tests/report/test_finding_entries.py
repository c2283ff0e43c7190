"""Findings put together: one entry a fault."""

from __future__ import annotations

import pytest

import igvm
from igvm import report
from igvm.report.finding_entries import Entry, entries, ranges_text
from tests.report.printed import text
from tests.small_files import raw

ODD_PAGES = raw.file(
    raw.platform(1),
    *(raw.page(0x1001 + number * 0x1000) for number in range(5)),
    raw.area(0),
    raw.insert(0, 0x200000),
    raw.page(0x80001, raw.at(0)),
    data=bytes(4096),
)
"""Pages at odd addresses: headers 1 to 5 and 8."""
ALL_RULES = ("spec", "igvm-0.5", "igvm-0.4")


def found(data: bytes, *, loaders: tuple[str, ...] = ()) -> dict[str, Entry]:
    """The entries of a file under all rule sets, by the first rule of each."""
    results = report.checked(igvm.parse(data), ALL_RULES, loaders=loaders).results
    return {entry.rules[0]: entry for entry in entries(results)}


def shown(data: bytes, *, every_place: bool = False, most: int = 100) -> str:
    """What `check` prints of a file, with blanks for line ends."""
    checked = report.checked(igvm.parse(data), severity=igvm.Severity.WARNING, most=most)
    return " ".join(text(report.check_text(checked, every_place=every_place)).split())


@pytest.mark.parametrize(
    ("expected", "numbers", "step"),
    [
        ("", [], 1),
        ("7", [7], 1),
        ("4, 5", [4, 5], 1),
        ("4 to 6", [4, 5, 6], 1),
        ("4 to 19, 23", [*range(4, 20), 23], 1),
        ("4096 to 16384", [4096, 8192, 12288, 16384], 4096),
        ("0, 2, 4, 6, 8, 10, 12, 14 and 2 more", list(range(0, 20, 2)), 1),
    ],
)
def test_ranges(expected: str, numbers: list[int], step: int) -> None:
    """Numbers that follow each other are a range; of many ranges the rest is counted."""
    assert expected == ranges_text(numbers, step)


def test_places_of_a_rule_are_one_entry() -> None:
    """The words stand once, the headers and the addresses as ranges."""
    output = shown(ODD_PAGES)
    assert 1 == output.count("[page-alignment]")
    assert "PAGE_DATA.gpa of headers 1 to 5, 8: gpa is 0x1001 to 0x5001, 0x80001" in output
    assert "error 6 places [page-alignment]" in output


def test_every_place() -> None:
    """With -v each place has its offset and what is there."""
    output = shown(ODD_PAGES, every_place=True)
    assert "+0x38 PAGE_DATA[1].gpa: gpa is 0x1001 +0x58 PAGE_DATA[2].gpa: gpa is 0x2001" in output


def test_places_that_are_not_listed() -> None:
    """What is left out is counted."""
    assert "error 6 places [page-alignment]" in shown(ODD_PAGES, most=2)
    assert "and 4 more" in shown(ODD_PAGES, most=2)


def test_errors_stand_first() -> None:
    """Then warnings, then notes."""
    results = report.checked(igvm.parse(ODD_PAGES), ALL_RULES, loaders=("qemu-tcg",)).results
    severities = [entry.severity for entry in entries(results)]
    assert sorted(severities, reverse=True) == severities
    assert 1 < len(set(severities))


def test_a_fault_of_several_rule_sets() -> None:
    """The specification and both releases stop at one field: that is one entry."""
    data = raw.file(raw.platform(1), raw.page(0, raw.at(0)), data=bytes(4096), checksum=5)
    assert ("checksum", "igvm-0.5/InvalidChecksum", "igvm-0.4/InvalidChecksum") == found(data)[
        "checksum"
    ].rules


def test_a_loader_that_refuses_as_the_reference_does() -> None:
    """What its reader stops at is said once, with the loader's rule among those that found it."""
    entry = found(ODD_PAGES, loaders=("qemu-tcg",))["page-alignment"]
    assert "igvm-0.4/InvalidBinaryDirectiveHeader.UnalignedAddress" in entry.rules
    assert "loader/qemu-tcg/refused" in entry.rules


def test_releases_that_differ() -> None:
    """What one release stops at is not put on another's account."""
    data = raw.file(
        raw.platform(1), raw.corim(0x104, offset=raw.at(0), size=8), raw.page(0), data=bytes(8)
    )
    rules = [rule for entry in found(data).values() for rule in entry.rules]
    assert [rule for rule in rules if rule.endswith("InvalidVariableHeaderType")] == [
        "igvm-0.4/InvalidBinaryInitializationHeader.InvalidVariableHeaderType"
    ]


def test_a_crash_is_told_apart() -> None:
    """Where the reference panics its words stand, beside those of the specification."""
    data = raw.file(raw.platform(1, 1), raw.context(0x10), raw.page(0, raw.at(0)), data=bytes(4096))
    crashes = [name for name in found(data) if "/panic." in name]
    assert ["igvm-0.5/panic.vbs-data-outside"] == crashes


def test_loaders_that_say_the_same() -> None:
    """Those with the same words about the same place are one entry."""
    data = raw.file(raw.platform(3), raw.page(0, raw.at(0)), data=bytes(4096))
    loaders = ("cloud-hypervisor-kvm", "cloud-hypervisor-mshv", "openvmm")
    by_first = found(data, loaders=loaders)
    assert (
        "loader/cloud-hypervisor-kvm/no-platform",
        "loader/cloud-hypervisor-mshv/no-platform",
    ) == by_first["loader/cloud-hypervisor-kvm/no-platform"].rules
    assert ("loader/openvmm/no-platform",) == by_first["loader/openvmm/no-platform"].rules
