"""The bytes of a file: mapped where that can be, else read, and then no more than it is to have."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import stat
import weakref
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Bound = Callable[[bytes], int]
    """How many bytes to read at most of what starts so; called with the first START bytes."""

START = 4096
"""Bytes that are read before anything is known."""
_STEP = 256 << 10
"""Bytes that are read at a time."""

_MAPPED: weakref.WeakKeyDictionary[mmap.mmap, str] = weakref.WeakKeyDictionary()


class Readable(Protocol):
    """What can be read: a file, a pipe, standard input."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...

    def read(self, size: int = ..., /) -> bytes | None:
        """At most so many bytes; none at the end."""
        ...


class FileBytes(NamedTuple):
    """The bytes of a file.

    Attributes:
        buffer: the bytes.
        mapping: what they are mapped by; None where they were read.
        has_more: whether more follow that were not read.
        part: which part of a file they are, in words; empty where they are all of it.
        offset: where in the mapping they start.
    """

    buffer: memoryview
    mapping: mmap.mmap | None = None
    has_more: bool = False
    part: str = ""
    offset: int = 0


def file_bytes(path: str | os.PathLike[str], bound: Bound, *, copy: bool = False) -> FileBytes:
    """The bytes of the file at `path`.

    A regular file is mapped, or with `copy` read, whole. Anything else (a pipe, a device, what
    /proc makes up) may have no end: no more is read than `bound` allows.

    Raises:
        OSError: the file cannot be opened or read.
    """
    name = os.fspath(path)
    try:
        with io.FileIO(name) as stream:
            if copy or not _has_end(stream):
                return read(stream, bound)
            try:
                mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                return read(stream, bound)  # a file system without mappings, such as /sys
            _MAPPED[mapping] = os.fsdecode(name)
            return FileBytes(memoryview(mapping), mapping)
    except OSError as error:
        if error.filename is None:
            error.filename = name
        raise


def read(stream: Readable, bound: Bound) -> FileBytes:
    """What is left to read of a file; where that may have no end, no more than `bound` allows.

    Raises:
        OSError: it cannot be read.
    """
    if _has_end(stream):
        return FileBytes(memoryview(stream.read() or b""))
    data = bytearray()
    _read_until(stream, data, START)
    most = bound(bytes(data))
    if len(data) == START:
        _read_until(stream, data, most)
    has_more = len(data) >= START and len(data) >= most and bool(stream.read(1))
    return FileBytes(memoryview(data).toreadonly(), has_more=has_more)


def _has_end(stream: Readable) -> bool:
    """Whether it is a regular file with a size, and not one that /proc makes up."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:  # a stream without a descriptor
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _read_until(stream: Readable, data: bytearray, size: int) -> None:
    """Add to `data` until there are `size` bytes, or no more follow."""
    while len(data) < size:
        part = stream.read(min(size - len(data), _STEP))
        if not part:
            return
        data += part


def cut_file() -> str | None:
    """The name of a file that is mapped and has become shorter than its mapping, if one has."""
    for mapping, name in list(_MAPPED.items()):
        if not mapping.closed:
            with contextlib.suppress(OSError):
                if mapping.size() < len(mapping):
                    return name
    return None


def mapped_file() -> str | None:
    """The name of a file that is mapped, the one that was mapped last."""
    names = [name for mapping, name in _MAPPED.items() if not mapping.closed]
    return names[-1] if names else None
