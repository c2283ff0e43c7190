"""DLLs and compressed files that are bent: nothing but FormatError, and work by their size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import igvm
from igvm.file.inside import GROWTH, LEAST, inside
from igvm.file.other_files import igvm_resources, other_file_hint
from igvm.sources.file_kinds import file_kind
from igvm.sources.pe import MOST_RESOURCES, pe_image, resources
from igvm.storage.file_bytes import FileBytes
from tests.hostile.peak_memory import peak_memory
from tests.small_files import dll, raw

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

GUEST = raw.file(raw.platform(), raw.page(0x1000))
DLL = dll.dll({1: GUEST})
WRAPPED = {
    "dll": DLL,
    "gzip": gzip.compress(GUEST, mtime=0),
    "xz": lzma.compress(GUEST),
    "bzip2": bz2.compress(GUEST),
}
EACH = pytest.mark.parametrize("data", WRAPPED.values(), ids=WRAPPED)
MEBIBYTE = 1 << 20
SECONDS = 10
"""Of a processor, for what takes a tenth of one; see test_bounds."""


def use(data: bytes) -> str | None:
    """Open what is inside `data`; the message of what is refused."""
    view = memoryview(data)
    if not data.startswith(b"IGVM"):
        hint = other_file_hint(view)
        assert "\n" not in hint
        assert len(hint) < 1000
    try:
        part = inside(FileBytes(view), "file")
        igvm.parse(part.buffer)
    except igvm.FormatError as error:
        return str(error)
    return None


@EACH
def test_every_byte_cut(data: bytes) -> None:
    """A wrapped file that ends anywhere is refused, and all of it is not."""
    assert all(use(data[:size]) for size in range(len(data)))
    assert use(data) is None


@EACH
def test_every_bit_flipped(data: bytes) -> None:
    """A wrapped file with any one bit bent is read or refused."""
    bits = range(8) if len(data) < 512 else range(1)
    step = dll.OFFSET if data == DLL else 0
    places = [*range(400), *range(step, len(data))] if step else range(len(data))
    for position in places:
        for bit in bits:
            bent = bytearray(data)
            bent[position] ^= 1 << (bit + position) % 8
            use(bytes(bent))


NUMBERS = (0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, dll.HIGH, dll.HIGH | 24, 0xFFFFFFF0, 0xFFFFFFFF)


def test_every_number_of_a_dll_at_its_edges() -> None:
    """Offsets, sizes and counts that wrap or lead anywhere are read or refused."""
    end = DLL.index(GUEST)
    for position in [*range(60, 400, 2), *range(dll.OFFSET, end, 2)]:
        for number in NUMBERS:
            use(DLL[:position] + struct.pack("<I", number) + DLL[position + 4 :])


@given(st.binary(max_size=200))
def test_any_resource_directory(section: bytes) -> None:
    """Whatever the directory is, what is found in it is in the file."""
    data = dll.image(section)
    image = pe_image(memoryview(data))
    assert image is not None
    try:
        found = resources(memoryview(data), image, "VMFW")
    except igvm.FormatError:
        return
    assert all(0 <= each.offset <= each.offset + each.size <= len(data) for each in found)


@given(
    st.sampled_from(sorted(WRAPPED)),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
)
def test_any_bytes_bent(name: str, places: list[tuple[int, int]]) -> None:
    """Several bytes bent at once are read or refused."""
    bent = bytearray(WRAPPED[name])
    for position, value in places:
        bent[position % len(bent)] = value
    use(bytes(bent))


@given(st.binary(max_size=300))
def test_any_bytes_have_a_kind_or_none(data: bytes) -> None:
    """Whatever the bytes, what they are is said in one line or not at all."""
    words = file_kind(memoryview(data))
    assert words is None or "\n" not in words


TABLE = dll.HIGH | 24
NAME = dll.HIGH | 0xF000
LOOPS = {
    "a type that is the root": dll.table((NAME, dll.HIGH), named=1),
    "a name that is its own table": dll.table((NAME, TABLE), named=1) + dll.table((1, TABLE)),
    "a language that is the root": (
        dll.table((NAME, TABLE), named=1) + dll.table((1, dll.HIGH | 48)) + dll.table((9, dll.HIGH))
    ),
}


@pytest.mark.parametrize("section", LOOPS.values(), ids=LOOPS)
def test_tables_in_circles(section: bytes) -> None:
    """Three levels are followed, wherever they lead."""
    data = memoryview(dll.image(section.ljust(0xF000, b"\0") + dll.name("VMFW")))
    with pytest.raises(igvm.FormatError):
        igvm_resources(data)
    assert "a Windows DLL whose resources cannot be read" in other_file_hint(data)


def test_a_fourth_level_is_said() -> None:
    """A table where a resource should be is a table too many."""
    section = LOOPS["a language that is the root"]
    data = memoryview(dll.image(section.ljust(0xF000, b"\0") + dll.name("VMFW")))
    with pytest.raises(igvm.FormatError, match="resource VMFW/1 has a fourth level") as error:
        igvm_resources(data)
    assert dll.OFFSET == error.value.offset


def _crowded_types() -> bytes:
    """As many types as a table can have, none of which is looked for."""
    entries = [(dll.HIGH | 0x100010, TABLE)] * 65535
    return dll.table(*entries, named=65535).ljust(0x100010, b"\0") + dll.name("VMFX") * 2


def _crowded_names() -> bytes:
    """As many names as a table can have, each of which leads to the same."""
    root = dll.table((dll.HIGH | 0x100010, TABLE), named=1)
    language = 24 + 16 + 8 * 65535
    names = dll.table(*[(number, dll.HIGH | language) for number in range(65535)])
    leaf = dll.table((9, language + 24)) + struct.pack("<IIII", dll.ADDRESS, 16, 0, 0)
    return (root + names + leaf).ljust(0x100010, b"\0") + dll.name("VMFW")


@pytest.mark.parametrize(
    ("section", "count"), [(_crowded_types(), 0), (_crowded_names(), MOST_RESOURCES)]
)
def test_work_in_a_crowded_directory(section: bytes, count: int) -> None:
    """Of many types each is looked at once, of many resources so many and no more."""
    data = memoryview(dll.image(section))
    image = pe_image(data)
    assert image is not None
    start = time.process_time()
    assert count == len(resources(data, image, "VMFW"))
    assert SECONDS > time.process_time() - start


def test_no_more_sections_than_windows_loads() -> None:
    """A count of sections is not believed beyond what an image may have."""
    section = struct.pack("<8sIIII16x", b".rsrc", 16, dll.ADDRESS, 16, 0x400) * 200
    data = dll.image(bytes(16), count=0xFFFF)
    image = pe_image(memoryview(data[:368] + section))
    assert image is not None
    assert 96 == len(image.sections)


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_no_file(name: str) -> None:
    """Of what does not start as an IGVM file 4 KiB come out, whatever follows."""
    data = memoryview(BOMBS[name](bytes(64 * MEBIBYTE)))
    out: list[FileBytes] = []
    peak = peak_memory(lambda: out.append(inside(FileBytes(data), None)))
    assert 4096 == len(out[0].buffer)
    assert 16 * MEBIBYTE > peak  # xz looks back at 8 MiB


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_that_claims_four_gibibytes(name: str) -> None:
    """What comes out is bounded by what goes in."""
    start = raw.file(raw.platform(), total=0xFFFFFFFF)
    data = memoryview(BOMBS[name](start + bytes(2 * LEAST)))
    errors: list[igvm.FormatError] = []

    def read() -> None:
        try:
            inside(FileBytes(data), None)
        except igvm.FormatError as error:
            errors.append(error)

    peak = peak_memory(read)
    assert "bytes come out of" in errors[0].message
    assert 2 * (LEAST + GROWTH * len(data)) > peak


def test_many_empty_streams() -> None:
    """Streams in which there is nothing cost as much as they have bytes."""
    data = memoryview(gzip.compress(GUEST) + gzip.compress(b"") * 20_000)
    start = time.process_time()
    assert GUEST == inside(FileBytes(data), None).buffer
    assert SECONDS > time.process_time() - start
