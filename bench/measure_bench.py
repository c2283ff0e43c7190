"""Measuring: issue 3's figures."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

import igvm
from bench import inputs
from bench.measure import clock, process, ratio, rounds, unit
from bench.page import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.oracle.client import Oracle, Work

SNP, TDX, VBS = inputs.PLATFORMS
PAGES = 16384
GIB_PAGES = 262_000
VCPUS = (1, 2, 4, 8)

_PEAK = """
import tracemalloc
import numpy, igvm
file = igvm.open({path!r})
tracemalloc.start()
igvm.measure(file, igvm.PlatformType.SEV_SNP)
print(tracemalloc.get_traced_memory()[1])
"""


def measure_all(file: igvm.IgvmFile) -> None:
    """Plan and measure all platforms of a file."""
    igvm.measure_plans([igvm.plan(file, kind) for kind in file.platform_masks])


def snp(path: Path) -> Callable[[], float]:
    """Measures SNP of a file that is open, as the reference's is parsed, and gives the seconds."""
    file = igvm.open(path)
    return lambda: clock(lambda: igvm.measure(file, SNP))


def table(file: igvm.IgvmFile) -> int:
    """SNP under every loader for every vCPU count; how many digests there are."""
    contents = igvm.ContentCache(file)
    found = 0
    for name, loader in igvm.loaders().items():
        if SNP in loader.platforms and name != "openvmm":  # which wants a context
            for vcpus in VCPUS:
                plan = igvm.plan(file, SNP, loader=name, vcpus=vcpus, cpu="EPYC-Milan")
                igvm.measure_plan(plan, contents=contents)
                found += 1
    return found


def on(cores: int, work: Callable[[], object]) -> float:
    """Seconds that `work` takes on that many processors."""
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(whole)[:cores])
    try:
        return clock(work)
    finally:
        os.sched_setaffinity(0, whole)


def run(folder: Path, oracle: Oracle, *, quick: bool) -> Iterator[Row]:
    """Measure everything and yield a row a figure."""
    count = 2 if quick else 9
    path = folder / "measured.igvm"
    inputs.large(path, PAGES, 3, policy=True)
    file = igvm.open(path)
    gc.collect()

    def reference(work: Work) -> float:
        timed = oracle.time(path, [work], repeat=1)[work]
        if not timed.verdict.ok:
            raise AssertionError(timed.verdict)
        return timed.seconds[0]

    works: dict[Work, igvm.PlatformType] = {
        "measure_snp": SNP,
        "measure_tdx": TDX,
        "measure_vbs": VBS,
    }
    timed: dict[str, Callable[[], float]] = {"U": unit}
    for work, kind in works.items():
        timed[f"the reference's {work}"] = lambda work=work: reference(work)  # type: ignore[misc]
        timed[kind.name] = lambda kind=kind: clock(lambda: igvm.measure(file, kind))  # type: ignore[misc]
    timed["all"] = lambda: clock(lambda: measure_all(file))
    times = rounds(timed, count)

    def row(text: str, name: str, bar: str, other: str = "") -> Row:
        figure = f"{ratio(times, name, 'U'):.2f} U"
        if other:
            figure += f", {ratio(times, name, other):.2f} of the reference"
        return Row(text, figure, bar, f"{statistics.median(times[name]) * 1e3:.0f} ms")

    yield row("SNP, 64 MiB", "SEV_SNP", "1.1 U, 0.7", "the reference's measure_snp")
    yield row("TDX, 64 MiB", "TDX", "1.8 U, 0.8", "the reference's measure_tdx")
    yield row("VBS, 64 MiB", "VSM_ISOLATION", "0.7 U, 1.15", "the reference's measure_vbs")
    yield row("all three of one file", "all", "2.6 U")
    for work in works:
        name = f"the reference's {work}"
        yield Row(f"for orientation: {name}", f"{ratio(times, name, 'U'):.2f} U", "none")
    yield from _cores(file, count)
    yield from _repeated(folder, count)
    yield from _loaders(file, count)
    if not quick:
        yield from _gibibyte(folder, path)
    yield from _search(folder)
    yield from _command(folder, count)


