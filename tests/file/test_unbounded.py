"""What may have no end is read as far as the fixed header tells of, and a little further."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm import FormatError
from igvm.file.read import SURPLUS, bytes_wanted
from igvm.storage.file_bytes import START, cut_file, file_bytes, read
from tests.small_files import raw

if TYPE_CHECKING:
    from pathlib import Path

SMALL = raw.file(raw.platform(), raw.page(0x1000))


class Endless:
    """A stream that goes on with zeroes after its first bytes, and counts what is read."""

    def __init__(self, start: bytes) -> None:
        self.left, self.given = start, 0

    def fileno(self) -> int:
        """None of the system's.

        Raises:
            OSError: always.
        """
        raise OSError

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, as a pipe at most 64 KiB at a time."""
        assert size >= 0
        size = min(size, 65536)
        part, self.left = self.left[:size], self.left[size:]
        part = part or bytes(size)
        self.given += len(part)
        return part


def test_no_file() -> None:
    """Of what does not start as a file, only the start is read."""
    stream = Endless(b"")
    data = read(stream, bytes_wanted)
    assert bytes(START) == data.buffer
    assert START + 1 >= stream.given
    assert data.has_more


@pytest.mark.parametrize("size", [0, 5, len(SMALL), 1 << 20, 5 << 20], ids=str)
def test_a_file(size: int) -> None:
    """Of a file as much as it claims to have is read, and a byte beyond the surplus."""
    stream = Endless(raw.file(raw.platform(), raw.page(0x1000), total=size))
    data = read(stream, bytes_wanted)
    assert max(size, len(SMALL)) + SURPLUS == len(data.buffer)
    assert len(data.buffer) + 1 >= stream.given
    assert data.has_more


def test_all_headers_are_read() -> None:
    """The variable headers are read even where the file claims to have fewer bytes than they."""
    heads = raw.platform() + raw.page(0x1000) * 100_000
    stream = Endless(raw.file(heads, total=1))
    assert 24 + len(heads) + SURPLUS == len(read(stream, bytes_wanted).buffer)


def test_open_a_device() -> None:
    """A device without end is no file, and told as one."""
    with pytest.raises(FormatError, match=r"/dev/zero.*magic is 0x00000000"):
        igvm.open("/dev/zero")


@pytest.mark.parametrize("copy", [False, True])
def test_open_a_pipe_that_goes_on(tmp_path: Path, *, copy: bool) -> None:
    """The error says what the file claims to have, and where it says so."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def feed() -> None:
        with open(path, "wb", buffering=0) as stream:
            try:
                stream.write(SMALL)
                while True:
                    stream.write(bytes(65536))
            except BrokenPipeError:
                pass

    thread = threading.Thread(target=feed)
    thread.start()
    with pytest.raises(FormatError, match=f"to have {len(SMALL)} bytes, and more than") as error:
        igvm.open(path, copy=copy)
    thread.join()
    assert (16, "total_file_size", path) == (error.value.offset, error.value.field, path)


@pytest.mark.parametrize("copy", [False, True])
def test_a_regular_file_is_read_whole(tmp_path: Path, *, copy: bool) -> None:
    """A regular file has an end: all of it is there, whatever it claims."""
    path = tmp_path / "long.igvm"
    data = SMALL + bytes(3 * SURPLUS)
    path.write_bytes(data)
    assert data == igvm.open(path, copy=copy).to_bytes()


def test_which_file_is_cut(tmp_path: Path) -> None:
    """A mapped file that has become shorter is known by its name as long as it is open."""
    path = tmp_path / "guest.igvm"
    path.write_bytes(SMALL)
    file = igvm.open(path)
    assert cut_file() is None
    os.truncate(path, 40)
    assert str(path) == cut_file()
    os.truncate(path, len(SMALL))
    file.close()
    os.truncate(path, 40)
    assert cut_file() is None


def test_an_error_names_the_file(tmp_path: Path) -> None:
    """What can be opened and not read has its name in the error of the system."""
    with pytest.raises(IsADirectoryError) as error:
        file_bytes(tmp_path, bytes_wanted)
    assert str(tmp_path) == str(error.value.filename)
