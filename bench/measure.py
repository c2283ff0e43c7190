"""Timing: rounds in which every work is timed once, so that a ratio is of one moment."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROUNDS = 7


def clock(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


_page_data = os.urandom(1 << 26)


def unit() -> float:
    """U: seconds of one hashlib.sha384 over 64 MiB."""
    return clock(lambda: hashlib.sha384(_page_data).digest())


def rounds(works: Mapping[str, Callable[[], float]], count: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of every work in every round, after one round that is not counted."""
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            seconds[name].append(work())
    return seconds


def ratio(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """The median over the rounds of one work's time divided by another's."""
    return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))


_MEMORY = """
import gc, sys, zlib, mmap
import numpy
def resident():
    with open("/proc/self/status") as stream:
        text = stream.read()
    return sum(int(text.split(name)[1].split()[0]) for name in {parts})
start = resident()
{work}
print(resident() - start)
"""


def memory(work: str, *, mapped: bool = True) -> int:
    """KiB that `work`, Python source, adds to an interpreter with numpy: all that stays resident.

    The parts of a mapped file that were touched count too, unless `mapped` is off.
    """
    parts = ("RssAnon:", "RssFile:") if mapped else ("RssAnon:",)
    source = _MEMORY.format(work=work, parts=parts)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def process(*command: str) -> float:
    """Seconds of a whole process."""
    return clock(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def machine() -> str:
    """What the figures were taken on, in one line."""
    import platform

    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        for line in stream:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    python, linux = platform.python_version(), platform.release().split("-")[0]
    return f"{model}, {os.cpu_count()} cores, Linux {linux}, Python {python}"
