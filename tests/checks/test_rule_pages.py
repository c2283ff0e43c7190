"""The pages of the rules, made from their declarations."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from igvm.checks.reference import REFERENCE_RULES
from igvm.checks.rule import SPEC_RULES
from igvm.checks.specification import load

ROOT = Path(__file__).resolve().parents[2]

load()


def _generator() -> Any:
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "generate_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_rule_gets_a_page(tmp_path: Path) -> None:
    """There is a page for each rule and an index, and a page of an old rule goes."""
    (tmp_path / "old-rule.md").write_text("old")
    _generator().generate(tmp_path)
    answers = {f"igvm.{name}.md" for name in REFERENCE_RULES}
    expected = {f"{name}.md" for name in SPEC_RULES} | answers | {"index.md", "reference.md"}
    assert expected == {path.name for path in tmp_path.iterdir()}


def test_a_page_of_the_reference_says_what_it_does(tmp_path: Path) -> None:
    """Words, releases and source are on the page, and a crash is called one."""
    _generator().generate(tmp_path)
    text = (tmp_path / "igvm.panic.relocation-alignment-zero.md").read_text()
    rule = REFERENCE_RULES["panic.relocation-alignment-zero"]
    assert rule.words[1:] in text
    assert ":Releases: 0.4.0, 0.5.0" in text
    assert rule.source in text
    assert "The crate panics here" in text


def test_a_page_has_everything_that_is_declared(tmp_path: Path) -> None:
    """Words, severity, source and rationale of the rule are on its page."""
    _generator().generate(tmp_path)
    text = (tmp_path / "page-alignment.md").read_text()
    rule = SPEC_RULES["page-alignment"]
    assert text.startswith("# page-alignment\n\nThe gpa of a PAGE_DATA must be")
    assert ":Severity: error" in text
    assert f":Source: {rule.source}" in text
    assert text.endswith(f"{rule.rationale}\n")
    assert "[page-alignment](page-alignment.md)" in (tmp_path / "index.md").read_text()


def test_pages_that_did_not_change_are_left_alone(tmp_path: Path) -> None:
    """Sphinx builds again only what is new."""
    generator = _generator()
    before = {path: path.stat().st_mtime_ns for path in generator.generate(tmp_path)}
    assert before == {path: path.stat().st_mtime_ns for path in generator.generate(tmp_path)}


@pytest.mark.parametrize("name", SPEC_RULES)
def test_a_rule_is_worded_like_the_others(name: str) -> None:
    """Names are kebab-case, words are one clause, and there is a source and a rationale."""
    rule = SPEC_RULES[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|checksum|architecture", name)
    assert rule.words[:1].islower() or rule.words[:2].isupper()
    assert not rule.words.endswith((".", ";"))
    assert rule.source
    assert rule.rationale.endswith(".")
