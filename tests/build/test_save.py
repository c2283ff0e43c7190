"""Results reach the disk whole or not at all."""

from __future__ import annotations

import mmap
import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm import SaveError
from igvm.storage.save import save, unfinished
from tests.small_files import raw

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS: list[bytes | memoryview] = [
    b"head",
    memoryview(b"section"),
    b"",
    memoryview(b"data" * 50000),
]
WHOLE = b"".join(PARTS)


@pytest.fixture(autouse=True, params=["nameless", "named"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has files without names, and one that has not."""
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE")


def names(folder: Path) -> list[str]:
    """What is in `folder`, temporary files included."""
    return sorted(os.listdir(folder))


def test_new_file(tmp_path: Path) -> None:
    """A new file has all parts, the permissions that the umask leaves, and no company."""
    before = os.umask(0o027)
    try:
        save(tmp_path / "new", PARTS)
    finally:
        os.umask(before)
    assert WHOLE == (tmp_path / "new").read_bytes()
    assert 0o640 == stat.S_IMODE((tmp_path / "new").stat().st_mode)
    assert ["new"] == names(tmp_path)


def test_name_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare file name works."""
    monkeypatch.chdir(tmp_path)
    save("new", PARTS)
    assert WHOLE == (tmp_path / "new").read_bytes()


def test_existing_file_is_refused(tmp_path: Path) -> None:
    """An existing file stays, and the error says how to replace it."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    with pytest.raises(SaveError, match="the file exists") as error:
        save(path, PARTS)
    assert ("overwrite", "overwrite=True replaces it") == (error.value.missing, error.value.hint)
    assert str(path) == error.value.path
    assert b"old" == path.read_bytes()
    assert ["old"] == names(tmp_path)


def test_overwrite_keeps_permissions(tmp_path: Path) -> None:
    """A file that is replaced keeps its permissions."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(0o604)
    save(path, PARTS, overwrite=True)
    assert WHOLE == path.read_bytes()
    assert 0o604 == stat.S_IMODE(path.stat().st_mode)
    assert ["old"] == names(tmp_path)


def test_overwrite_makes_a_new_file_too(tmp_path: Path) -> None:
    """`overwrite` allows replacing and does not ask for it."""
    save(tmp_path / "new", PARTS, overwrite=True)
    assert WHOLE == (tmp_path / "new").read_bytes()


def test_symbolic_link_is_followed(tmp_path: Path) -> None:
    """Through a link the file it names is replaced, and the link stays."""
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "file"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(SaveError, match="the file exists"):
        save(link, PARTS)
    save(link, PARTS, overwrite=True)
    assert link.is_symlink()
    assert WHOLE == target.read_bytes()
    assert ["file"] == names(tmp_path / "there")


def test_link_to_nothing(tmp_path: Path) -> None:
    """Through a link to a file that is not there yet, that file is made."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    save(tmp_path / "link", PARTS)
    assert WHOLE == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_is_no_target(tmp_path: Path, *, overwrite: bool) -> None:
    """A folder is never replaced."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(SaveError, match="not a regular file"):
        save(tmp_path / "folder", PARTS, overwrite=overwrite)
    assert ["folder"] == names(tmp_path)


def test_pipe_is_no_target(tmp_path: Path) -> None:
    """A pipe, like a device, is not replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SaveError, match="not a regular file"):
        save(tmp_path / "pipe", PARTS, overwrite=True)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error of saving."""
    with pytest.raises(SaveError, match="No such file or directory"):
        save(tmp_path / "no" / "file", PARTS)


def test_full_disk(tmp_path: Path) -> None:
    """When the disk refuses bytes, the old file is as it was and nothing is left behind."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    # A limit on the size of files stands for a full disk; the kernel then fails the write.
    code = (
        "import resource, sys\n"
        "from igvm.errors import SaveError\n"
        "from igvm.storage.save import save\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))\n"
        "try:\n"
        "    save(sys.argv[1], [bytes(65536)] * 3, overwrite=True)\n"
        "except SaveError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, path],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    )
    assert f"{path}: cannot write: File too large" == done.stdout.strip()
    assert b"old" == path.read_bytes()
    assert ["old"] == names(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_failure_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """An error when the data reaches the disk or takes its name leaves everything as it was."""
    path = tmp_path / "old"
    path.write_bytes(b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(SaveError, match="Input/output error"):
        save(path, PARTS, overwrite=True)
    assert b"old" == path.read_bytes()
    assert ["old"] == names(tmp_path)


def test_failure_of_the_parts(tmp_path: Path) -> None:
    """An error in making the parts comes through, and nothing is left behind."""

    def parts() -> Iterator[bytes]:
        yield bytes(1 << 20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "new", parts())
    assert [] == names(tmp_path)


def test_name_taken_meanwhile(tmp_path: Path) -> None:
    """A file that appears while the parts are written is not taken over."""

    def parts() -> Iterator[bytes]:
        (tmp_path / "new").write_bytes(b"theirs")
        yield b"ours"

    with pytest.raises(SaveError, match="the file exists"):
        save(tmp_path / "new", parts())
    assert b"theirs" == (tmp_path / "new").read_bytes()
    assert ["new"] == names(tmp_path)


@pytest.mark.parametrize("taken", [False, True])
def test_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    """A file system without hard links does as well."""

    def refuse(_source: str, target: str, **_options: object) -> None:
        if taken:
            Path(target).write_bytes(b"theirs")
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    if taken:
        with pytest.raises(SaveError, match="the file exists"):
            save(tmp_path / "new", PARTS)
    else:
        save(tmp_path / "new", PARTS)
    assert (b"theirs" if taken else WHOLE) == (tmp_path / "new").read_bytes()
    assert ["new"] == names(tmp_path)


def test_temporary_name_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary name that is taken is not used."""
    tokens = iter(["taken", "free"])
    monkeypatch.setattr(secrets, "token_hex", lambda _size: next(tokens))
    (tmp_path / ".igvm-taken").write_bytes(b"theirs")
    save(tmp_path / "new", PARTS, overwrite=True)
    assert [] == list(tokens)
    assert b"theirs" == (tmp_path / ".igvm-taken").read_bytes()
    assert WHOLE == (tmp_path / "new").read_bytes()


def test_replaced_while_open(tmp_path: Path) -> None:
    """A file that is mapped can be replaced by itself; the view keeps the old bytes."""
    path = tmp_path / "guest.igvm"
    path.write_bytes(raw.file(raw.platform()))
    with igvm.open(path) as file:
        before = path.stat().st_ino
        file.save(path, overwrite=True)
        assert before != path.stat().st_ino
        assert path.read_bytes() == file.to_bytes()


@pytest.mark.parametrize("mode", [0o6755, 0o4711, 0o2644, 0o1600])
def test_no_rights_of_the_owner_for_others(tmp_path: Path, mode: int) -> None:
    """Set-user-ID and set-group-ID are for the program that was there, not for what replaces it."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(mode)
    save(path, PARTS, overwrite=True)
    assert mode & 0o1777 == stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_overwrite_keeps_owner_and_group(tmp_path: Path) -> None:
    """A file that root replaces stays its owner's and its group's."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    path.chmod(0o640)
    save(path, PARTS, overwrite=True)
    status = path.stat()
    assert (1234, 4321, 0o640) == (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


@pytest.mark.parametrize(("old", "new"), [(0o664, 0o644), (0o660, 0o600), (0o626, 0o626)], ids=oct)
def test_overwrite_by_one_who_may_not_give_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: int, new: int
) -> None:
    """Where the group can't be kept, the new one gets no more than everybody."""
    path = tmp_path / "old"
    path.write_bytes(b"old")
    path.chmod(old)
    real = os.fstat

    def fstat(handle: int) -> os.stat_result:
        """What it is, of a group that the file to be replaced is not of."""
        values = list(real(handle))
        values[stat.ST_GID] += 1
        return os.stat_result(values)

    def refuse(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fstat", fstat)
    monkeypatch.setattr(os, "fchown", refuse)
    save(path, PARTS, overwrite=True)
    assert new == stat.S_IMODE(path.stat().st_mode)


def test_folder_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the bytes reach the disk, then the name."""
    synced = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), (tmp_path / "new").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    save(tmp_path / "new", PARTS)
    assert [(False, False), (True, True)] == synced


@pytest.mark.parametrize("name", ["new/", "new/.", "new/../new/"])
def test_a_folder_that_is_not_there(tmp_path: Path, name: str) -> None:
    """A name that only a folder can have makes no file without the slash."""
    with pytest.raises(SaveError, match="no such folder"):
        save(f"{tmp_path}/{name}", PARTS)
    assert [] == names(tmp_path)


def test_empty_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name is said to be one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SaveError, match="the name of the file is empty"):
        save("", PARTS)


@pytest.mark.parametrize("overwrite", [False, True])
def test_link_to_itself(tmp_path: Path, *, overwrite: bool) -> None:
    """A symbolic link that leads nowhere is an error of saving."""
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(SaveError, match="symbolic links"):
        save(tmp_path / "link", PARTS, overwrite=overwrite)
    assert (tmp_path / "link").is_symlink()


def test_bytes_that_are_gone(tmp_path: Path) -> None:
    """A mapped file that became shorter is said so, and what is there stays."""
    (tmp_path / "source").write_bytes(bytes(1 << 20))
    (tmp_path / "old").write_bytes(b"old")
    with open(tmp_path / "source", "rb") as stream:
        mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    os.truncate(tmp_path / "source", 5000)
    with pytest.raises(SaveError, match="became shorter"):
        save(tmp_path / "old", [memoryview(mapping)], overwrite=True)
    assert b"old" == (tmp_path / "old").read_bytes()
    assert ["old", "source"] == names(tmp_path)


KILLED = """
import os, signal, sys
if sys.argv[2] == "named":
    del os.O_TMPFILE
from igvm.storage.save import save

def parts():
    yield bytes(1 << 20)
    os.kill(os.getpid(), signal.SIGKILL)

save(sys.argv[1], parts())
"""


@pytest.mark.parametrize(("system", "left"), [("nameless", 0), ("named", 1)])
def test_what_a_killed_run_leaves(tmp_path: Path, system: str, left: int) -> None:
    """Nothing where files can do without a name; else a file that the next run finds and names."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "new"), system]
    done = subprocess.run(command, check=False, env=environment)
    assert -signal.SIGKILL == done.returncode
    assert left == len(names(tmp_path))
    assert [str(tmp_path / name) for name in names(tmp_path)] == unfinished(tmp_path / "new")


def test_what_is_not_left(tmp_path: Path) -> None:
    """Files that are being written, of other names, and what is no file are not named."""
    (tmp_path / ".igvm-notes").write_bytes(b"")
    (tmp_path / ".igvm-0123456789abcdef").mkdir()
    os.mkfifo(tmp_path / ".igvm-0123456789abcdee")
    (tmp_path / ".igvm-0123456789abcded").symlink_to("notes")
    seen = []

    def parts() -> Iterator[bytes]:
        yield bytes(1 << 20)
        seen.append(unfinished(tmp_path / "new"))

    save(tmp_path / "new", parts(), overwrite=True)
    assert [[]] == seen
    assert [] == unfinished(tmp_path / "new")
    assert [] == unfinished(tmp_path / "none" / "new")
