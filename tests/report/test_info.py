"""The summary of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

import igvm
from igvm import Finding, report
from igvm.report.check_results import Result
from igvm.report.file_info_text import verdict
from tests.golden_text import assert_golden, without_digests
from tests.report.printed import GOLDEN, every_header, text
from tests.small_files import raw
from tests.small_files.samples import runs_of_pages, versioned

if TYPE_CHECKING:
    from pathlib import Path


def summary(data: bytes) -> report.Info:
    """What a file is, without what is wrong with it."""
    return report.info(igvm.parse(data), rules=())


@pytest.mark.parametrize("name", ["x64 v1", "x64 v2", "arm"])
def test_text(name: str) -> None:
    """The summary of a file with every header reads as it should."""
    shown = text(report.info_text(report.info(every_header(name), rules=())))
    assert_golden(GOLDEN / f"info {name}.txt", shown)


def test_pages_are_counted() -> None:
    """Pages are counted by kind, without looking at each."""
    memory = summary(runs_of_pages()).platforms[0].memory
    assert (16, 10, 5, 1, 0, 0) == (
        memory.pages,
        memory.normal,
        memory.zero,
        memory.secrets,
        memory.cpuid,
        memory.other,
    )
    assert (16 * 4096, 0, 0x900FFF) == (memory.bytes, memory.lowest_gpa, memory.highest_gpa)


def test_pages_of_other_kinds() -> None:
    """Large pages have their size, flags are counted, and unknown types are others."""
    heads = raw.platform(2) + raw.page(0, flags=7) + raw.page(0x200000, kind=9)
    memory = summary(raw.file(heads)).platforms[0].memory
    assert (2 << 20) + 4096 == memory.bytes
    assert (1, 1, 1, 1, 1) == (
        memory.large,
        memory.unmeasured,
        memory.shared,
        memory.zero,
        memory.other,
    )


def test_each_platform_has_its_own() -> None:
    """Memory and policies are those whose mask names the platform."""
    heads = raw.platform(2, 1) + raw.platform(3, 2)
    heads += raw.header(0x101, igvm.GuestPolicy(policy=1, compatibility_mask=2).pack())
    heads += raw.area(4, 8192) + raw.page(0x1000, mask=1) + raw.insert(4, 0x2000, 2)
    snp, tdx = summary(raw.file(heads)).platforms
    assert ([], 1, 0, 0) == (
        snp.policies,
        snp.memory.pages,
        snp.memory.parameter_areas,
        snp.memory.parameter_bytes,
    )
    assert (1, 0, 1, 8192) == (
        tdx.policies[0].value,
        tdx.memory.pages,
        tdx.memory.parameter_areas,
        tdx.memory.parameter_bytes,
    )
    assert {"debug_allowed": 1, "sept_ve_disable": 0, "migratable": 0} == tdx.policies[0].fields


def test_largest_numbers() -> None:
    """Sums and ends that pass 64 bits stay numbers that JSON readers take."""
    top = (1 << 64) - 4096
    heads = raw.platform(2) + raw.area(1, (1 << 64) - 1) + raw.page(top, flags=1)
    heads += raw.insert(1, 0) * 2
    memory = summary(raw.file(heads)).platforms[0].memory
    assert ((1 << 64) - 1,) * 2 == (memory.highest_gpa, memory.parameter_bytes)


def test_vps_that_share_registers_are_one() -> None:
    """Equal contexts are shown once, with all their VPs."""
    data = igvm.SEVVMSA(rip=0x1234).pack()
    start = 24 + 24 + 3 * 32
    heads = raw.platform(2) + b"".join(raw.context(start, index=i, gpa=4096) for i in (0, 1, 3))
    (context,) = summary(raw.file(heads, data=data)).vp_contexts
    assert [0, 1, 3] == context.vp_indexes
    assert context.context is not None
    assert {"rip": 0x1234} == context.context.registers
    assert "SEV_SNP VP 0-1,3 in real mode at 0x1234" in text(
        report.info_text(summary(raw.file(heads, data=data)))
    )


def test_registers_that_are_not_there() -> None:
    """A context outside of the file is a line that says so."""
    heads = raw.platform(2) + raw.context(0x8000)
    shown = summary(raw.file(heads))
    problem = shown.vp_contexts[0].problem
    assert problem is not None
    assert "0x8000" in problem
    assert "0x8000" in text(report.info_text(shown))


def test_wrong_checksum() -> None:
    """The checksum is shown as it is and as it should be."""
    good = raw.file(raw.platform())
    bad = raw.file(raw.platform(), checksum=1)
    right = int.from_bytes(good[20:24], "little")
    shown = text(report.info_text(summary(bad)))
    assert f"checksum 0x00000001 should be {right:#010x}" in shown


def test_version_string_is_escaped() -> None:
    """A version string cannot steer the terminal."""
    shown = text(report.info_text(summary(versioned(b"1\x1b[2J\n\xe2\x80\xae2"))))
    assert '"1\\x1b[2J\\n\\u202e2"' in shown
    assert "\x1b" not in shown


def test_long_version_string() -> None:
    """A version string of any length is one line."""
    shown = text(report.info_text(summary(versioned(b"v" * 5000))))
    assert max(map(len, shown.splitlines())) <= 80


def test_no_headers() -> None:
    """A file without headers is for nobody."""
    shown = text(report.info_text(summary(raw.file())))
    assert "platform    none\n" in shown


def test_many_platforms_are_bounded() -> None:
    """No more than 32 platforms are looked at, however many there are."""
    assert 32 == len(summary(raw.file(raw.platform() * 1000)).platforms)


def digest_line(info: report.Info) -> str:
    """What a summary says of digests, on one line."""
    lines = text(report.info_text(info)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("digests"))
    rest = lines[start + 1 :]
    count = next(i for i, line in enumerate(rest) if not line.startswith(" "))
    return " ".join(" ".join([lines[start], *rest[:count]]).split())


def test_digests() -> None:
    """The first digits of each platform's measurement are there, and where all of it is."""
    file = igvm.parse(raw.file(raw.platform(2), raw.policy(), raw.page(0x1000)))
    digest = igvm.measure(file, "snp").digest.hex()
    summary_of_file = report.info(file, rules=())
    assert [digest] == [each.digest for each in summary_of_file.digests]
    expected = f"digests SEV_SNP {digest[:16]} by reference; igvm measure has all"
    assert expected == digest_line(summary_of_file)


