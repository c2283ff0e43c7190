"""Hostile numbers in what is planned and measured: nothing but IgvmError, in bounded memory."""

from __future__ import annotations

import time

import pytest

import igvm
from igvm.errors import IgvmError
from igvm.spec.registry import HEADERS
from tests.hostile.bent_fields import bent_fields
from tests.hostile.peak_memory import peak_memory
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.samples import EVERY_HEADER

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


@pytest.mark.parametrize("name", SPECS)
def test_every_number_takes_every_extreme(name: str) -> None:
    """Whatever a header says, each platform is measured or refused with a reason."""
    tried = 0
    for sample in ("x64 v1", "arm"):
        for data in bent_fields(EVERY_HEADER[sample], SPECS[name]):
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
    assert 64 << 20 > peak_memory(lambda: measure_every_way(file))
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
