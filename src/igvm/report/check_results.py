"""What checking a file says: findings by rule set or loader, counted, and each verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from igvm.checks import check
from igvm.checks.finding import Finding, Severity
from igvm.report.names_and_numbers import file_name
from igvm.report.release_gate import OPEN
from igvm.report.verdicts import (
    REFERENCE,
    Verdict,
    loader_verdicts,
    release_verdicts,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.errors import FormatError
    from igvm.file.view import IgvmFile
    from igvm.launch.machine import Machine
    from igvm.report.release_gate import Gate

UNREADABLE = "unreadable"
"""The rule of a file that cannot be read at all."""

SPECIFICATION = "spec"
"""The rule set that is no release of the reference."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule set says to one file; the counts include what is not listed."""

    rules: str
    verdict: Literal["accepted", "rejected", "crashes"]
    """Whether there is no error, ignored ones too; `crashes` where the reference panics on it."""
    errors: int
    warnings: int
    notes: int
    failing: int = 0
    """How many of these make the exit code 1: errors, and what --fail-on names."""
    ignored: dict[str, int] = {}
    """Findings of rules that --ignore names, which are not counted otherwise, by rule."""
    assumptions: list[str] = []
    """What was taken for granted of the loader's machine, a sentence without a full stop each."""
    findings: list[Finding]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file and what the rule sets say to it."""

    name: str | None
    readable: bool
    results: list[Result]
    verdicts: list[Verdict] = []
    """In a word each, the reference and the loaders, where nothing else was asked of them."""


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm check --json` prints."""

    schema: Literal["igvm.check/1"] = "igvm.check/1"
    settings: str | None = None
    """The file that options were taken from; null where all were on the command line."""
    files: list[Checked]

    @property
    def errors(self) -> int:
        """Errors in all files, under all rule sets."""
        return sum(result.errors for checked_file in self.files for result in checked_file.results)


def checked(
    file: IgvmFile,
    rules: Sequence[str] = (SPECIFICATION,),
    *,
    loaders: Sequence[str] = (),
    machine: str | Machine | None = None,
    severity: Severity = Severity.NOTE,
    most: int = 100,
    vcpus: Sequence[int] = (),
    cpu: str | None = None,
    gate: Gate = OPEN,
    verdicts: bool = False,
) -> Checked:
    """What each of `rules` says to `file`, and what becomes of it in each of `loaders`.

    Findings below `severity` are counted, not listed, unless the `gate` stops on them. The
    `machine` is for those of `loaders` that know machines; `vcpus` and `cpu` are what is known of
    the guest. With `verdicts` every release and every loader says a word.
    """
    from igvm.checks.reference import verdict

    listing = _Listing(severity, gate)
    results = [_result(name, check(file, name, most=most), listing) for name in rules]
    for name in loaders:
        guest = _Guest(machine, tuple(vcpus) or None, cpu)
        results.append(_judged(file, name, guest, listing, most))
    words = []
    if verdicts:
        words = release_verdicts(lambda release: verdict(file, release)) + loader_verdicts(file)
    return Checked(name=file_name(file.path), readable=True, results=results, verdicts=words)


class _Guest(NamedTuple):
    """What is known of a guest that a loader is to start."""

    machine: str | Machine | None
    vcpus: tuple[int, ...] | None
    cpu: str | None


class _Listing(NamedTuple):
    """Which findings are listed."""

    severity: Severity
    gate: Gate = OPEN

    def shows(self, finding: Finding) -> bool:
        """Whether `finding` is listed."""
        if finding.rule in self.gate.ignored:
            return False
        return finding.severity >= self.severity or self.gate.stops_on(finding)


def _judged(file: IgvmFile, loader: str, guest: _Guest, listing: _Listing, most: int) -> Result:
    """What becomes of `file` in `loader`, and what was assumed for that."""
    from igvm.launch.loader_table import loader_of
    from igvm.launch.machine import machine_of
    from igvm.launch.programs.qemu_machines import assumptions
    from igvm.measurement.lint import lint

    names = loader_of(loader).machines
    launched_on = machine_of(guest.machine, names, loader=loader) if names else None
    findings = lint(file, loader, machine=launched_on, vcpus=guest.vcpus, cpu=guest.cpu, most=most)
    assumed = () if launched_on is None else assumptions(launched_on)
    return _result(loader, findings, listing, assumed)


def unreadable(
    error: FormatError,
    data: bytes | memoryview,
    rules: Sequence[str] = (SPECIFICATION,),
    *,
    verdicts: bool = False,
) -> Checked:
    """What each of `rules` says to bytes that cannot be opened as a file.

    With `verdicts` every release of the reference says a word; no loader comes so far.
    """
    from igvm.checks.reference import verdict_of_bytes

    finding = Finding(
        rule=UNREADABLE,
        severity=Severity.ERROR,
        message="; ".join(part for part in (error.message, error.hint) if part),
        header_type=error.header,
        field=error.field or None,
        offset=error.offset,
    )
    results = []
    for name in rules:
        findings = [finding]
        if name != SPECIFICATION:
            findings = verdict_of_bytes(data, name.removeprefix(REFERENCE))
        results.append(_result(name, findings, _Listing(Severity.NOTE)))
    words = release_verdicts(lambda release: verdict_of_bytes(data, release)) if verdicts else []
    return Checked(name=file_name(error.path), readable=False, results=results, verdicts=words)


def _result(
    rules: str, findings: list[Finding], listing: _Listing, assumptions: Sequence[str] = ()
) -> Result:
    """The findings of one rule set or loader, counted."""
    counts = dict.fromkeys(Severity, 0)
    ignored: dict[str, int] = {}
    failing = 0
    for finding in findings:
        places = 1 + finding.more
        if finding.rule in listing.gate.ignored:
            ignored[finding.rule] = ignored.get(finding.rule, 0) + places
            continue
        counts[finding.severity] += places
        failing += places * listing.gate.stops_on(finding)
    return Result(
        rules=rules,
        verdict=verdict_of(rules, findings),
        errors=counts[Severity.ERROR],
        warnings=counts[Severity.WARNING],
        notes=counts[Severity.NOTE],
        failing=failing,
        ignored=ignored,
        assumptions=list(assumptions),
        findings=list(filter(listing.shows, findings)),
    )