def test_digests_of_many_pages() -> None:
    """A launch of more than 4,096 pages is not measured for a summary, and that is said."""
    area = raw.area(1, 4097 * 4096) + raw.insert(1, 0x100000)
    shown = digest_line(summary(raw.file(raw.platform(2), raw.policy(), area)))
    assert "digests none of SEV_SNP: 4,097 pages" == shown


def test_loaders() -> None:
    """Loaders that take the file are named, others counted, and how to ask them is said."""
    shown = text(report.info_text(report.info(igvm.parse(runs_of_pages()))))
    (line,) = [line for line in shown.splitlines() if line.startswith("loaders")]
    assert "(igvm check --loader all --memory 4G)" in " ".join(shown.split())
    assert "refus" in line


def test_tdx_starts_without_registers() -> None:
    """Where a TD starts is said although TDX takes no context."""
    shown = text(report.info_text(summary(raw.file(raw.platform(3)))))
    assert "starts      TDX in protected mode at 0xfffffff0; the TDX module sets" in shown


@pytest.mark.corpus
def test_real_files_fit_a_screen(corpus: Path) -> None:
    """The summary of every file that a real tool wrote has at most 24 lines of 80 columns."""
    files = [path for path in (corpus / "tools").glob("*.igvm") if "merge_shape" not in path.name]
    assert len(files) > 40
    for path in files:
        lines = text(report.info_text(report.info(igvm.open(path)))).splitlines()
        assert (path.name, True) == (path.name, len(lines) <= 24)
        assert max(map(len, without_digests("\n".join(lines)))) <= 80


RESULT = Result(rules="igvm-0.5", verdict="accepted", errors=0, warnings=0, notes=0, findings=[])
ERROR = Finding(
    rule="igvm-0.5/panic.x",
    severity=igvm.Severity.ERROR,
    message="it is \x1b odd; no x may be odd",
    found="it is \x1b odd",
    header_index=3,
    header_type="PAGE_DATA",
    field="gpa",
    offset=9,
)


@pytest.mark.parametrize(
    ("shown", "changes"),
    [
        ("igvm 0.5    accepted\n", {}),
        (
            "igvm 0.5    rejected: PAGE_DATA[3].gpa: it is \\x1b odd\n",
            {"verdict": "rejected", "errors": 1, "findings": [ERROR]},
        ),
        (
            "igvm 0.5    CRASHES: PAGE_DATA[3].gpa: it is \\x1b odd\n",
            {"verdict": "crashes", "errors": 1, "findings": [ERROR]},
        ),
        ("spec        no findings\n", {"rules": "spec"}),
        (
            "spec        1 error, 2 warnings, igvm-0.5/panic.x\n",
            {"rules": "spec", "errors": 1, "warnings": 2, "findings": [ERROR]},
        ),
    ],
    ids=["accepted", "rejected", "crashes", "no findings", "findings"],
)
def test_verdict(shown: str, changes: dict[str, object]) -> None:
    """A verdict is a line that says why."""
    assert shown == text(verdict(msgspec.structs.replace(RESULT, **changes)))
