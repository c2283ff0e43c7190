"""The front door: what README.md shows is what a user sees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import igvm

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
LINKS = re.findall(r"\]\((?!http)([^)#]+)\)", TEXT)


def test_the_output_of_every_command_is_current() -> None:
    """Each command prints what the README says it prints."""
    script = ROOT / "docs" / "fill_readme.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=range(len(PYTHON_BLOCKS)))
def test_every_python_block_runs(block: str, tmp_path: Path) -> None:
    """Each block of Python runs in a folder that holds nothing but the sample."""
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "hello.igvm", tmp_path / "examples")
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link: str) -> None:
    """What the README points to is there."""
    assert (ROOT / link).exists()


def test_the_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    """examples/hello.igvm is made by examples/make_hello.py and by nothing else."""
    path = tmp_path / "hello.igvm"
    subprocess.run([sys.executable, ROOT / "examples" / "make_hello.py", path], check=True)
    assert path.read_bytes() == (ROOT / "examples" / "hello.igvm").read_bytes()


def test_the_library_is_documented() -> None:
    """Every function of the package, and every class that is no part of the format, is there."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names = {name for name in igvm.__all__ if not name.startswith("__")}
    home = {name: getattr(igvm, name).__module__ for name in names}
    ours = {name for name in names if not home[name].startswith(("igvm.spec", "igvm.errors"))}
    assert set() == {name for name in ours if f":: igvm.{name}\n" not in page}
