"""Joins parts into one `bytes`, with the kernel's large pages where the result is large."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Part = bytes | bytearray | memoryview

_LARGE = 4 << 20
"""From here on page faults, one for each 4 KiB, cost more than the copy itself."""

_SMALL = 64 << 10
"""Parts below are joined with their neighbours first,"""
_BATCH = 1 << 20
"""up to about so many bytes."""

_MADV_HUGEPAGE = 14
_PAGE = 4096


def join(parts: Sequence[Part]) -> bytes:
    """`parts`, one after the other, as one object.

    The same as `b"".join(parts)`, and several times as fast for a large result: a fresh 64 MiB
    are 32 faults of 2 MiB instead of 16,384 of 4 KiB, where the kernel hands out large pages to
    who asks (`/sys/kernel/mm/transparent_hugepage/enabled`).
    """
    size = sum(memoryview(part).nbytes for part in parts)
    allocate = _allocator() if size >= _LARGE else None
    if allocate is None:
        return b"".join(parts)
    import numpy as np

    result, room = allocate(size)
    position = 0
    for part in few(parts):
        source = np.frombuffer(part, np.uint8)
        room[position : position + len(source)] = source
        position += len(source)
    return result


def few(parts: Iterable[Part]) -> Iterator[Part]:
    """`parts` without empty ones, small ones joined: a copy has its price whatever its size."""
    small: list[Part] = []
    held = 0
    for part in parts:
        size = memoryview(part).nbytes
        if size < _SMALL:
            small.append(part)
            held += size
        if held and (size >= _SMALL or held >= _BATCH):
            yield b"".join(small)
            small, held = [], 0
        if size >= _SMALL:
            yield part
    if held:
        yield b"".join(small)


@functools.cache
def _allocator() -> Callable[[int], tuple[bytes, Any]] | None:
    """Makes a `bytes` object to be filled, and a view to fill it by; None where that is not known.

    This is how C code makes a large `bytes`: PyBytes_FromStringAndSize without a string, to be
    filled before anybody else sees it.
    """
    import sys

    if sys.platform != "linux" or sys.implementation.name != "cpython":
        return None
    try:
        import ctypes

        new = ctypes.pythonapi.PyBytes_FromStringAndSize
        address_of = ctypes.pythonapi.PyBytes_AsString
        advise = ctypes.CDLL(None).madvise
    except (ImportError, AttributeError, OSError):  # a Python without ctypes or a libc without it
        return None
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)
    address_of.restype, address_of.argtypes = ctypes.c_void_p, (ctypes.py_object,)
    advise.restype = ctypes.c_int
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def allocate(size: int) -> tuple[bytes, Any]:
        import numpy as np

        result: bytes = new(None, size)
        address = address_of(result)
        first = -(-address // _PAGE) * _PAGE
        last = (address + size) // _PAGE * _PAGE
        # Advice that the kernel does not take leaves small pages, which work as well.
        advise(first, last - first, _MADV_HUGEPAGE)
        room = memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B")
        return result, np.frombuffer(room, np.uint8)

    return allocate
