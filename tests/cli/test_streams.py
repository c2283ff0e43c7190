"""Files that are pipes, devices, folders, closed, endless or not there: what every verb does."""

from __future__ import annotations

import os
import pty
import re
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.samples import EVERY_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMAND = [sys.executable, "-m", "igvm"]

READERS = {
    "check": ["check", "{}"],
    "diff": ["diff", "{}", "good.igvm"],
    "dump": ["dump", "{}"],
    "explain": ["explain", "{}"],
    "find": ["find", "00" * 48, "{}"],
    "info": ["info", "{}"],
    "measure": ["measure", "{}"],
    "rewrite": ["rewrite", "{}", "-o", "out.igvm"],
}
"""Every verb that reads a file, with a place for its name."""

FULL = EVERY_HEADER["x64 v1"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end, in little memory."""
    # With a limit on memory, reading without end is an error and no harm to the machine.
    limited = ["prlimit", f"--as={2 << 30}", *COMMAND, *arguments]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        limited, check=False, **{"capture_output": True, "timeout": 60, **options}
    )


def reading(verb: str, name: str) -> list[str]:
    """The arguments with which `verb` reads the file `name`."""
    return [word.format(name) for word in READERS[verb]]


@pytest.mark.parametrize("name", ["/dev/zero", "-"])
@pytest.mark.parametrize("verb", READERS)
def test_no_end_and_no_file(folder: Path, verb: str, name: str) -> None:
    """Of what is endless and does not start as a file, only the start is read."""
    with open("/dev/zero", "rb") as zero:
        result = run(*reading(verb, name), cwd=folder, stdin=zero)
    said = result.stdout + result.stderr
    assert b"magic is 0x00000000" in said
    assert said.count(b"\n") < 5
    assert 3 == result.returncode


@pytest.fixture
def endless() -> Callable[[], int]:
    """A function that opens a pipe out of which come a file and then zeroes without end."""
    data = raw.file(raw.platform(2), raw.page(0x1000))
    opened = []

    def feed(handle: int) -> None:
        try:
            os.write(handle, data)
            while True:
                os.write(handle, bytes(65536))
        except OSError:  # nobody reads any more
            os.close(handle)

    def start() -> int:
        reader, writer = os.pipe()
        opened.append(reader)
        threading.Thread(target=feed, args=(writer,), daemon=True).start()
        return reader

    return start


@pytest.mark.parametrize("verb", READERS)
def test_a_file_that_goes_on_without_end(
    folder: Path, endless: Callable[[], int], verb: str
) -> None:
    """No more is read than the fixed header tells of, and a little; that there is more is said."""
    reader = endless()
    result = run(*reading(verb, "-"), cwd=folder, stdin=reader)
    os.close(reader)
    message, hint = result.stderr.decode().splitlines()
    assert message.startswith("igvm: <stdin>+0x10: FIXED_HEADER.total_file_size: the file is to ")
    assert hint.startswith("hint: a pipe or a device is not read further")
    assert (b"", 3) == (result.stdout, result.returncode)
    assert not (folder / "out.igvm").exists()


@pytest.mark.parametrize("more", [0, 1, 5000, 1 << 20], ids=str)
def test_what_follows_a_file_in_a_pipe_is_kept(folder: Path, more: int) -> None:
    """A pipe with a little more than the fixed header tells of is read like a file with as much."""
    data = FULL + bytes(more)
    result = run("rewrite", "-", "-o", "out.igvm", cwd=folder, input=data)
    assert (b"", 0) == (result.stderr, result.returncode)
    assert data == (folder / "out.igvm").read_bytes()
    (folder / "same.igvm").write_bytes(data)
    by_pipe = run("check", "-", cwd=folder, input=data)
    by_name = run("check", "same.igvm", cwd=folder)
    assert by_pipe.stdout.replace(b"<stdin>", b"same.igvm") == by_name.stdout
    assert by_pipe.returncode == by_name.returncode


def test_a_regular_file_as_standard_input_is_read_whole(folder: Path) -> None:
    """However much follows, a file has an end."""
    data = FULL + bytes(3 << 20)
    (folder / "long.igvm").write_bytes(data)
    with open(folder / "long.igvm", "rb") as stream:
        result = run("rewrite", "-", "-o", "out.igvm", cwd=folder, stdin=stream)
    assert (b"", 0) == (result.stderr, result.returncode)
    assert data == (folder / "out.igvm").read_bytes()


@pytest.mark.parametrize("verb", READERS)
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_a_pipe(folder: Path, verb: str, name: str) -> None:
    """Standard input by either name is read like the file."""
    called = rb"full\.igvm|<stdin>|/dev/stdin|(?<!\S)-(?!\S)"
    (folder / "full.igvm").write_bytes(FULL)
    by_pipe = run(*reading(verb, name), cwd=folder, input=FULL)
    (folder / "out.igvm").unlink(missing_ok=True)
    by_name = run(*reading(verb, "full.igvm"), cwd=folder)
    assert (by_pipe.returncode, by_name.stderr.count(b"\n")) == (
        by_name.returncode,
        by_pipe.stderr.count(b"\n"),
    )
    lines = [
        [line.split() for line in re.sub(called, b"X", result.stdout).splitlines()]
        for result in (by_pipe, by_name)
    ]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("verb", READERS)
def test_closed_input(folder: Path, verb: str) -> None:
    """Without a standard input there is nothing to read: one line."""
    result = run(*reading(verb, "-"), cwd=folder, preexec_fn=lambda: os.close(0))
    assert b"igvm: standard input is closed\n" == result.stderr
    assert (b"", 3) == (result.stdout, result.returncode)


def test_closed_input_is_nobodys_place(folder: Path) -> None:
    """With all that is standard closed, the result is written and nothing else into it."""

    def close() -> None:
        os.close(0)
        os.close(2)

    result = run(
        "rewrite",
        "good.igvm",
        "-o",
        "out.igvm",
        cwd=folder,
        preexec_fn=close,
        capture_output=False,
        stdout=subprocess.PIPE,
    )
    assert 0 == result.returncode
    assert (folder / "good.igvm").read_bytes() == (folder / "out.igvm").read_bytes()


@pytest.mark.parametrize("verb", READERS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "'': No such file or directory"),
        (".", ".: Is a directory"),
        ("good.igvm/", "good.igvm/: Not a directory"),
        ("loop", "loop: Too many levels of symbolic links"),
        ("missing/file", "missing/file: No such file or directory"),
        ("/proc/self/mem", "/proc/self/mem: Input/output error"),
        ("socket", "socket: No such device or address"),
    ],
)
def test_what_cannot_be_read(folder: Path, verb: str, name: str, message: str) -> None:
    """One line with the name, and what the system says."""
    (folder / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        result = run(*reading(verb, name), cwd=folder)
    assert f"igvm: {message}\n".encode() == result.stderr
    assert (b"", 3) == (result.stdout, result.returncode)


@pytest.mark.parametrize("verb", READERS)
def test_no_permission(folder: Path, verb: str) -> None:
    """A file that may not be read is one line."""
    (folder / "good.igvm").chmod(0)
    command = [*COMMAND, *reading(verb, "good.igvm")]
    if os.geteuid() == 0:  # who may read all, unless it is taken away
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    result = subprocess.run(command, check=False, capture_output=True, timeout=60, cwd=folder)
    assert b"igvm: good.igvm: Permission denied\n" == result.stderr
    assert (b"", 3) == (result.stdout, result.returncode)


@pytest.mark.parametrize("name", ["/proc/self/status", "/proc/self/maps", "/sys/kernel/mm"])
def test_what_the_kernel_makes_up(folder: Path, name: str) -> None:
    """Files of /proc, which have no size, are read."""
    result = run("info", name, cwd=folder)
    assert 3 == result.returncode
    assert 2 >= len(result.stderr.splitlines())


def test_a_file_of_sys_that_cannot_be_mapped(folder: Path) -> None:
    """Files of /sys have a size and no mapping; they are read."""
    name = "/sys/kernel/mm/transparent_hugepage/enabled"
    if not os.path.exists(name):
        pytest.skip("there is no such file")
    result = run("info", name, cwd=folder)
    assert b"FIXED_HEADER" in result.stderr
    assert 3 == result.returncode


# Where rewrite writes to.


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/fd/1"])
def test_to_standard_output(folder: Path, output: str) -> None:
    """The bytes go to standard output, and nothing else."""
    result = run("rewrite", "full.igvm", "-o", output, cwd=folder)
    assert ((folder / "full.igvm").read_bytes(), b"", 0) == (
        result.stdout,
        result.stderr,
        result.returncode,
    )


def test_through_a_pipe(folder: Path) -> None:
    """From standard input to standard output, in the canonical form too."""
    result = run("rewrite", "--canonical", "-", "-o", "-", cwd=folder, input=FULL)
    assert igvm.canonical(igvm.parse(FULL)).to_bytes() == result.stdout


@pytest.mark.parametrize("force", [False, True])
def test_not_to_a_terminal(folder: Path, *, force: bool) -> None:
    """A terminal is no place for bytes, unless one insists."""
    ours, theirs = pty.openpty()
    result = run(
        "rewrite",
        "good.igvm",
        "-o",
        "-",
        *(["--force"] if force else []),
        cwd=folder,
        stdout=theirs,
        stderr=subprocess.PIPE,
        capture_output=False,
    )
    os.close(theirs)
    if force:
        assert b"IGVM" == os.read(ours, 4)
    else:
        assert result.stderr.startswith(b"igvm: rewrite: standard output is a terminal")
    assert (0 if force else 2) == result.returncode
    os.close(ours)


def test_broken_pipe(folder: Path) -> None:
    """A reader that goes away ends a rewrite as quietly as other verbs."""
    (folder / "large.igvm").write_bytes(FULL + bytes(1 << 20))
    with subprocess.Popen(
        [*COMMAND, "rewrite", "large.igvm", "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert b"" == process.stderr.read()
        assert 141 == process.wait(60)


@pytest.mark.parametrize("output", ["there", "there/", "there/.", "."])
def test_into_a_folder(folder: Path, output: str) -> None:
    """In a folder that is there a file gets the name of the one that was read."""
    (folder / "there").mkdir()
    (folder / "from").mkdir()
    (folder / "full.igvm").rename(folder / "from" / "full.igvm")
    result = run("rewrite", "from/full.igvm", "-o", output, cwd=folder)
    assert (b"", 0) == (result.stderr, result.returncode)
    assert FULL == (folder / output / "full.igvm").read_bytes()
    assert os.path.join(output, "full.igvm").encode() in result.stdout
    again = run("rewrite", "from/full.igvm", "-o", output, cwd=folder)
    assert (3, 2) == (again.returncode, len(again.stderr.splitlines()))


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("good.igvm", "new/", "new/: there is no such folder"),
        ("good.igvm", "new/file", "new/file: cannot write: No such file or directory"),
        ("good.igvm", "", "cannot write: the name of the file is empty"),
        ("good.igvm", "bad.igvm/", "bad.igvm/: cannot write: Not a directory"),
        ("-", ".", ".: this is a folder; name the file in it"),
        ("good.igvm", "bad.igvm", "bad.igvm: the file exists"),
        ("good.igvm", ".", "./good.igvm: the file exists"),
    ],
)
def test_where_nothing_is_written(folder: Path, source: str, output: str, message: str) -> None:
    """One line, exit code 3, and no file that was not there."""
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    result = run("rewrite", source, "-o", output, cwd=folder, input=FULL)
    assert f"igvm: {message}\n".encode() == result.stderr.partition(b"hint")[0]
    assert (b"", 3) == (result.stdout, result.returncode)
    assert before == {path: path.stat().st_ino for path in folder.iterdir()}


def test_into_a_pipe_and_a_device(folder: Path) -> None:
    """A named pipe and a device take the bytes, and stay what they are."""
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=folder, stdout=subprocess.PIPE) as reader:
        result = run("rewrite", "full.igvm", "-o", "pipe", cwd=folder)
        assert reader.stdout is not None
        assert FULL == reader.stdout.read()
    assert (b"", 0) == (result.stderr, result.returncode)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)
    assert 0 == run("rewrite", "full.igvm", "-o", "/dev/null", cwd=folder).returncode
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("output", ["-", "/dev/full"])
def test_a_device_that_is_full(folder: Path, output: str) -> None:
    """What the device says is told in one line."""
    with open("/dev/full", "wb") as full:
        result = run(
            "rewrite",
            "full.igvm",
            "-o",
            output,
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            capture_output=False,
        )
    where = b"" if output == "-" else b"/dev/full: "
    assert (b"igvm: " + where + b"No space left on device\n", 3) == (
        result.stderr,
        result.returncode,
    )


def test_what_killed_runs_left(folder: Path) -> None:
    """Unfinished files in the folder are named, and left."""
    left = [folder / f".igvm-{number:016x}" for number in range(5)]
    for path in left:
        path.write_bytes(b"half")
    result = run("rewrite", "good.igvm", "-o", "out.igvm", cwd=folder)
    assert 0 == result.returncode
    notes = result.stderr.decode().splitlines()
    assert f"note: {left[0]} is left from a run that was killed, and can be deleted" == notes[0]
    assert "note: there are 2 more of these" == notes[3]
    assert all(path.exists() for path in left)


@pytest.mark.parametrize("option", ["--kernel", "--initrd"])
def test_a_kernel_without_end(guests: Path, option: str) -> None:
    """Other files than the first are bounded too, by a limit that is told."""
    files = {"--kernel": "kernel", "--initrd": "kernel"} | {option: "/dev/zero"}
    options = [word for pair in files.items() for word in pair]
    loader = ["--loader", "cloud-hypervisor-kvm", "--vcpus", "1"]
    command = [*COMMAND, "measure", "guest.igvm", *loader, *options]
    result = subprocess.run(command, check=False, capture_output=True, timeout=120, cwd=guests)
    message = b"igvm: /dev/zero: more than 1,073,741,824 bytes, and no regular file\n"
    assert (message, 3) == (result.stderr, result.returncode)
