"""The page of the documentation that lists the loader rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from igvm.launch.lint import LOADERS, loader_rules
from igvm.launch.lint.page import page

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def test_the_page_is_up_to_date() -> None:
    """What is kept is what the declarations say, as the command in it prints."""
    kept = (DOCS / "loaders.md").read_text(encoding="utf-8")
    assert kept == page()
    command = [sys.executable, "-m", "igvm.launch.lint.page"]
    assert kept == subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_page_lists_everything() -> None:
    """Every loader, every rule and every source is on the page."""
    text = page()
    for loader in LOADERS.values():
        assert f"`{loader.name}`" in text
    for rule in loader_rules():
        assert f"\n### {rule.name}: {rule.severity.name.lower()}\n" in text
        assert rule.source in text
    assert "{" not in text
