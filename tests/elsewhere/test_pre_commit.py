"""The hooks for pre-commit: what it would run for them, run on files of a repository."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import igvm
from tests.small_files import built_guests

ROOT = Path(__file__).resolve().parents[2]
LIST: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
HOOKS = {hook["id"]: hook for hook in LIST}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with two sound images, and one with a wrong checksum."""
    built_guests.hello_guest().save(tmp_path / "hello.igvm")
    built_guests.hello_guest().save(tmp_path / "two words.igvm")
    data = bytearray((tmp_path / "hello.igvm").read_bytes())
    data[20] ^= 1
    (tmp_path / "bad.igvm").write_bytes(data)
    return tmp_path


def run(name: str, folder: Path, files: list[str], *args: str) -> subprocess.CompletedProcess[str]:
    """A hook as pre-commit calls it: its entry in words, its arguments, and the files."""
    hook = HOOKS[name]
    command = [*shlex.split(hook["entry"]), *(args or hook.get("args", [])), *files]
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env={"PATH": search, "COLUMNS": "80"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_take_igvm_files(name: str) -> None:
    """A hook is installed with pip, and looks at files by their ending."""
    assert "python" == HOOKS[name]["language"]
    assert re.search(HOOKS[name]["files"], "images/guest.igvm")
    assert not re.search(HOOKS[name]["files"], "guest.igvm.txt")


def test_every_hook_is_in_the_guide() -> None:
    """The guide shows each hook by its name."""
    guide = (ROOT / "docs" / "guides" / "in-ci.md").read_text(encoding="utf-8")
    assert [] == [name for name in HOOKS if f"- id: {name}\n" not in guide]


def test_a_commit_of_sound_files_passes(images: Path) -> None:
    """Several files are checked in one go."""
    done = run("igvm-check", images, ["hello.igvm", "two words.igvm"])
    assert (0, "") == (done.returncode, done.stderr)


def test_a_commit_of_an_unsound_file_stops(images: Path) -> None:
    """One file with an error is enough; the arguments of the guide are taken."""
    done = run("igvm-check", images, ["hello.igvm", "bad.igvm"], "--rules", "all")
    assert 1 == done.returncode
    assert "FIXED_HEADER.checksum" in done.stdout


def test_digests_of_each_file_are_printed(images: Path) -> None:
    """The options stand before --, the files after it, one at a time."""
    files, options = ["hello.igvm", "two words.igvm"], ["--platform", "SEV_SNP", "--bare", "--"]
    done = run("igvm-measure", images, files, *options)
    digest = igvm.measure(igvm.open(images / "hello.igvm"), "snp").digest.hex()
    assert (0, "") == (done.returncode, done.stderr)
    assert f"hello.igvm\n{digest}\ntwo\\ words.igvm\n{digest}\n" == done.stdout


def test_without_options_all_platforms_are_measured(images: Path) -> None:
    """The arguments by default end the options at once."""
    done = run("igvm-measure", images, ["hello.igvm"])
    assert 0 == done.returncode
    assert "VSM_ISOLATION" in done.stdout


def test_a_file_that_no_loader_takes_stops_a_commit(images: Path) -> None:
    """The hook fails where one of the files does, and goes on to the others."""
    done = run("igvm-measure", images, ["bad.igvm", "hello.igvm"])
    assert 1 == done.returncode
    assert "\nhello.igvm\n" in done.stdout
