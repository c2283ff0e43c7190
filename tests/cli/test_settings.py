"""Options said in `igvm.toml`, or in `[tool.igvm]` of pyproject.toml."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_release_gates import DEBUG

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def _in_folder(folder: Path) -> None:
    """A file with one warning, `policy-debug`, stands in the current directory."""
    (folder / "debug.igvm").write_bytes(DEBUG)


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        ("igvm.toml", 'fail-on = "policy-debug"', "igvm.toml"),
        ("igvm.toml", 'fail-on = ["checksum", "warning"]\nignore = []', "igvm.toml"),
        ("pyproject.toml", '[tool.igvm]\nfail-on = ["warning"]', "pyproject.toml [tool.igvm]"),
    ],
    ids=["a text", "a list", "a table of the project"],
)
def test_a_file_says_it(run: Run, folder: Path, name: str, text: str, source: str) -> None:
    """What it says counts, and the last line says where it stands."""
    (folder / name).write_text(text)
    result = run("check", "debug.igvm")
    assert 1 == result.exit_code
    assert f"settings: {source}" == result.stdout.splitlines()[-1]
    assert source == json.loads(run("check", "debug.igvm", "--json").stdout)["settings"]


def test_what_is_ignored_is_said(run: Run, folder: Path) -> None:
    """A file that hides a finding does not hide that it does."""
    (folder / "igvm.toml").write_text('ignore = "policy-debug"')
    result = run("check", "debug.igvm", "--fail-on", "warning")
    assert 0 == result.exit_code
    assert "1 ignored (policy-debug)" in result.stdout
    assert result.stdout.endswith("settings: igvm.toml\n")


def test_the_command_line_wins(run: Run, folder: Path) -> None:
    """What is said on the command line is not taken from the file, nor is the file named."""
    (folder / "igvm.toml").write_text('fail-on = "policy-debug"')
    result = run("check", "debug.igvm", "--fail-on", "error")
    assert 0 == result.exit_code
    assert "settings" not in result.stdout
    assert json.loads(run("check", "debug.igvm", "--fail-on", "error", "--json").stdout)[
        "settings"
    ] is None  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ['[project]\nname = "x"', '[project]\nname = "igvm"', '[tool.other]\nfail-on = "note"'],
)
def test_files_of_others(run: Run, folder: Path, text: str) -> None:
    """A project that says nothing to igvm changes nothing."""
    (folder / "pyproject.toml").write_text(text)
    result = run("check", "debug.igvm")
    assert 0 == result.exit_code
    assert "settings" not in result.stdout


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("igvm.toml", "fail-n = 1", "igvm.toml: there is no key 'fail-n'; did you mean fail-on?"),
        (
            "pyproject.toml",
            "[tool.igvm.check]\nx = 1",
            "pyproject.toml [tool.igvm]: there is no key 'check'; there are fail-on, ignore",
        ),
        (
            "igvm.toml",
            "[tool.igvm]\nx = 1",
            "igvm.toml: the keys stand there without [tool.igvm]",
        ),
        (
            "igvm.toml",
            'json = "short"',
            "igvm.toml: json is for the command line; there are fail-on, ignore",
        ),
        ("igvm.toml", "ignore = 3", "igvm.toml: ignore is a text or a list of texts"),
        ("igvm.toml", 'ignore = ["x", 3]', "igvm.toml: ignore is a text or a list of texts"),
        (
            "igvm.toml",
            'ignore = "policy-debg"',
            "igvm.toml: ignore: there is no rule 'policy-debg'; did you mean policy-debug?",
        ),
        ("pyproject.toml", "tool = {igvm = 3}", "pyproject.toml: tool.igvm is no table"),
    ],
)
def test_what_no_file_may_say(run: Run, folder: Path, name: str, text: str, message: str) -> None:
    """A key or a value that is not understood is refused with its place."""
    (folder / name).write_text(text)
    result = run("check", "debug.igvm")
    assert (f"igvm: check: {message}\nhint: see igvm check --help\n", "", 2) == (
        result.stderr,
        result.stdout,
        result.exit_code,
    )


@pytest.mark.parametrize(
    "data",
    [b"igvm = [", b"\xff\xfe igvm", b"x = " + b"[" * 5000 + b"# igvm"],
    ids=["open", "no text", "deep"],
)
@pytest.mark.parametrize("name", ["igvm.toml", "pyproject.toml"])
def test_no_toml(run: Run, folder: Path, name: str, data: bytes) -> None:
    """A file that is no TOML is a usage error in one line."""
    (folder / name).write_bytes(data)
    result = run("check", "debug.igvm")
    assert result.stderr.startswith(f"igvm: check: {name} is not TOML: ")
    assert (2, 2) == (result.stderr.count("\n"), result.exit_code)


def test_two_files(run: Run, folder: Path) -> None:
    """Neither of two is passed over in silence."""
    (folder / "igvm.toml").write_text("")
    (folder / "pyproject.toml").write_text("[tool.igvm]")
    result = run("check", "debug.igvm")
    assert "both have settings; keep one" in result.stderr
    assert 2 == result.exit_code


def test_no_regular_file(run: Run, folder: Path) -> None:
    """A pipe that nobody writes to is not waited for, and a large file not read."""
    os.mkfifo(folder / "igvm.toml")
    assert "igvm.toml is no regular file" in run("check", "debug.igvm").stderr
    (folder / "igvm.toml").unlink()
    with (folder / "igvm.toml").open("wb") as stream:
        stream.truncate(1 << 40)
    assert "igvm.toml is larger than 1,048,576 bytes" in run("check", "debug.igvm").stderr


def test_help_and_other_verbs_do_not_look(run: Run, folder: Path) -> None:
    """A wrong file is in the way of no help text, and of no verb that takes nothing from it."""
    (folder / "igvm.toml").write_text("[")
    for arguments in (["check", "--help"], ["info", "debug.igvm"], ["rules", "checksum"]):
        assert 0 == run(*arguments).exit_code
