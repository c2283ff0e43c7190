"""Results reach the disk whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm import SaveError
from igvm.storage.save import save
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


@pytest.mark.parametrize("call", ["fsync", "replace"])
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

    def refuse(_source: str, target: str) -> None:
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
    save(tmp_path / "new", PARTS)
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
