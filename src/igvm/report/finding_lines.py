"""Findings as lines for other programs: as compilers print them, and as GitHub's runners read them.

A file of bytes has no lines, and what reads such lines wants a number there: the file is taken for
one line, in which the column is the offset and one. The offset itself stands in the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.report.finding_entries import entries
from igvm.report.findings_text import place_lines
from igvm.report.terminal_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.checks.finding import Finding
    from igvm.report.check_results import Checked

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
"""Workflow commands by severity (GitHub, workflow commands for Actions)."""


def gcc_lines(checked: Checked) -> Iterator[str]:
    """A line for each place: `FILE:1:COLUMN: SEVERITY: +OFFSET WHERE: MESSAGE [RULE]`."""
    name = printable(checked.name or "(no name)")
    for result in checked.results:
        for finding in result.findings:
            column = (finding.offset or 0) + 1
            severity = finding.severity.name.lower()
            more = f" (and {finding.more:,} more)" if finding.more else ""
            message = f"{_placed(finding)}{more} [{finding.rule}]"
            yield f"{name}:1:{column}: {severity}: {printable(message)}"
        for rule, count in result.ignored.items():
            yield f"{name}:1:1: note: {count:,} ignored [{printable(rule)}]"


def _placed(finding: Finding) -> str:
    """The offset and the header, and what is there."""
    offset = "" if finding.offset is None else f"+{finding.offset:#x}"
    where = " ".join(part for part in (offset, finding.where) if part)
    return ": ".join(part for part in (where, finding.message) if part)


def github_lines(checked: Checked) -> Iterator[str]:
    """A workflow command for each fault, with its places in the lines of one annotation."""
    name = checked.name or "(no name)"
    for entry in entries(checked.results):
        rules = ", ".join(entry.rules)
        if entry.place_count == 1:
            text = _placed(entry.places[0])
        else:
            text = "\n".join((f"{entry.words}: {entry.place_count:,} places", *place_lines(entry)))
        yield _command(_COMMANDS[entry.severity], name, rules, text)
    for result in checked.results:
        for rule, count in result.ignored.items():
            yield _command("notice", name, rule, f"{count:,} ignored")


def _command(command: str, file: str, title: str, text: str) -> str:
    """A workflow command; what ends a property or a line is escaped as the runner reads it."""
    properties = f"file={_property(file)},title={_property(f'igvm: {title}')}"
    lines = "\n".join(printable(line) for line in text.split("\n"))
    return f"::{command} {properties}::{_data(lines)}"


def _data(text: str) -> str:
    """Text as the data of a command (actions/toolkit, packages/core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Text as a property of a command (the same)."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
