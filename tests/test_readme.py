"""The front door: README.md, whose code blocks tests/pages runs, and the sample it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link: str) -> None:
    """What the README points to is there."""
    assert (ROOT / link).exists()


def test_the_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    """examples/hello.igvm is made by examples/make_hello.py and by nothing else."""
    path = tmp_path / "hello.igvm"
    subprocess.run([sys.executable, ROOT / "examples" / "make_hello.py", path], check=True)
    assert path.read_bytes() == (ROOT / "examples" / "hello.igvm").read_bytes()
