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


def test_an_area_of_a_gibibyte_is_the_largest_that_is_loaded() -> None:
    """A loader's plan has no larger one; the refusal says what the area has and what it may."""
    heads = raw.platform(2) + raw.area(1, (1 << 30) + 1) + raw.insert(1, 0)
    file = igvm.parse(raw.file(heads, data=PAGE))
    with pytest.raises(igvm.LoadError, match=r"area 1 has 0x40000001 bytes, .* may have 0x4000000"):
        igvm.plan(file, "snp", loader="qemu-kvm")


def test_what_is_hashed_is_bounded_by_the_file() -> None:
    """Two GiB of error ranges are too much for a file of 73 bytes, and the refusal says so."""
    file = igvm.parse(raw.file(raw.platform(1), raw.error_range(0, 1 << 31)))
    expected = r"hashes 2\.0 GiB, and the limit for a file of 72 bytes is 1\.0 GiB"
    with pytest.raises(igvm.MeasurementError, match=expected):
        igvm.measure(file, "vbs")


@pytest.mark.parametrize("platform", ["snp", "tdx"])
def test_what_the_digest_does_not_contain_is_not_counted(platform: str) -> None:
    """Error ranges are nothing to SNP and TDX, however large they are."""
    kind = int(igvm.PlatformType[{"snp": "SEV_SNP", "tdx": "TDX"}[platform]])
    heads = raw.platform(kind) + raw.policy()
    with_range = igvm.parse(raw.file(heads, raw.error_range(0, 0xFFFFF000)))
    without = igvm.parse(raw.file(heads))
    assert igvm.measure(without, platform).digest == igvm.measure(with_range, platform).digest


def test_past_the_end_of_the_address_space() -> None:
    """Pages that wrap around are refused of loaders, which disagree about them."""
    heads = raw.platform(2) + raw.area(1, 0x2000) + raw.insert(1, (1 << 64) - 4096)
    with pytest.raises(igvm.LoadError, match="runs past the end of the address space"):
        igvm.plan(igvm.parse(raw.file(heads, data=PAGE)), "snp", loader="qemu-kvm")
