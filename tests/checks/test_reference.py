"""What igvm.check says with the rules of a release of the reference."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.checks.reference import REFERENCE_RULES, verdict, verdict_of_bytes
from tests.differential.cases import CASES, Case, v1
from tests.small_files import raw
from tests.small_files.guests import VBS
from tests.small_files.raw import (
    area,
    context,
    corim,
    header,
    insert,
    page,
    parameter,
    platform,
    region,
    register_list,
)

if TYPE_CHECKING:
    from pathlib import Path

MANY = 100_000
DAWDLE = 3.0
"""Seconds in which a hostile file must be checked on a slow machine; it takes a tenth of that."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    """A file is refused for the fault that it has, at the place where it has it."""
    findings = [
        finding for finding in verdict_of_bytes(case.file, case.release) if finding.is_error
    ]
    rules = [f"igvm-{case.release}/{case.rule}"] if case.rule else []
    assert rules == [finding.rule for finding in findings]
    for finding in findings:
        for expected, actual in (
            (case.field, finding.field),
            (case.header_index, finding.header_index),
            (case.value, finding.value),
        ):
            assert expected is None or expected == actual


@pytest.mark.parametrize("case", [case for case in CASES if case.field], ids=lambda case: case.name)
def test_offset(case: Case) -> None:
    """The offset of a finding is where the value that it shows lies in the file."""
    [finding] = [
        finding for finding in verdict_of_bytes(case.file, case.release) if finding.is_error
    ]
    offset, value = finding.offset, finding.value
    assert offset is not None
    if isinstance(value, int) and case.name not in {"RAX", "VTL 3"}:
        size = next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size)
        assert value == int.from_bytes(case.file[offset : offset + size], "little")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_unreadable_is_refused(case: Case) -> None:
    """What igvm.parse refuses the reference refuses too."""
    try:
        igvm.parse(case.file)
    except igvm.FormatError:
        assert [True] == [finding.is_error for finding in verdict_of_bytes(case.file, case.release)]


def test_crash_is_said() -> None:
    """The message of a panic says that the file crashes the reference."""
    crashing = [case for case in CASES if case.rule.startswith("panic.")]
    for case in crashing:
        [finding] = verdict_of_bytes(case.file, case.release)
        assert REFERENCE_RULES[case.rule].crashes
        assert "crashes the reference, and with it every process" in finding.message


def test_corim_note() -> None:
    """A file with CoRIM headers that 0.5 accepts gets a note on a libigvm without them."""
    [note] = igvm.check(igvm.parse(v1(platform(), corim(0x104))), "igvm-0.5")
    assert ("igvm-0.5/corim-feature", igvm.Severity.NOTE) == (note.rule, note.severity)
    assert ("CORIM_DOCUMENT", 1) == (note.header_type, note.header_index)


def test_corim_note_needs_the_header_to_be_read() -> None:
    """There is no note where the reference stops before the CoRIM header."""
    findings = verdict_of_bytes(v1(platform(7), corim(0x104)), "0.5")
    assert ["igvm-0.5/InvalidBinaryPlatformHeader.InvalidPlatformType"] == [
        finding.rule for finding in findings
    ]


def test_first_header_wins() -> None:
    """Of faults in several headers the first is found, whatever the types."""
    file = v1(platform(), page(1), area(1, 1), page(2), header(0x999, b""))
    [finding] = verdict_of_bytes(file, "0.5")
    assert (1, 1) == (finding.header_index, finding.value)


def test_wrong_release() -> None:
    """There are no rules for a release that is not known."""
    with pytest.raises(igvm.ValidationError, match=r"release '0\.3'"):
        verdict(igvm.parse(v1(platform())), "0.3")
    with pytest.raises(igvm.ValidationError, match=r"release '0\.3'"):
        verdict_of_bytes(b"", "0.3")


def test_file_can_be_closed(tmp_path: Path) -> None:
    """A check keeps nothing of the file in use."""
    path = tmp_path / "one.igvm"
    path.write_bytes(CASES[-2].file)
    file = igvm.open(path)
    igvm.check(file, "igvm-0.5")
    file.close()


def _with_contexts(places: list[int], data: bytes) -> bytes:
    """A VBS file with a context for each place in `data`."""
    start = raw.fixed_size(1) + 24 + 32 * len(places)
    return raw.file(platform(VBS), *(context(start + place) for place in places), data=data)


def _overlapping(count: int) -> bytes:
    """Register lists of `count` registers each, one beginning in every register of the others."""
    register = raw.register(0x20010)[:28] + count.to_bytes(4, "little")
    return _with_contexts(list(range(0, 32 * MANY, 32)), register[28:] + register * (MANY + count))


HOSTILE = {
    "areas": lambda: v1(platform(), *(area(i) + insert(i, 0) for i in range(MANY // 2)), area(7)),
    "areas used": lambda: v1(platform(), area(7), *[parameter(0x307, 7)] * MANY, area(7)),
    "regions": lambda: v1(
        platform(VBS), *(region(i << 13, 4096, mask=-1 & 0xFFFFFFFF) for i in range(MANY, 0, -1))
    ),
    "regions, the last overlaps": lambda: v1(
        platform(VBS), *(region(i << 13, 4096) for i in range(MANY)), region(MANY << 12, 8192)
    ),
    "one list": lambda: _with_contexts([0] * MANY, register_list(*[0x20010] * MANY)),
    "overlapping lists": lambda: _overlapping(MANY // 2),
    "alternating types": lambda: v1(
        platform(), area(1), *[page(0) + parameter(0x307, 1)] * (MANY // 2)
    ),
    "platforms": lambda: v1(*[platform()] * MANY),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_many_headers(name: str) -> None:
    """A hundred thousand headers that refer to each other are checked in linear time."""
    data = HOSTILE[name]()
    start = time.perf_counter()
    verdict_of_bytes(data, "0.5")
    assert DAWDLE > time.perf_counter() - start
