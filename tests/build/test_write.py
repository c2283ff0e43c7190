"""The writer: the fixed header, the layout and the limits of 32 bits."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

import igvm
from igvm import Architecture, ValidationError
from igvm.write.deduplication import References
from igvm.write.writer import write
from tests.small_files import raw
from tests.small_files.contents import PAGE


def columns(*rows: tuple[int, int, int, int]) -> tuple[np.ndarray, ...]:
    """The columns of references, one row each."""
    return tuple(np.array(rows, np.int64).reshape(-1, 4).T)


def section(*headers: bytes) -> np.ndarray:
    """A writable header section."""
    return np.frombuffer(bytearray(b"".join(headers)), np.uint8)


def test_no_data() -> None:
    """A file without data ends with its headers."""
    expected = raw.file(raw.platform())
    assert expected == b"".join(write(section(raw.platform()), References.none(), revision=1))


def test_version_2() -> None:
    """A version 2 file says its architecture and page size."""
    expected = raw.file(raw.platform(), version=2, architecture=1, page_size=65536)
    parts = write(
        section(raw.platform()),
        References.none(),
        revision=2,
        architecture=Architecture.AARCH64,
        page_size=65536,
    )
    assert expected == b"".join(parts)


def test_later_versions_have_the_version_2_header() -> None:
    """A version that is not known yet is written as it was read."""
    expected = raw.file(raw.platform(), version=3)
    assert expected == b"".join(write(section(raw.platform()), References.none(), revision=3))


def test_data_follows_the_headers() -> None:
    """Data lies right after the headers, in their order, equal blobs once."""
    headers = raw.platform() + raw.page(0) + raw.page(0x1000) + raw.page(0x2000)
    buffer = memoryview(bytes(4096) + PAGE)
    refs = References(
        [buffer], *columns((44, 0, 4096, 4096), (76, 0, 0, 4096), (108, 0, 4096, 4096))
    )
    start = 24 + len(headers)
    pages = (start, start + 4096, start)
    written = raw.platform() + b"".join(raw.page(i << 12, at) for i, at in enumerate(pages))
    expected = raw.file(written, data=PAGE + bytes(4096))
    assert expected == b"".join(write(section(headers), refs, revision=1))


def test_neighbours_are_one_part() -> None:
    """Data that lies in a row in memory is one part, and no copy."""
    data = bytes(range(256)) * 32
    headers = section(raw.platform(), raw.page(0), raw.page(0x1000))
    halves = bytes(4096), memoryview(data)
    refs = References(
        [memoryview(halves[0]), halves[1]], *columns((44, 1, 0, 4096), (76, 1, 1, 4096))
    )
    assert 4 == len(write(headers, refs, revision=1))
    refs = References(
        [memoryview(bytes(range(250)) * 40)], *columns((44, 0, 0, 4096), (76, 0, 4096, 4096))
    )
    parts = write(headers, refs, revision=1)
    assert [24, 88, 8192] == [len(part) for part in parts]
    assert parts[2].obj is refs.buffers[0].obj  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"revision": 0}, "no format version 0"),
        ({"revision": 1, "architecture": Architecture.AARCH64}, "version 1 file is X64"),
        ({"revision": 1, "page_size": 65536}, "version 1 file is X64"),
        ({"revision": 2, "page_size": 0}, "not a power of two"),
        ({"revision": 2, "page_size": 4095}, "not a power of two"),
    ],
)
def test_fixed_header_that_cannot_be(more: dict[str, int], message: str) -> None:
    """What a fixed header cannot say is refused."""
    with pytest.raises(ValidationError, match=message):
        write(section(raw.platform()), References.none(), **more)  # type: ignore[arg-type]


def test_file_over_4_gib() -> None:
    """A file of more than 2^32 - 1 bytes is refused, with the limit, before it is put together."""
    size = (1 << 31) - 8
    mapping = mmap.mmap(-1, 2 * size, mmap.MAP_PRIVATE)  # zero pages that nobody touches
    refs = References([memoryview(mapping)], *columns((44, 0, 0, size), (76, 0, 16, size + 8)))
    headers = section(raw.platform(), raw.page(0), raw.page(0x1000))
    with pytest.raises(ValidationError, match=r"total_file_size has 32 bits \(0xffffffff\)"):
        write(headers, refs, revision=1)


def test_checksum_and_size_are_right() -> None:
    """A file as it is written has the checksum and the size that it says."""
    file = igvm.parse(b"".join(write(section(raw.platform()), References.none(), revision=2)))
    assert file.checksum == file.fixed_header.checksum
    assert len(file.buffer) == file.fixed_header.total_file_size