def _cores(file: igvm.IgvmFile, count: int) -> Iterator[Row]:
    """What a second processor gives, and what more would."""
    timed: dict[str, Callable[[], float]] = {"U": unit}
    for cores in (1, 2):
        timed[f"snp {cores}"] = lambda n=cores: on(n, lambda: igvm.measure(file, SNP))  # type: ignore[misc]
        timed[f"all {cores}"] = lambda n=cores: on(n, lambda: measure_all(file))  # type: ignore[misc]
    times = rounds(timed, count)
    for name, words in (("snp", "SNP"), ("all", "all three")):
        one, two = (ratio(times, f"{name} {cores}", "U") for cores in (1, 2))
        yield Row(f"{words} on 1 and on 2 cores", f"{one:.2f} U and {two:.2f} U", "none")
    empty = igvm.plan(file, SNP)
    rows = empty.rows.copy()
    rows["operation"] = igvm.Operation.UNMEASURED
    chain = empty.with_rows(rows)
    alone = rounds(
        {"U": unit, "chain": lambda: clock(lambda: igvm.measure_plan(chain))}, max(3, count // 2)
    )
    bound, rest = ratio(alone, "chain", "U"), ratio(times, "snp 1", "U")
    rest -= bound
    yield Row(
        "SNP's chain alone, which no number of cores shortens",
        f"{bound:.2f} U",
        "none",
        f"n cores would take at least the larger of that and ({bound:.2f} + {rest:.2f}) U / n: "
        f"{(bound + rest) / bound:.0f} are as good as any number; two are used",
    )


def _repeated(folder: Path, count: int) -> Iterator[Row]:
    """Pages that need not be hashed one by one."""
    kinds = ("zeroes", "shared", "none")
    timed: dict[str, Callable[[], float]] = {"U": unit}
    for data in kinds:
        path = folder / f"{data}.igvm"
        inputs.large(path, PAGES, 1, policy=True, data=data)  # type: ignore[arg-type]
        timed[data] = snp(path)
    times = rounds(timed, count)
    words = {"zeroes": "zeroes in the file", "shared": "one page's data", "none": "empty pages"}
    for data in kinds:
        yield Row(f"SNP, 64 MiB of {words[data]}", f"{ratio(times, data, 'U'):.2f} U", "0.35 U")


def _loaders(file: igvm.IgvmFile, count: int) -> Iterator[Row]:
    """Every loader for several vCPU counts."""
    times = rounds(
        {
            "U": unit,
            "one": lambda: clock(lambda: igvm.measure(file, SNP)),
            "table": lambda: clock(lambda: table(file)),
        },
        max(2, count // 3),
    )
    digests = table(file)
    yield Row(
        f"loader table of SNP, {digests} digests",
        f"{ratio(times, 'table', 'U'):.2f} U, {ratio(times, 'table', 'one'):.1f} of one",
        "page contents hashed once",
    )


def _gibibyte(folder: Path, small: Path) -> Iterator[Row]:
    """The same for a file of 1 GiB."""
    big = folder / "1g-measured.igvm"
    inputs.large(big, GIB_PAGES, 1, policy=True)
    times = rounds({"small": snp(small), "big": snp(big)}, 5)
    figure = ratio(times, "big", "small")
    yield Row("SNP, 1 GiB", f"{figure:.1f} of the 64 MiB file's", "17")
    yield Row(
        "memory that takes, the mapped file not counted",
        f"{peak(big) / (1 << 20):.0f} MiB",
        "no copy of the file",
        f"{peak(big) / GIB_PAGES:.0f} bytes a page, for plan, digests and their order",
    )
    big.unlink()


def peak(path: Path) -> int:
    """Bytes that measuring `path` allocates at most."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK.format(path=str(path))],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def _search(folder: Path) -> Iterator[Row]:
    """A search that finds nothing, and so goes through all that it may, in firmware of 2 MiB."""
    builder = igvm.Builder()
    snp = builder.platform(SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.pages(0xFFE00000, os.urandom(1 << 21), snp)
    builder.context(igvm.SEVVMSA(rdx=0x800F12, mxcsr=0x1F80), snp, gpa=0xFFFFFFFFF000)
    path = folder / "searched.igvm"
    builder.save(path)
    file = igvm.open(path)
    times = rounds({"U": unit, "find": lambda: clock(lambda: igvm.find(file, bytes(48)))}, 3)
    yield Row(
        "`find`, 2 MiB, nothing found",
        f"{ratio(times, 'find', 'U'):.0f} U",
        "10 s of one processor",
        f"{igvm.find(file, bytes(48)).tried:,} digests, {statistics.median(times['find']):.1f} s",
    )


def _command(folder: Path, count: int) -> Iterator[Row]:
    """The command as a whole process, on a file of 1 MiB."""
    import compileall
    from pathlib import Path

    # As in every installed package: a checkout whose bytecode may not be written has none.
    compileall.compile_dir(str(Path(igvm.__file__).parent), quiet=1)
    path = folder / "small.igvm"
    inputs.large(path, 256, 3, policy=True)
    command = str(Path(sys.executable).with_name("igvm"))
    times = rounds(
        {
            "python": lambda: process(sys.executable, "-c", "pass"),
            "igvm": lambda: process(command, "measure", str(path)),
        },
        count,
    )
    yield Row(
        "`igvm measure` of 1 MiB", f"{ratio(times, 'igvm', 'python'):.1f} of `python -c pass`", "12"
    )
