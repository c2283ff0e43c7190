"""Reading, checking, writing and building: issue 2's figures."""

from __future__ import annotations

import gc
import statistics
import sys
from typing import TYPE_CHECKING

import igvm
from bench import inputs
from bench.measure import clock, memory, process, ratio, rounds, unit
from bench.page import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np

    from tests.oracle.client import Oracle, Work

GIB_PAGES = 262_000


def check(path: Path) -> None:
    """Open a file and ask whether igvm 0.5 takes it."""
    findings = igvm.check(igvm.open(path), "igvm-0.5")
    if any(finding.is_error for finding in findings):
        raise AssertionError(findings)


def build(pages: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> bytes:
    """Build the 64 MiB file: three platforms, each with a header for every page."""
    builder = igvm.Builder()
    for kind in inputs.PLATFORMS:
        mask = builder.platform(kind)
        builder.pages(0, pages, mask)
    made: bytes = builder.to_bytes()
    return made


_OPEN_AND_CHECK = """
import igvm
file = igvm.open({path!r})
findings = igvm.check(file, "igvm-0.5")
"""


def run(folder: Path, oracle: Oracle, *, quick: bool) -> Iterator[Row]:
    """Measure everything and yield a row a figure."""
    count = 2 if quick else 9
    small = folder / "64m.igvm"
    inputs.large(small, 16384, 3)

    def reference(work: Work) -> float:
        return oracle.time(small, [work], repeat=1)[work].seconds[0]

    pages = inputs.page_bytes(16384)
    mapped = igvm.open(small)
    gc.collect()
    times = rounds(
        {
            "U": unit,
            "parse": lambda: reference("parse"),
            "serialise": lambda: reference("serialise"),
            "check": lambda: min(clock(lambda: check(small)) for _ in range(3)),
            "to_bytes": lambda: clock(mapped.to_bytes),
            "build": lambda: clock(lambda: build(pages)),
        },
        count,
    )
    if len(build(pages)) != small.stat().st_size:
        raise AssertionError("the file that was built is not the file that is read")

    def row(work: str, one: str, other: str, bar: str) -> Row:
        value, units = ratio(times, one, other), ratio(times, one, "U")
        figure = f"1/{1 / value:.0f}" if value < 0.1 else f"{value:.2f}"
        milliseconds = statistics.median(times[one]) * 1e3
        return Row(
            work,
            f"{figure} of the reference's {other}, {units:.3f} U",
            bar,
            f"{milliseconds:.1f} ms",
        )

    spec = clock(lambda: igvm.check(igvm.open(small)))
    yield row("open + full `igvm-0.5` check, 64 MiB", "check", "parse", "1/30, 0.05 U")
    yield Row(
        "memory that takes",
        f"{memory(_OPEN_AND_CHECK.format(path=str(small))) / 1024:.1f} MiB",
        "12 MiB",
        "beyond an interpreter with numpy, all code loaded for it included",
    )
    if not quick:
        yield from _gibibyte(folder, small)
    yield row("`to_bytes` of the unchanged file", "to_bytes", "serialise", "1/10, one copy")
    yield row("`Builder`, from columns, deduplicated", "build", "serialise", "0.5, 1.4 U")
    yield from _alternating(folder)
    version = rounds(
        {
            "python": lambda: process(sys.executable, "-c", "pass"),
            "igvm": lambda: process(str(_command()), "--version"),
        },
        count * 2,
    )
    yield Row(
        "`igvm --version`", f"{ratio(version, 'igvm', 'python'):.1f} of `python -c pass`", "4"
    )
    yield Row(
        "for orientation: `spec` check, 64 MiB",
        f"{spec / statistics.median(times['U']):.2f} U",
        "none",
    )
    for name in ("parse", "serialise"):
        yield Row(
            f"for orientation: the reference's {name}", f"{ratio(times, name, 'U'):.2f} U", "none"
        )


def _own(path: Path) -> int:
    """KiB allocated for opening and checking a file."""
    return memory(_OPEN_AND_CHECK.format(path=str(path)), mapped=False)


def _command() -> Path:
    from pathlib import Path

    return Path(sys.executable).with_name("igvm")


def _gibibyte(folder: Path, small: Path) -> Iterator[Row]:
    """The same for a file of 1 GiB."""
    big = folder / "1g.igvm"
    inputs.large(big, GIB_PAGES, 1)
    times = rounds(
        {"small": lambda: clock(lambda: check(small)), "big": lambda: clock(lambda: check(big))}
    )
    yield Row(
        "open + check, 1 GiB, 262,000 headers",
        f"{ratio(times, 'big', 'small'):.1f} of the 64 MiB file's",
        "17",
    )
    grown = (_own(big) - _own(small)) / 1024
    headers = GIB_PAGES * 32 / (1 << 20)
    yield Row(
        "memory that takes more than 64 MiB",
        f"{grown:.1f} MiB allocated",
        f"{headers:.1f} MiB, the headers",
        "the headers themselves are read where they are mapped",
    )
    big.unlink()


def _alternating(folder: Path) -> Iterator[Row]:
    """Headers of alternating types, hostile to a reader that looks for runs."""
    once, twice = folder / "alternating.igvm", folder / "alternating-2.igvm"
    inputs.alternating(once, 100_000)
    inputs.alternating(twice, 200_000)
    times = rounds(
        {"once": lambda: clock(lambda: check(once)), "twice": lambda: clock(lambda: check(twice))}
    )
    each = statistics.median(times["once"]) / 100_000 * 1e9
    yield Row(
        "100,000 headers of alternating types, open + check", f"{each:.0f} ns a header", "1,000 ns"
    )
    yield Row("twice as many", f"{ratio(times, 'twice', 'once'):.2f} of that", "2, linear")
