"""`igvm.open_inside`: the file in a DLL or in what is compressed, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.file.inside import GROWTH, LEAST
from igvm.file.read import SURPLUS
from tests.small_files import dll, raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES = raw.file(raw.platform(), raw.page(0x1000, raw.at(0)), data=bytes(range(256)) * 64)
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
EACH = pytest.mark.parametrize("name", COMPRESS)
SMALL = raw.file(raw.platform())
ZSTD = (
    b"\x28\xb5\x2f\xfd\x20"
    + bytes([len(SMALL)])
    + (len(SMALL) << 3 | 1).to_bytes(3, "little")
    + SMALL
)
"""A frame of one segment with one raw block, the last (RFC 8878, 3.1.1)."""
HAS_ZSTD = sys.version_info >= (3, 14)


def opened(folder: Path, data: bytes) -> igvm.IgvmFile:
    """What is inside `data` as a file."""
    path = folder / "wrapped"
    path.write_bytes(data)
    return igvm.open_inside(path)


def refusal(folder: Path, data: bytes) -> igvm.FormatError:
    """Why nothing inside `data` is read."""
    with pytest.raises(igvm.FormatError) as error:
        opened(folder, data)
    return error.value


@pytest.mark.parametrize("copy", [False, True])
def test_a_file_itself(tmp_path: Path, *, copy: bool) -> None:
    """An IGVM file is opened as `igvm.open` does."""
    path = tmp_path / "guest.igvm"
    path.write_bytes(PAGES)
    file = igvm.open_inside(path, copy=copy)
    assert (PAGES, str(path)) == (file.to_bytes(), file.path)


@EACH
def test_compressed(tmp_path: Path, name: str) -> None:
    """What comes out is the file, and its path says how."""
    file = opened(tmp_path, COMPRESS[name](PAGES))
    assert PAGES == file.to_bytes()
    assert f"{tmp_path / 'wrapped'} (decompressed with {name})" == file.path


@EACH
def test_an_error_names_the_place_in_the_file_inside(tmp_path: Path, name: str) -> None:
    """An offset is one of the file inside, and what stands before it says so."""
    error = refusal(tmp_path, COMPRESS[name](PAGES[:8] + b"\xff" * 4 + PAGES[12:]))
    assert str(error).startswith(f"{tmp_path / 'wrapped'} (decompressed with {name})+0x8: FIXED")


@EACH
def test_streams_one_after_the_other(tmp_path: Path, name: str) -> None:
    """Several streams, and zeroes behind them, are what the tools make one file of."""
    compress = COMPRESS[name]
    data = compress(PAGES[:1000]) + compress(b"") + compress(PAGES[1000:]) + bytes(40_000)
    assert PAGES == opened(tmp_path, data).to_bytes()


@EACH
def test_something_else_behind(tmp_path: Path, name: str) -> None:
    """What is no other stream is not dropped in silence."""
    data = COMPRESS[name](PAGES)
    error = refusal(tmp_path, data + bytes(3) + b"more")
    assert f"the {name} data ends here, and 4 bytes of something else follow" == error.message
    assert len(data) + 3 == error.offset


@EACH
def test_cut_short(tmp_path: Path, name: str) -> None:
    """A file cut anywhere behind its first bytes is refused."""
    data = COMPRESS[name](PAGES)
    for size in range(10, len(data)):
        error = refusal(tmp_path, data[:size])
        assert error.message.startswith((f"the {name} data is cut short", f"the {name} data ends"))


@EACH
def test_what_follows_the_file_is_kept(tmp_path: Path, name: str) -> None:
    """Bytes after total_file_size are read as those of a pipe, up to a mebibyte."""
    data = PAGES + bytes(SURPLUS)
    assert data == opened(tmp_path, COMPRESS[name](data)).to_bytes()
    error = refusal(tmp_path, COMPRESS[name](data + b"\0"))
    assert f"the file is to have {len(PAGES):,} bytes, and more than" in error.message
    assert "decompressed" in str(error.hint)


@EACH
def test_growth_is_bounded(tmp_path: Path, name: str) -> None:
    """However much a file claims to have, no more comes out than is in keeping with its size."""
    size = 2 * LEAST
    data = COMPRESS[name](raw.file(raw.platform(), total=size) + bytes(size))
    most = LEAST + GROWTH * len(data)
    assert f"more than {most:,} bytes come out of {len(data):,}" == refusal(tmp_path, data).message


def test_memory_of_xz_is_bounded(tmp_path: Path) -> None:
    """What wants to look back further than any level of xz does is refused, with the tool."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    error = refusal(tmp_path, lzma.compress(PAGES, filters=filters))
    assert "cannot be decompressed" in error.message
    assert "see what unxz says to it" == error.hint


@EACH
def test_not_a_second_time(tmp_path: Path, name: str) -> None:
    """What is compressed twice is decompressed once, and then named."""
    error = refusal(tmp_path, COMPRESS[name](gzip.compress(PAGES)))
    assert "this is not an IGVM file but compressed with gzip" in str(error.hint)


@pytest.mark.skipif(HAS_ZSTD, reason="this Python has zstd")
def test_zstd_without_a_module(tmp_path: Path) -> None:
    """Where the standard library has no zstd, the tool is named."""
    error = refusal(tmp_path, ZSTD)
    assert "compressed with zstd: decompress it first (unzstd)" in str(error.hint)


@pytest.mark.skipif(not HAS_ZSTD, reason="zstd is in the standard library from Python 3.14 on")
def test_zstd(tmp_path: Path) -> None:
    """Where the standard library has zstd, it is read through."""
    file = opened(tmp_path, ZSTD + ZSTD[:4] + b"\x20\x00\x01\x00\x00" + bytes(8))
    assert SMALL == file.to_bytes()


def test_a_dll(tmp_path: Path) -> None:
    """The resource is the file, of which every byte is a view into the mapping."""
    data = dll.dll({1: PAGES})
    file = opened(tmp_path, data)
    assert PAGES == file.to_bytes()
    assert f"{tmp_path / 'wrapped'} (resource VMFW/1 at {data.index(PAGES):#x})" == file.path


def test_a_dll_is_closed(tmp_path: Path) -> None:
    """A close that is refused leaves the file inside as it was; the next one closes it."""
    file = opened(tmp_path, dll.dll({1: PAGES}))
    held = file.buffer
    with pytest.raises(igvm.ValidationError, match="in use"):
        file.close()
    assert PAGES == file.to_bytes()
    assert PAGES[24:40] == file.section[:16]
    held.release()
    file.close()
    with pytest.raises(igvm.ValidationError, match="closed"):
        _ = file.buffer


@pytest.mark.parametrize("resources", [{}, {1: b"other" * 9}, {1: PAGES, 2: PAGES}], ids=len)
def test_a_dll_without_the_one_file(tmp_path: Path, resources: dict[int, bytes]) -> None:
    """None and several are refused with the error of what is no IGVM file."""
    error = refusal(tmp_path, dll.dll(resources))
    assert (0, "magic") == (error.offset, error.field)
    assert "a Windows DLL" in str(error.hint)


def test_a_pipe_with_a_dll_is_not_read_further() -> None:
    """Of what may have no end only the start is read where that is no IGVM file."""
    from igvm.file.inside import inside
    from igvm.storage.file_bytes import FileBytes

    data = FileBytes(memoryview(gzip.compress(PAGES)), has_more=True)
    assert data is inside(data, None)
