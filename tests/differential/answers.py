"""Compares what `igvm.check` says of many files with what the reference itself says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from igvm.checks.reference import verdict_of_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.checks.finding import Finding
    from tests.oracle.client import Oracle, Release, Verdict

PANICS = {
    "igvm-0.4.0/src/lib.rs:413": "panic.relocation-alignment-zero",
    "igvm-0.4.0/src/lib.rs:1790": "panic.vbs-data-outside",
    "igvm-0.4.0/src/lib.rs:1810": "panic.vbs-mixed-vtl",
    "igvm-0.4.0/src/lib.rs:1817": "panic.vbs-vp-index",
    "igvm-0.4.0/src/lib.rs:2875": "panic.variable-header-size",
    "igvm-0.5.0/src/lib.rs:503": "panic.relocation-alignment-zero",
    "igvm-0.5.0/src/lib.rs:2136": "panic.vbs-data-outside",
    "igvm-0.5.0/src/lib.rs:2156": "panic.vbs-mixed-vtl",
    "igvm-0.5.0/src/lib.rs:2163": "panic.vbs-vp-index",
    "igvm-0.5.0/src/lib.rs:3399": "panic.variable-header-size",
    "range_map_vec-0.2.0/src/lib.rs:176": "panic.empty-region",
}
"""The rule for each place at which the crates panic."""

_NUMBERS = (
    (re.compile(r"address (\d+) is not aligned"), 10),
    (re.compile(r"size (\d+) is not aligned"), 10),
    (re.compile(r"expected \d+ was (\d+)"), 10),
    (re.compile(r"page size of 0x([0-9a-f]+)"), 16),
    (re.compile(r"RegisterName\(\s*0x([0-9a-f]+)"), 16),
)
"""Where the crate's texts give the value that it does not take, and to which base."""


def expected(verdict: Verdict) -> str:
    """Name of the rule that says what the reference says; empty where it accepts the file."""
    if verdict.kind == "panic":
        return PANICS[verdict.location.rsplit(":", 1)[0]]
    assert verdict.kind in {"ok", "error"}, verdict
    # The last of these is a structure, not a variant of the error.
    return verdict.error.removesuffix("/UnsupportedRegister").replace("/", ".")


def rule_of(findings: Sequence[Finding], release: str) -> str:
    """Name of the rule that the only error finding names; empty where there is none."""
    errors = [finding for finding in findings if finding.is_error]
    assert len(errors) < 2, errors
    return errors[0].rule.removeprefix(f"igvm-{release}/") if errors else ""


def differences(oracle: Oracle, files: Sequence[bytes], release: Release) -> list[str]:
    """One line for each file about which the reference says something else than we do."""
    lines = []
    verdicts = oracle.parse_many(files, release=release)
    for number, (data, verdict) in enumerate(zip(files, verdicts, strict=True)):
        findings = verdict_of_bytes(data, release)
        theirs, ours = expected(verdict), rule_of(findings, release)
        if theirs != ours:
            lines.append(f"file {number}: {theirs or 'accepted'}, not {ours or 'accepted'}")
            continue
        for pattern, base in _NUMBERS:
            match = pattern.search(verdict.text)
            if match is not None and int(match[1], base) != findings[0].value:
                lines.append(f"file {number}: {match[0]}, not {findings[0].value}")
    return lines
