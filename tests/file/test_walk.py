"""The walk over the variable headers: runs, alternation, and where it stops."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.file.walk import walk
from tests.small_files import raw


def _plain(section: bytes) -> tuple[list[int], list[int], int]:
    """The same walk, header by header, in the plainest way."""
    offsets, types, position = [], [], 0
    while position + 8 <= len(section):
        kind, length = struct.unpack_from("<II", section, position)
        if position + 8 + length > len(section):
            break
        offsets.append(position)
        types.append(kind)
        position += 8 + (length + 7) // 8 * 8
    return offsets, types, min(position, len(section))


def _walked(section: bytes) -> tuple[list[int], list[int], int]:
    headers = walk(memoryview(section))
    return headers.offsets.tolist(), headers.types.tolist(), headers.end


PAGE = raw.page(0x1000)
COUNT = raw.parameter(0x307, 0)
CONTEXT = raw.context(0)

SECTIONS = {
    "empty": b"",
    "one": PAGE,
    "short run": PAGE * 5,
    "run": PAGE * 1000,
    "run of runs": (PAGE * 50 + COUNT * 50) * 10,
    "alternating": (PAGE + COUNT) * 500,
    "run then odd": PAGE * 300 + CONTEXT + PAGE * 300,
    "unaligned lengths": CONTEXT * 100,
    "last without padding": PAGE * 20 + CONTEXT[:-4],
    "trailing bytes": PAGE * 20 + b"\x01\x02\x03",
    "trailing prefix": PAGE * 20 + struct.pack("<II", 0x302, 24),
    "length past the end": PAGE * 20 + struct.pack("<II", 0x302, 25) + bytes(24),
    "length of all ones": PAGE + struct.pack("<II", 0x302, 0xFFFFFFFF) + PAGE,
    "no bodies": struct.pack("<II", 0x3FF, 0) * 100,
    "same type, other length": PAGE * 30 + raw.header(0x302, bytes(16)) * 30,
}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS.keys())
def test_walk_equals_the_plain_loop(section: bytes) -> None:
    """Runs or not, the headers found are those of a plain loop."""
    assert _plain(section) == _walked(section)


@given(
    st.lists(st.tuples(st.sampled_from([PAGE, COUNT, CONTEXT]), st.integers(1, 40)), max_size=6),
    st.binary(max_size=40),
)
def test_walk_of_any_mixture(parts: list[tuple[bytes, int]], tail: bytes) -> None:
    """Any sequence of runs, followed by anything, is walked as a plain loop does."""
    section = b"".join(header * count for header, count in parts) + tail
    assert _plain(section) == _walked(section)


@given(st.binary(max_size=400))
def test_walk_of_anything(section: bytes) -> None:
    """Random bytes are walked as a plain loop does."""
    assert _plain(section) == _walked(section)
