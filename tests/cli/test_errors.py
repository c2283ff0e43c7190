"""What goes wrong: one line, perhaps a hint, and the exit code that says which kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click
import pytest

import igvm
from igvm import report
from igvm.cli.app import VERBS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("arguments", [[], *([verb] for verb in VERBS)], ids=" ".join)
def test_help(run: Run, arguments: list[str]) -> None:
    """Help goes to standard output, nothing to standard error, in 80 columns."""
    result = run(*arguments, "--help")
    assert result.stdout.startswith("Usage: igvm")
    assert ("", 0) == (result.stderr, result.exit_code)
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stdout == run(*arguments, "-h").stdout


def test_version(run: Run) -> None:
    """The version, however it is asked for."""
    assert f"igvm {igvm.__version__}\n" == run("--version").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["info"],
        ["info", "--nonsense", "good.igvm"],
        ["info", "good.igvm", "full.igvm"],
        ["info", "--json=nonsense", "good.igvm"],
        ["dump", "--section", "nonsense", "good.igvm"],
        ["dump", "--type", "nonsense", "good.igvm"],
        ["dump", "--index", "a:b", "good.igvm"],
        ["dump", "--index", ":", "good.igvm"],
        ["dump", "--address", "-5", "good.igvm"],
        ["dump", "--data", "-1", "good.igvm"],
        ["check"],
        ["check", "--rules", "igvm-9", "good.igvm"],
        ["rewrite", "good.igvm"],
        ["rewrite", "good.igvm", "out.igvm"],
        ["info", "-j", "good.igvm"],
        ["schema", "nonsense"],
        ["completion", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage(run: Run, arguments: list[str]) -> None:
    """A wrong command line is one line and a hint on standard error, and exit code 2."""
    result = run(*arguments)
    assert ("", 2) == (result.stdout, result.exit_code)
    message, hint = result.stderr.splitlines()
    assert message.startswith("igvm: ")
    assert hint.startswith("hint: see igvm")


def test_no_verb(run: Run) -> None:
    """Without a verb, the help is shown, and it is a usage error."""
    result = run()
    assert ("", 2) == (result.stdout, result.exit_code)
    assert result.stderr.startswith("Usage: igvm")


@pytest.mark.parametrize("arguments", [["info"], ["dump"], ["dump", "--json"], ["rewrite"]])
def test_unreadable(run: Run, arguments: list[str]) -> None:
    """A file that is no IGVM file is a line with the place, and a hint."""
    rest = ["-o", "out.igvm"] if arguments == ["rewrite"] else []
    result = run(*arguments, "none.igvm", *rest)
    assert (
        "igvm: none.igvm+0x0: FIXED_HEADER.magic: magic is 0x68746f6e and not 0x4d564749\n"
        "hint: this is not an IGVM file but text\n"
    ) == result.stderr
    assert ("", 3) == (result.stdout, result.exit_code)


@pytest.mark.parametrize("verb", ["info", "dump", "check"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.igvm", "No such file or directory"), (".", "Is a directory")],
)
def test_no_file(run: Run, verb: str, name: str, message: str) -> None:
    """A file that cannot be opened is a line with what the system says."""
    result = run(verb, name)
    assert (f"igvm: {name}: {message}\n", 3) == (result.stderr, result.exit_code)


def test_a_name_cannot_steer_the_terminal(run: Run) -> None:
    """The name of a file is escaped in messages too."""
    result = run("info", "a\x1b[31m\nb")
    assert "igvm: a\\x1b[31m\\nb: No such file or directory\n" == result.stderr


def raises(error: BaseException) -> object:
    """A function that raises `error`."""

    def stand_in(*_: object, **__: object) -> NoReturn:
        raise error

    return stand_in


@pytest.mark.parametrize(
    ("code", "stderr", "error"),
    [
        (4, "igvm: qemu is missing\nhint: install it\n", igvm.ToolError("qemu is missing")),
        (130, "", KeyboardInterrupt()),
        (130, "", click.Abort()),
        (141, "", BrokenPipeError()),
        (3, "igvm: No space left on device\n", OSError(28, "No space left on device")),
    ],
    ids=["missing tool", "interrupted", "aborted", "broken pipe", "full disk"],
)
def test_exit_codes(
    run: Run, monkeypatch: pytest.MonkeyPatch, code: int, stderr: str, error: BaseException
) -> None:
    """Every kind of failure has its exit code, and none a traceback."""
    if isinstance(error, igvm.ToolError):
        error.hint = "install it"
    monkeypatch.setattr(report, "info", raises(error))
    result = run("info", "good.igvm")
    assert (code, stderr, "") == (result.exit_code, result.stderr, result.stdout)


def test_as_a_function(folder: Path) -> None:
    """Without click's standalone mode, errors come out as exceptions."""
    from igvm.cli.app import app

    with pytest.raises(igvm.FormatError):
        app.main(["info", str(folder / "none.igvm")], standalone_mode=False)
