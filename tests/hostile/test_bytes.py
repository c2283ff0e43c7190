"""Truncation at every byte and every single-bit flip of the headers: nothing but IgvmError."""

from __future__ import annotations

import pytest

import igvm
from igvm.checks import RULE_SETS
from tests.hostile.everything import bounded, use
from tests.small_files.raw import with_checksum
from tests.small_files.samples import EVERY_HEADER

FILES = pytest.mark.parametrize("data", EVERY_HEADER.values(), ids=EVERY_HEADER.keys())


def _header_size(data: bytes) -> int:
    return int.from_bytes(data[8:12], "little") + int.from_bytes(data[12:16], "little")


def _long_bodies(data: bytes) -> list[tuple[int, int]]:
    """Where the ID block and the VBS measurement lie, past their first fields."""
    headers = igvm.parse(data).headers
    return [
        (header.offset + 48, header.offset + 8 + len(header.body))
        for header in headers
        if len(header.body) > 256
    ]


@FILES
def test_the_sample_itself_is_readable(data: bytes) -> None:
    """The samples are files, or flipping their bits would prove little."""
    assert use(data)


@FILES
def test_truncation_at_every_byte_of_the_headers(data: bytes) -> None:
    """A file cut anywhere is refused or read, with its checksum right or wrong."""
    readable = 0
    for size in range(_header_size(data) + 64):
        use(data[:size], show=size % 16 == 0)
        readable += use(with_checksum(data[:8]) + data[8:size], show=False)
    assert readable == 64


@FILES
def test_truncation_of_the_file_data(data: bytes) -> None:
    """A file cut in its data is read, and what is missing is refused where it is asked for."""
    for size in range(_header_size(data), len(data), 61):
        assert use(data[:size], show=False)


@pytest.mark.slow
@FILES
def test_headers_cut_at_every_byte(data: bytes) -> None:
    """A variable header section that ends anywhere, with all sums right, is read."""
    start = int.from_bytes(data[8:12], "little")
    for size in range(_header_size(data) - start + 1):
        cut = bytearray(data)
        cut[12:16] = size.to_bytes(4, "little")
        assert use(with_checksum(cut), show=size % 32 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("data", [EVERY_HEADER["x64 v2"], EVERY_HEADER["arm"]], ids=["x64", "arm"])
@pytest.mark.parametrize("bit", range(8))
def test_every_single_bit_flip_of_the_headers(data: bytes, bit: int) -> None:
    """Any one bit of any header byte may flip, with the checksum made right again."""
    long = _long_bodies(data)
    for position in range(_header_size(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << bit
        bent = bytes(flipped) if 20 <= position < 24 else with_checksum(flipped)
        # The keys and digests are long and no rule reads them bit by bit.
        fast = any(start <= position < end for start, end in long) and (position + bit) % 8
        use(bent, show=position % 32 == bit, rules=("igvm-0.5",) if fast else RULE_SETS)


@FILES
def test_memory_is_bounded_by_the_size(data: bytes) -> None:
    """Doing everything with a file takes memory in proportion to its size."""
    bounded(data)
    assert data
