"""Hostile numbers in what is planned and measured: nothing but IgvmError, in bounded memory."""

from __future__ import annotations

import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.errors import IgvmError
from igvm.spec.registry import HEADERS
from tests.hostile.edge_numbers import NUMBERS_32, NUMBERS_64
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.raw import with_checksum
from tests.small_files.samples import EVERY_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (
    "SUPPORTED_PLATFORM",
    "GUEST_POLICY",
    "CCA_POLICY",
    "PARAMETER_AREA",
    "PAGE_DATA",
    "PARAMETER_INSERT",
    "VP_CONTEXT",
    "ERROR_RANGE",
)
SPECS = {spec.name: spec for spec in HEADERS.values() if spec.name in NAMES}
REALM = igvm.RealmParameters(s2sz=40)


def measure_every_way(file: igvm.IgvmFile) -> int:
    """Plan and measure each platform of `file` under each loader; how many could be."""
    done = 0
    for loader in igvm.loaders():
        for platform in igvm.PlatformType:
            try:
                plan = igvm.plan(file, platform, loader=loader, vcpus=2, cpu="EPYC")
                igvm.measure_plan(plan, realm=REALM)
            except IgvmError:
                continue
            done += 1
    return done


def bent(name: str, data: bytes) -> Iterator[bytes]:
    """`data` with each number of its headers called `name` at each extreme."""
    record = SPECS[name].record
    assert record is not None
    start, size = struct.unpack_from("<II", data, 8)
    position = start
    while position < start + size:
        kind, length = struct.unpack_from("<II", data, position)
        if kind == SPECS[name].header_type:
            for item in record.FIELDS:
                for value in NUMBERS_64 if item.size == 8 else NUMBERS_32:
                    if item.code and not value >> 8 * item.size:
                        changed = bytearray(data)
                        at = position + 8 + item.offset
                        changed[at : at + item.size] = value.to_bytes(item.size, "little")
                        yield with_checksum(changed)
            return
        position += 8 + (length + 7 & ~7)


@pytest.mark.parametrize("name", SPECS)
def test_every_number_takes_every_extreme(name: str) -> None:
    """Whatever a header says, each platform is measured or refused with a reason."""
    tried = 0
    for sample in ("x64 v1", "arm"):
        for data in bent(name, EVERY_HEADER[sample]):
            tried += 1
            try:
                file = igvm.parse(data)
            except IgvmError:
                continue
            measure_every_way(file)
    assert tried


def test_the_samples_can_be_measured() -> None:
    """Or bending them would prove little."""
    assert [7, 2] == [
        measure_every_way(igvm.parse(EVERY_HEADER[name])) for name in ("x64 v1", "arm")
    ]


HUGE = {
    "an area of 2^63 bytes": [raw.area(1, 1 << 63), raw.insert(1, 0)],
    "an area of 2^64 - 1 bytes": [raw.area(1, (1 << 64) - 1), raw.insert(1, 0x1000)],
    "many areas": [head for n in range(300) for head in (raw.area(n, 1 << 24), raw.insert(n, 0))],
    "many error ranges": [raw.error_range(0, 0xFFFFFFFF)] * 300,
    "one error range": [raw.error_range(0, 0xFFFFFFFF)],
    "many large pages": [raw.page(0, flags=1)] * 64,
    "many contexts with many registers": [raw.context(raw.at(0))] * 300,
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_memory_and_time_are_bounded(kind: int, name: str) -> None:
    """Numbers in a file do not decide how much memory or time it takes."""
    registers = raw.register_list(*[0x20010] * 1000)
    file = igvm.parse(raw.file(raw.platform(kind), *HUGE[name], data=registers))
    start = time.monotonic()
    tracemalloc.start()
    try:
        measure_every_way(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 64 << 20 > peak
    assert 20 > time.monotonic() - start


def test_an_area_of_a_gibibyte_is_the_largest() -> None:
    """What is refused is told, and what is not is measured."""
    heads = raw.platform(3) + raw.area(1, (1 << 30) + 1) + raw.insert(1, 0)
    with pytest.raises(igvm.LoadError, match="area 1 has 0x40000001 bytes, more than any"):
        igvm.measure(igvm.parse(raw.file(heads, data=PAGE)), igvm.PlatformType.TDX)


def test_past_the_end_of_the_address_space() -> None:
    """Pages that wrap around are refused: loaders disagree about them."""
    heads = raw.platform(3) + raw.area(1, 0x2000) + raw.insert(1, (1 << 64) - 4096)
    with pytest.raises(igvm.LoadError, match="runs past the end of the address space"):
        igvm.measure(igvm.parse(raw.file(heads, data=PAGE)), igvm.PlatformType.TDX)
