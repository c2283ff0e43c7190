"""Findings as values and as text."""

from __future__ import annotations

import pytest

import igvm
from igvm import Finding, Severity, report
from igvm.report.check_results import Checked, Result
from igvm.report.rule_list import list_text, rule_list, rule_text
from tests.golden_text import assert_golden
from tests.report.printed import GOLDEN, text
from tests.small_files import raw

BAD_SUM = raw.file(raw.platform(), raw.page(0), checksum=5)

FINDINGS = [
    Finding(
        rule="page-alignment",
        severity=Severity.ERROR,
        message="gpa is 0x1001; the gpa of a page must be a multiple of the page size",
        header_index=12,
        header_type="PAGE_DATA",
        field="gpa",
        offset=0x58,
        value=0x1001,
        more=1200,
    ),
    Finding(rule="odd", severity=Severity.WARNING, message="a\x1b[2Jb"),
]


def result(rules: str, verdict: str, findings: list[Finding]) -> Result:
    """A result with as many errors and warnings as there are findings."""
    kinds = [finding.severity for finding in findings]
    return Result(
        rules=rules,
        verdict=verdict,  # type: ignore[arg-type]
        errors=kinds.count(Severity.ERROR),
        warnings=kinds.count(Severity.WARNING),
        notes=1,
        findings=findings,
    )


def test_text() -> None:
    """A file's findings stand below a line that sums them up."""
    checked = Checked(
        name="guest.igvm", readable=True, results=[result("spec", "rejected", FINDINGS)]
    )
    assert_golden(GOLDEN / "check one.txt", text(report.check_text(checked)))


def test_text_of_several_rule_sets() -> None:
    """The line sums up every rule set; a long name has a line of its own."""
    checked = Checked(
        name="folder/" * 9 + "guest.igvm",
        readable=True,
        results=[
            result("spec", "accepted", []),
            result("igvm-0.5", "crashes", FINDINGS[:1]),
            result("igvm-0.4", "rejected", FINDINGS[:1]),
        ],
    )
    assert_golden(GOLDEN / "check all.txt", text(report.check_text(checked)))


def test_checked() -> None:
    """Each rule set that is asked gives a result, in that order."""
    checked = report.checked(igvm.parse(BAD_SUM, path="a"), ("igvm-0.4", "spec"))
    assert ("a", True) == (checked.name, checked.readable)
    assert [("igvm-0.4", "rejected", 1), ("spec", "rejected", 1)] == [
        (judged.rules, judged.verdict, judged.errors) for judged in checked.results
    ]
    assert "checksum" == checked.results[1].findings[0].field


def test_severity_hides_and_counts() -> None:
    """Findings below the threshold are counted and not listed."""
    many = report.checked(igvm.parse(BAD_SUM)).results[0]
    few = report.checked(igvm.parse(BAD_SUM), severity=igvm.Severity.ERROR).results[0]
    assert (many.errors, many.warnings, many.notes) == (few.errors, few.warnings, few.notes)
    assert {Severity.ERROR} == {finding.severity for finding in few.findings}


def test_a_crash_is_a_verdict() -> None:
    """Where the reference panics, the verdict says so."""
    body = igvm.RelocatableRegion(
        compatibility_mask=1,
        relocation_alignment=0,
        relocation_region_gpa=0,
        relocation_region_size=4096,
        minimum_relocation_gpa=0,
        maximum_relocation_gpa=0,
    ).pack()
    data = raw.file(raw.platform(1), raw.header(0x102, body), data=bytes(8))
    (crashed,) = report.checked(igvm.parse(data), ("igvm-0.5",)).results
    assert ("crashes", 1) == (crashed.verdict, crashed.errors)


def test_unreadable() -> None:
    """What cannot be opened is an error of the specification, and has a verdict too."""
    with pytest.raises(igvm.FormatError) as caught:
        igvm.parse(b"nothing", path="x")
    unreadable = report.unreadable(caught.value, b"nothing", ("spec", "igvm-0.5"))
    assert ("x", False) == (unreadable.name, unreadable.readable)
    assert ["unreadable", "igvm-0.5/InvalidFixedHeader"] == [
        judged.findings[0].rule for judged in unreadable.results
    ]


def test_rules_are_listed() -> None:
    """Every rule is there with its sentence, within 80 columns."""
    listed = rule_list()
    shown = text(list_text(listed))
    assert all(f" {rule.name}\n" in shown for rule in listed.rules)
    assert max(map(len, shown.splitlines())) <= 80


def test_one_rule() -> None:
    """A rule is found by its name, with or without the release before it."""
    bare, named = rule_list((), "InvalidChecksum"), rule_list((), "igvm-0.5/InvalidChecksum")
    assert 1 == len(bare.rules)
    assert bare == named
    assert "Checked by: igvm-0.4, igvm-0.5" in text(rule_text(bare))
    assert [] == rule_list(["spec"], "InvalidChecksum").rules


def test_rules_of_loaders() -> None:
    """What loaders do is listed too, and found by the name that a finding has."""
    of_openvmm = rule_list(["openvmm"]).rules
    assert {"openvmm"} <= {name for rule in of_openvmm for name in rule.rule_sets}
    assert len(of_openvmm) < len(rule_list().rules)
    (overlap,) = rule_list((), "loader/openvmm/overlap").rules
    assert "OpenVMM does not import a page twice" == overlap.words
    assert [] == rule_list((), "loader/qemu-tcg/vmsa-gpa").rules
    assert not [rule.words for rule in rule_list().rules if "{" in rule.words]
    names = {f"loader/openvmm/{rule.name}" for rule in of_openvmm}
    assert all(rule_list((), name).rules for name in names)


def test_a_rule_that_crashes() -> None:
    """The explanation of a panic says that it is one."""
    assert "crashes" in text(rule_text(rule_list((), "panic.vbs-mixed-vtl")))
