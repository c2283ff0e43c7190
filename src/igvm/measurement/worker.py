"""A second process for work that one core would take too long over."""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import select
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds without a word after which a worker is given up and its work done here.
_PATIENCE = 10.0
# The same for each page of its longest step: ten times what the slowest measurement takes.
_PATIENCE_PER_PAGE = 1e-4

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the signal that a process gets when the thread that made it ends."""


def may_fork() -> bool:
    """Whether a second process is to be had and safe: two processors, no other thread or worker.

    Not outside Linux, where a process that has loaded other libraries may not survive a fork.
    """
    if Worker.running or threading.active_count() > 1 or not sys.platform.startswith("linux"):
        return False
    return len(os.sched_getaffinity(0)) > 1


@functools.cache
def _end_with_parent() -> Callable[[], object]:
    """What a child calls to be killed at once when its parent ends.

    Without it, a child whose parent is gone ends at its next step, with nobody to tell of it.
    """
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, AttributeError, OSError):  # a Python without ctypes or a libc without it
        return lambda: None
    return functools.partial(prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL))


class Worker:
    """A forked process that fills memory shared with this one, step by step.

    It sees this process as it was, so nothing is copied or pickled; it runs `work` and leaves at
    once, without clean-up of any kind. Whatever goes wrong in it, and wherever it cannot be
    started, `wait` says no, and the caller does the work itself. The kernel ends it when this
    process ends, however that comes about.

    Args:
        size: bytes of shared memory.
        work: gets the memory, and a function to call after each step. It must not touch anything
            that a lock guards.
        pages: how many pages its longest step hashes.
    """

    running: ClassVar[int] = 0
    """Workers that there are; also seen by the workers themselves, who start no others."""

    def __init__(
        self,
        size: int,
        work: Callable[[mmap.mmap, Callable[[], object]], None],
        *,
        pages: int = 0,
    ) -> None:
        self.memory = mmap.mmap(-1, max(1, size))
        self._steps = 0
        self._patience = _PATIENCE + pages * _PATIENCE_PER_PAGE
        self._reader = -1
        self._child = 0
        Worker.running += 1
        parent, end_with_parent = os.getpid(), _end_with_parent()
        try:
            self._reader, writer = os.pipe()
        except OSError:  # no more files: nobody is started, and `wait` says no
            return
        try:
            with warnings.catch_warnings():
                # Python 3.12 warns of threads that are none of Python's, such as numpy's own.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._child = child = os.fork()
        except OSError:  # no more processes: nobody writes, and `wait` says no
            os.close(writer)
            return
        if child == 0:  # pragma: no cover - in the other process
            with contextlib.suppress(BaseException):
                end_with_parent()
                os.close(self._reader)
                if os.getppid() != parent:  # it ended before the kernel was asked
                    os._exit(0)
                work(self.memory, functools.partial(os.write, writer, b"+"))
            os._exit(0)
        os.close(writer)

    def wait(self, steps: int) -> bool:
        """Wait until `steps` steps are done; False if they never will be."""
        if self._reader < 0:
            return False
        ready = select.poll()  # select() has no room for a program's 1,025th file
        ready.register(self._reader, select.POLLIN)
        while self._steps < steps:
            if not ready.poll(self._patience * 1000):
                return False
            told = len(os.read(self._reader, 4096))
            if not told:
                return False
            self._steps += told
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        Worker.running -= 1
        if self._reader >= 0:
            os.close(self._reader)
        if self._child:
            with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
                if os.waitpid(self._child, os.WNOHANG)[0] == 0:
                    os.kill(self._child, signal.SIGKILL)
                    os.waitpid(self._child, 0)
        self.memory.close()
