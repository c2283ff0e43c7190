"""What checking a file says, as plain values: findings by rule set, and each verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.checks import RULE_SETS, check
from igvm.checks.finding import Finding, Severity
from igvm.report.words import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.errors import FormatError
    from igvm.file.view import IgvmFile

UNREADABLE = "unreadable"
"""The rule of a file that cannot be read at all."""


class FindingModel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place at which a file breaks one rule."""

    rule: str
    severity: Literal["note", "warning", "error"]
    message: str
    header_index: int | None = None
    header_type: str | None = None
    field: str | None = None
    offset: int | None = None
    """Byte offset in the file."""
    value: int | str | None = None
    more: int = 0
    """Further places that break this rule and are not listed."""

    @property
    def where(self) -> str:
        """The header and field: `PAGE_DATA[12].gpa`."""
        index = "" if self.header_index is None else f"[{self.header_index}]"
        return ".".join(part for part in (f"{self.header_type or ''}{index}", self.field) if part)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule set says to one file; the counts include what is not listed."""

    rules: str
    verdict: Literal["accepted", "rejected", "crashes"]
    """Whether there is no error; `crashes` where the reference panics on the file."""
    errors: int
    warnings: int
    notes: int
    findings: list[FindingModel]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file and what the rule sets say to it."""

    name: str | None
    readable: bool
    results: list[Result]


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm check --json` prints."""

    schema: Literal["igvm.check/1"] = "igvm.check/1"
    files: list[Checked]

    @property
    def errors(self) -> int:
        """Errors in all files, under all rule sets."""
        return sum(result.errors for one in self.files for result in one.results)


def checked(
    file: IgvmFile,
    rules: Sequence[str] = ("spec",),
    *,
    loaders: Sequence[str] = (),
    severity: Severity = Severity.NOTE,
    most: int = 100,
) -> Checked:
    """What each of `rules` says to `file`, and what becomes of it in each of `loaders`.

    Findings below `severity` are counted, not listed.
    """
    results = [_result(one, check(file, one, most=most), severity) for one in rules]
    if loaders:
        from igvm.launch.lint import lint

        results += [_result(one, lint(file, one, most=most), severity) for one in loaders]
    return Checked(name=file_name(file.path), readable=True, results=results)


def unreadable(
    error: FormatError, data: bytes | memoryview, rules: Sequence[str] = ("spec",)
) -> Checked:
    """What each of `rules` says to bytes that cannot be opened as a file."""
    from igvm.checks.reference import verdict_of_bytes

    own = Finding(
        rule=UNREADABLE,
        severity=Severity.ERROR,
        message="; ".join(part for part in (error.message, error.hint) if part),
        header_type=error.header,
        field=error.field or None,
        offset=error.offset,
    )
    results = []
    for one in rules:
        found = [own] if one == "spec" else verdict_of_bytes(data, one.removeprefix("igvm-"))
        results.append(_result(one, found, Severity.NOTE))
    return Checked(name=file_name(error.path), readable=False, results=results)


def _result(rules: str, found: list[Finding], severity: Severity) -> Result:
    """The findings of one rule set, counted."""
    counts = dict.fromkeys(Severity, 0)
    for one in found:
        counts[one.severity] += 1 + one.more
    crashes = any(one.is_error and ".panic" in one.rule.replace("/", ".") for one in found)
    wrong = counts[Severity.ERROR] > 0
    return Result(
        rules=rules,
        verdict="crashes" if crashes else "rejected" if wrong else "accepted",
        errors=counts[Severity.ERROR],
        warnings=counts[Severity.WARNING],
        notes=counts[Severity.NOTE],
        findings=[_model(one) for one in found if one.severity >= severity],
    )


def _model(one: Finding) -> FindingModel:
    """The plain values of a finding."""
    return FindingModel(
        rule=one.rule,
        severity=one.severity.name.lower(),  # type: ignore[arg-type]
        message=one.message,
        header_index=one.header_index,
        header_type=one.header_type,
        field=one.field,
        offset=one.offset,
        value=one.value,
        more=one.more,
    )


__all__ = [
    "RULE_SETS",
    "UNREADABLE",
    "CheckReport",
    "Checked",
    "FindingModel",
    "Result",
    "checked",
    "unreadable",
]
