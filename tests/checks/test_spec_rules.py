"""Every rule of the specification: a file that breaks it, and sound files that do not."""

from __future__ import annotations

import pytest

import igvm
from igvm.checks.rule import SPEC_RULES
from igvm.checks.specification import load
from tests.checks import examples_directive, examples_file, examples_init
from tests.small_files.sound_files import SOUND, NamedFile

load()
EXAMPLES = examples_file.EXAMPLES | examples_init.EXAMPLES | examples_directive.EXAMPLES


def findings(file: NamedFile | bytes) -> list[igvm.Finding]:
    """What the specification says about `file`."""
    return igvm.check(igvm.parse(file.to_bytes() if isinstance(file, NamedFile) else file))


def test_every_rule_has_a_file_that_breaks_it() -> None:
    """A rule without an example here is not tested."""
    assert list(SPEC_RULES) == sorted(EXAMPLES, key=list(SPEC_RULES).index)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_has_no_findings(name: str) -> None:
    """No rule speaks up about a file that has everything and nothing wrong."""
    assert [] == [str(finding) for finding in findings(SOUND[name])]


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_rule_finds_what_breaks_it(rule: str) -> None:
    """One thing is wrong in the file, and the rules that it breaks are the ones that say so."""
    file, also = EXAMPLES[rule]
    assert {rule} | also == {finding.rule for finding in findings(file)}


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_finding_points_at_a_place(rule: str) -> None:
    """A finding has the severity and words of its rule, one line, and a place in the file."""
    file, _ = EXAMPLES[rule]
    size = len(file.to_bytes() if isinstance(file, NamedFile) else file)
    for finding in findings(file):
        declared = SPEC_RULES[finding.rule]
        assert declared.severity == finding.severity
        assert finding.message.endswith(declared.words)
        assert finding.message.isprintable()
        assert finding.offset is not None
        assert 0 <= finding.offset <= size
