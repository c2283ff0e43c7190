"""A second process: what it does, what happens when it fails, and what it leaves behind."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from igvm.measurement import worker
from igvm.measurement.worker import Worker, may_fork

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable


def count(memory: mmap.mmap, tell: Callable[[], object]) -> None:
    """Write three bytes, one a step."""
    for step in range(3):
        memory[step] = step + 1
        tell()


def test_a_worker_fills_shared_memory() -> None:
    """Each step is there once `wait` says so."""
    with Worker(3, count) as process:
        assert process.wait(2)
        assert b"\1\2" == process.memory[:2]
        assert process.wait(3)
        assert b"\1\2\3" == process.memory[:3]
        assert not process.wait(4)


def test_a_worker_that_dies() -> None:
    """What it did not get to is said to be missing, by an exception or by a signal."""

    def fail(_memory: mmap.mmap, tell: Callable[[], object]) -> None:
        tell()
        raise MemoryError

    def die(_memory: mmap.mmap, tell: Callable[[], object]) -> None:
        tell()
        os.kill(os.getpid(), signal.SIGKILL)

    for work in (fail, die):
        with Worker(1, work) as process:
            assert process.wait(1)
            assert not process.wait(2)


def test_a_worker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after a while, and ended."""
    monkeypatch.setattr(worker, "_PATIENCE", 0.05)
    with Worker(1, lambda _memory, _tell: signal.pause()) as process:
        assert not process.wait(1)
    with pytest.raises(ChildProcessError):
        os.waitpid(process._child, os.WNOHANG)


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fork fails there is nothing to wait for."""

    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    with Worker(1, count) as process:
        assert not process.wait(1)


def test_no_file_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no pipe nobody is started."""

    def pipe() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", pipe)
        with Worker(1, count) as process:
            assert not process.wait(1)
    assert 0 == Worker.running


def test_a_program_with_many_files() -> None:
    """A worker whose pipe is beyond the first 1,024 files is waited for like any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with Worker(3, count) as process:
            assert process._reader > 1024
            assert process.wait(3)
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_worker_that_somebody_else_waited_for() -> None:
    """A program that reaps all its children does no harm."""
    with Worker(3, count) as process:
        assert process.wait(3)
        os.waitpid(process._child, 0)


def test_not_beside_another_thread_or_worker() -> None:
    """A lock that another thread holds would stay locked in the child."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert not may_fork()
    done.set()
    thread.join()
    with Worker(3, count):
        assert not may_fork()


SCRIPT = """
import atexit, os, sys, warnings
sys.path.insert(0, {root!r})
import igvm
from igvm.measurement import worker
from tests.measurement.test_plan_digests import LARGE, plans_of
atexit.register(lambda: print("exit"))
forked = []
whole = os.fork
def fork():
    child = whole()
    forked.append(child)
    return child
os.fork = fork
warnings.simplefilter("error")
plans = plans_of(igvm.parse(LARGE))
first = [igvm.measure_plan(plan).digest for plan in plans]
assert first == [measurement.digest for measurement in igvm.measure_plans(plans)]
assert len(forked) == (2 if worker.may_fork() else 0), forked
for child in forked:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        continue
    raise AssertionError("a zombie")
print(len(os.listdir("/proc/self/fd")))
"""


def test_a_whole_program(request: pytest.FixtureRequest) -> None:
    """No warning, no zombie, and what runs at exit runs once."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(root=str(request.config.rootpath))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    files, last = done.stdout.split()
    assert "exit" == last
    assert 8 > int(files)


ORPHAN = """
import sys, time
sys.path.insert(0, {root!r})
from igvm.measurement.worker import Worker

def work(memory, tell):
    tell()
    time.sleep(600)  # a step that takes long

with Worker(1, work) as worker:
    assert worker.wait(1)
    print(worker._child, flush=True)
    time.sleep(600)
"""


def has_ended(pid: int) -> bool:
    """Whether there is no such process any more, or it only waits for somebody to ask how."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
def test_a_worker_ends_with_its_parent(request: pytest.FixtureRequest) -> None:
    """When the parent is killed, a worker that is in the middle of a step ends as well."""
    script = ORPHAN.format(root=str(request.config.rootpath))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not has_ended(child)
        parent.kill()
    # The step takes ten minutes, so that half a minute on a busy machine proves it.
    waiting = time.monotonic() + 30
    while not has_ended(child) and time.monotonic() < waiting:
        time.sleep(0.01)
    ended = has_ended(child)
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended
