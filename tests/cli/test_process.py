"""The command as a process: pipes, terminals, start-up."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.small_files import raw

COMMAND = [sys.executable, "-m", "igvm"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*COMMAND, *arguments], check=False, **{"capture_output": True, "timeout": 60, **options}
    )


def test_output_and_code(folder: Path) -> None:
    """What is found goes to standard output, and the exit code tells."""
    result = run("check", "bad.igvm", cwd=folder)
    assert result.stdout.startswith(b"bad.igvm: 1 error")
    assert (b"", 1) == (result.stderr, result.returncode)


@pytest.mark.parametrize("arguments", [["dump", "--no-join"], ["dump", "--json", "--no-join"]])
def test_broken_pipe(folder: Path, arguments: list[str]) -> None:
    """A reader that goes away ends the command quietly, as SIGPIPE would."""
    heads = raw.platform(2) + raw.page(0x1000) * 20_000
    (folder / "large.igvm").write_bytes(raw.file(heads))
    with subprocess.Popen(
        [*COMMAND, *arguments, "large.igvm"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"" == process.stderr.read()
        assert 141 == process.wait(60)


def _reads_input(pid: int) -> bool:
    """Whether a process is in read(0, ...): on x86-64, system call 0 on file 0."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text(encoding="ascii").startswith("0 0x0 ")
    except OSError:
        return False


def test_interrupt(folder: Path) -> None:
    """Ctrl-C ends the command quietly with the shell's code."""
    with subprocess.Popen(
        [*COMMAND, "info", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        # A shell starts its background jobs, of which CI may be one, with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        waiting = time.monotonic() + 60
        while not _reads_input(process.pid) and time.monotonic() < waiting:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert (b"", b"", 130) == (stdout, stderr, process.returncode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_full_disk(folder: Path) -> None:
    """A result that cannot be written is an error in one line."""
    with open("/dev/full", "wb") as full:
        result = run(
            "info",
            "good.igvm",
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
    assert (b"igvm: No space left on device\n", 3) == (result.stderr, result.returncode)


def test_letters_that_the_terminal_lacks(folder: Path) -> None:
    """Letters that the output's encoding lacks are written as escapes."""
    data = raw.file(raw.platform(), raw.header(0x107, "é中".encode()))
    (folder / "version.igvm").write_bytes(data)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = run("info", "version.igvm", cwd=folder, env=environment)
    assert b'version     "\\xe9\\u4e2d"\n' in result.stdout
    assert 0 == result.returncode


def on_terminal(folder: Path, **environment: str) -> bytes:
    """What `igvm info` prints on a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [*COMMAND, "info", "good.igvm"],
            stdout=theirs,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)
        shown = b""
        try:
            while part := terminal.read(4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        assert 0 == process.wait(60)
    return shown.replace(b"\r\n", b"\n")


@pytest.fixture
def no_colour_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing about colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_colour_wish")
def test_colour_on_a_terminal(folder: Path) -> None:
    """A terminal gets colours and, without them, the same text as a pipe."""
    plain = run("info", "good.igvm", cwd=folder).stdout
    coloured = on_terminal(folder)
    assert b"\x1b[32migvm 0.5 and igvm 0.4: accepted\x1b[0m" in coloured
    assert b"\x1b" not in plain
    assert plain == on_terminal(folder, NO_COLOR="1")
    assert plain == on_terminal(folder, TERM="dumb")
    assert plain == on_terminal(folder, NO_COLOR="1", COLUMNS="30")


def modules(*arguments: str) -> set[str]:
    """The top-level packages that a run of the command loads."""
    command = [sys.executable, "-X", "importtime", "-m", "igvm", *arguments]
    lines = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stderr
    return {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in lines.splitlines()
        if line.startswith("import time:")
    }


def test_version_loads_nothing() -> None:
    """`igvm --version` does not even load click."""
    assert not modules("--version") & {"click", "msgspec", "numpy", "rich"}


@pytest.mark.parametrize("arguments", [["--help"], ["dump", "--help"], ["completion", "bash"]])
def test_help_loads_little(arguments: list[str]) -> None:
    """Help is quick: nothing heavy is loaded."""
    assert not modules(*arguments) & {"numpy", "rich", "cryptography", "msgspec"}


def test_plain_output_does_without_rich(folder: Path) -> None:
    """Only a terminal needs rich."""
    assert "rich" not in modules("info", str(folder / "good.igvm"))


def test_measure_loads_what_it_needs(tmp_path: Path) -> None:
    """Measuring reads no table of registers that no context of the file has."""
    path = tmp_path / "small.igvm"
    path.write_bytes(raw.file(raw.platform(2), raw.page(0x1000)))
    command = [sys.executable, "-X", "importtime", "-m", "igvm", "measure", str(path)]
    result = subprocess.run(command, capture_output=True, check=False, timeout=60, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert {"igvm.measurement.measure", "numpy"} < loaded
    assert not loaded & {"igvm.spec.hyperv", "igvm.checks.specification", "rich", "cryptography"}


def test_profiler_sees_the_end(folder: Path) -> None:
    """A profiler gets to write what it found: the command leaves in a hurry only when alone."""
    command = [sys.executable, "-m", "cProfile", "-o", "profile", "-m", "igvm", "info", "good.igvm"]
    subprocess.run(command, capture_output=True, check=True, timeout=60, cwd=folder)
    assert (folder / "profile").stat().st_size > 0


@pytest.mark.parametrize("arguments", [["--version"], ["info", "good.igvm"]])
def test_closed_output(folder: Path, arguments: list[str]) -> None:
    """Without a standard output there is nowhere to put a result: an error in one line."""
    result = run(
        *arguments,
        cwd=folder,
        preexec_fn=lambda: os.close(1),
        capture_output=False,
        stderr=subprocess.PIPE,
    )
    assert (b"igvm: standard output is closed\n", 3) == (result.stderr, result.returncode)


def test_closed_errors(folder: Path) -> None:
    """Without a standard error a result is still a result, and the exit code tells of an error."""
    whole = run("info", "good.igvm", cwd=folder)
    quiet = run(
        "info",
        "good.igvm",
        cwd=folder,
        preexec_fn=lambda: os.close(2),
        capture_output=False,
        stdout=subprocess.PIPE,
    )
    missing = run(
        "info", "none.igvm", cwd=folder, preexec_fn=lambda: os.close(2), capture_output=False
    )
    assert (whole.stdout, 0) == (quiet.stdout, quiet.returncode)
    assert 3 == missing.returncode
