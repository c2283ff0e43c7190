"""Rules by what hypervisors print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.checks.reference import REFERENCE_RULES
from igvm.report.rule_list import rule_list
from igvm.report.rule_search import rules_about

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = rule_list().rules


STRADDLING = "random112.json"
"""Its run starts in memory that QEMU made for a page before, and goes on over a device. QEMU sees
the first and names the size; the rules are sure that it ends, and name the device."""


def found(text: str) -> list[str]:
    """The names of the rules that a text is about."""
    return [entry.name for entry in rules_about(ENTRIES, text)]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["device-tree"], "device tree not available"),
        (["device-tree"], "qemu-system-x86_64: IGVM:  Device Tree\tnot available\n"),
        (["InvalidChecksum"], "-18"),
        (["InvalidChecksum", "refused"], "Unable to parse IGVM file a b.igvm: -18"),
        (["InvalidFixedHeader", "refused"], "unable to parse igvm file x.igvm: -16"),
        (["device"], "at address 0xFEC00000 due to existing non-RAM region"),
        (["device"], "Could not prepare memory at address 0x1000 due to existing non-ram"),
        (["unknown-type"], "processing file: (type 0x30A)"),
        (["parameter-bounds"], "guest memory map size exceeds parameter area"),
        (["error-range"], "IGVM error range at GPA 0x1 with size 0x0 must be non-empty and 4-KiB"),
        (["platform-vtl"], "Error: SNP IGVM requests unsupported highest VTL 2"),
        (["unsupported-type"], "not yet implemented: Error Range not supported"),
        ([], "-99"),
        ([], "Unable to parse nothing at all"),
        ([], "  "),
    ],
)
def test_search(names: list[str], text: str) -> None:
    """Case, blanks and addresses do not count, a part will do, and so will more around it."""
    assert names == list(dict.fromkeys(found(text)))


def test_words() -> None:
    """What no program prints is looked for in the words of the rules."""
    assert "checksum" in found("checksum CRC-32")


def test_every_error_of_the_reference_has_a_result() -> None:
    """Where the crate does not panic, libigvm returns a number."""
    assert {rule.name for rule in REFERENCE_RULES.values() if rule.crashes} == {
        rule.name for rule in REFERENCE_RULES.values() if rule.result is None
    }


def test_every_message_is_found() -> None:
    """Each message that a rule has finds the rule, whatever stands for what varies."""
    for entry in ENTRIES:
        for message in entry.messages:
            shown = message.replace("{result}", "-11").replace("{", "0x1").replace("}", "0")
            assert (message, True) == (message, entry.name in found(shown))


def test_messages_of_real_runs(vectors: Path) -> None:
    """Every message that QEMU ended with leads to a rule that `check` has for that file."""
    seen = set()
    for path in sorted((vectors / "qemu").glob("*.json")):
        for run in json.loads(path.read_text())["runs"]:
            message = run.get("message")
            if run["accepted"] or not message or message in seen:
                continue
            seen.add(message)
            names = set(found(message))
            data = path.with_suffix(".igvm").read_bytes()
            machine = igvm.Machine(
                run["machine"], memory=run["memory_mib"] << 20, vcpus=run["cpus"], has_vga=False
            )
            try:
                file = igvm.parse(data)
            except igvm.FormatError:
                assert (message, True) == (message, "InvalidFixedHeader" in names)
                continue
            findings = igvm.lint(file, "qemu-tcg", machine=machine)
            errors = {finding.rule for finding in findings if finding.is_error}
            if path.name == STRADDLING:
                errors = {rule.replace("/device", "/region-edge") for rule in errors}
            assert (message, True) == (
                message,
                not names.isdisjoint(rule.rpartition("/")[2] for rule in errors),
            )
            if "loader/qemu-tcg/refused" in errors:
                (error,) = [finding for finding in igvm.check(file, "igvm-0.4") if finding.is_error]
                assert (message, True) == (message, error.rule.partition("/")[2] in names)
    assert len(seen) > 50
