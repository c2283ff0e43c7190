"""The page of the documentation that lists the loader rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from igvm.launch.lint import all_rules
from igvm.launch.loader_table import loaders_named
from igvm.measurement.technology_table import technologies

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    """What is kept is what the declarations say, as the command in it prints."""
    kept = (DOCS / "loaders.md").read_text(encoding="utf-8")
    command = [sys.executable, str(DOCS / "generate_loaders.py")]
    assert kept == subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_page_lists_everything() -> None:
    """Every loader, every rule, every source and every axis is on the page."""
    text = (DOCS / "loaders.md").read_text(encoding="utf-8")
    for loader in loaders_named("all", tools=False):
        assert f"`{loader.name}`" in text
    for rule, _ in all_rules():
        assert f"\n### {rule.name}: {rule.severity.name.lower()}\n" in text
        assert rule.source in text
    for technology in technologies().values():
        for axis in technology.axes:
            assert f"`{axis.name}`" in text
    assert "{who}" not in text
