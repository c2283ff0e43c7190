"""Findings as SARIF 2.1.0, the form in which programs hand on what analyses found (OASIS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm._version import __version__
from igvm.checks.finding import Severity
from igvm.report.check_results import SPECIFICATION
from igvm.report.rule_list import rule_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.checks.finding import Finding
    from igvm.report.check_results import Checked, CheckReport
    from igvm.report.rule_list import RuleEntry

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif(report: CheckReport, *, exit_code: int, problems: Sequence[str] = ()) -> bytes:
    """The findings of all files as one run.

    Every rule that found something is described, in the order in which they are met. A place is
    a position among bytes, `byteOffset`, and a header by its logical location: in artifacts that
    are no text the standard allows no lines (3.30.1).

    Args:
        report: what was found.
        exit_code: that of the process.
        problems: what went wrong with files that are not in the report.
    """
    findings = [
        (number, checked, finding)
        for number, checked in enumerate(report.files)
        for result in checked.results
        for finding in result.findings
    ]
    described = _described({finding.rule: finding for _, _, finding in findings})
    numbers = {rule["id"]: number for number, rule in enumerate(described)}
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "igvm", "version": __version__, "rules": described}},
                "invocations": [_invocation(report, exit_code, problems)],
                "artifacts": [{"location": _location(checked)} for checked in report.files],
                "results": [
                    _result(checked, number, finding, numbers[finding.rule])
                    for number, checked, finding in findings
                ],
            }
        ],
    }
    return msgspec.json.encode(log)


def _described(found: dict[str, Finding]) -> list[dict[str, Any]]:
    """The rules of findings, by what those call them."""
    by_name: dict[str, RuleEntry] = {
        name: entry for entry in rule_list().rules for name in entry.names() if "/" in name
    }
    by_name |= {entry.name: entry for entry in rule_list([SPECIFICATION]).rules}
    return [_description(rule, by_name.get(rule), finding) for rule, finding in found.items()]


def _description(rule: str, entry: RuleEntry | None, finding: Finding) -> dict[str, Any]:
    """A reportingDescriptor; of a rule that is in no list from its finding alone."""
    if entry is None:
        level = {"level": _LEVELS[finding.severity]}
        return {
            "id": rule,
            "shortDescription": {"text": "the file cannot be read"},
            "defaultConfiguration": level,
        }
    return {
        "id": rule,
        "shortDescription": {"text": f"{entry.words}."},
        "fullDescription": {"text": f"{entry.words}. Source: {entry.source}"},
        "help": {"text": " ".join(entry.rationale.split()) or f"igvm rules {rule}"},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
    }


def _invocation(report: CheckReport, exit_code: int, problems: Sequence[str]) -> dict[str, Any]:
    """Whether the run looked at every file, and what it was told to leave out."""
    ignored: dict[str, int] = {}
    for checked in report.files:
        for result in checked.results:
            for rule, count in result.ignored.items():
                ignored[rule] = ignored.get(rule, 0) + count
    return {
        "executionSuccessful": not problems,
        "exitCode": exit_code,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": problem}} for problem in problems
        ],
        "toolConfigurationNotifications": [
            {"level": "note", "message": {"text": f"{count:,} ignored: {rule}"}}
            for rule, count in ignored.items()
        ],
    }


def _result(checked: Checked, number: int, finding: Finding, rule: int) -> dict[str, Any]:
    """One place of one rule in the file of this number."""
    place: dict[str, Any] = {"artifactLocation": {**_location(checked), "index": number}}
    if finding.offset is not None:
        place["region"] = {"byteOffset": finding.offset}
    location: dict[str, Any] = {"physicalLocation": place}
    if finding.where:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where}]
    more = f" (and {finding.more:,} more)" if finding.more else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}{more}"},
        "locations": [location],
    }


_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
"""What a path may have in a URI as it is (RFC 3986, unreserved, and what parts folders)."""


def _location(checked: Checked) -> dict[str, Any]:
    """Where a file is: relative as it was named, or the whole path."""
    path = (checked.name or "").encode("utf-8", "surrogatepass")
    uri = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path)
    return {"uri": f"file://{uri}" if uri.startswith("/") else uri}
