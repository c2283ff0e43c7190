"""`igvm rewrite`, `igvm schema`, `igvm completion`, and the manual page."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.cli.app import VERBS
from igvm.report import schemas

if TYPE_CHECKING:
    from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "man" / "igvm.1"


def test_rewrite(run: Run, folder: Path) -> None:
    """A file is written again, byte for byte."""
    result = run("rewrite", "full.igvm", "-o", "copy.igvm")
    assert "copy.igvm: identical to full.igvm, 14,736 bytes\n" == result.stdout
    assert (folder / "full.igvm").read_bytes() == (folder / "copy.igvm").read_bytes()
    assert 0 == result.exit_code


def test_rewrite_canonical(run: Run, folder: Path) -> None:
    """The canonical form is what the library makes, and it is said that it differs."""
    result = run("rewrite", "--canonical", "full.igvm", "-o", "canonical.igvm")
    canonical = (folder / "canonical.igvm").read_bytes()
    assert igvm.canonical(igvm.open(folder / "full.igvm")).to_bytes() == canonical
    expected = f"canonical.igvm: differs from full.igvm, {len(canonical):,} bytes from 14,736\n"
    assert (expected, 0) == (result.stdout, result.exit_code)
    again = run("rewrite", "--canonical", "canonical.igvm", "-o", "again.igvm")
    assert again.stdout.startswith("again.igvm: identical to canonical.igvm")


def test_rewrite_does_not_overwrite(run: Run, folder: Path) -> None:
    """A file that exists stays, unless --force says otherwise."""
    before = (folder / "good.igvm").read_bytes()
    result = run("rewrite", "full.igvm", "-o", "good.igvm")
    assert "igvm: good.igvm: the file exists\n" in result.stderr
    assert "hint: " in result.stderr
    assert 3 == result.exit_code
    assert before == (folder / "good.igvm").read_bytes()
    assert 0 == run("rewrite", "--force", "full.igvm", "-o", "good.igvm").exit_code
    assert (folder / "full.igvm").read_bytes() == (folder / "good.igvm").read_bytes()


@pytest.mark.parametrize("verb", schemas.NAMES)
def test_schema(run: Run, verb: str) -> None:
    """The schema of a verb is printed."""
    value = json.loads(run("schema", verb).stdout)
    assert f"igvm.{verb}/1" == value["title"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    """The completion script is one that the shell takes."""
    result = run("completion", shell)
    assert "_IGVM_COMPLETE" in result.stdout
    assert 0 == result.exit_code
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} to ask")
    subprocess.run([program, "-n"], input=result.stdout, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    ("completed", "words"),
    [
        ({"check", "completion"}, "igvm c"),
        ({"PAGE_DATA", "PAGE_TABLE_RELOCATION_REGION"}, "igvm dump --type page-"),
        ({"SEV", "SEV_SNP", "SEV_ES"}, "igvm dump --platform sev"),
        ({"short"}, "igvm info --json s"),
    ],
)
def test_what_completes(
    run: Run, monkeypatch: pytest.MonkeyPatch, completed: set[str], words: str
) -> None:
    """Verbs, options and the names of the format are completed."""
    monkeypatch.setenv("_IGVM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    lines = run().stdout.splitlines()
    assert completed == {line.partition(",")[2] for line in lines}


def test_manual_page_is_up_to_date() -> None:
    """The manual page is the one that the commands give."""
    script = runpy.run_path(str(ROOT / "docs" / "generate_man.py"))
    assert script["page"]() == PAGE.read_text(), "run docs/generate_man.py"


def test_manual_page_has_every_verb() -> None:
    """Each verb has its section."""
    text = PAGE.read_text()
    assert all(f".SS igvm {verb} " in text for verb in VERBS)


def test_manual_page_is_sound() -> None:
    """Formatters have nothing to say about the manual page."""
    if shutil.which("mandoc"):
        command = ["mandoc", "-T", "lint", "-W", "error", str(PAGE)]
    elif shutil.which("groff"):
        command = ["groff", "-man", "-ww", "-T", "utf8", str(PAGE)]
    else:
        pytest.skip("there is neither mandoc nor groff to ask")
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "" == result.stderr
