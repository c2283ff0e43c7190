"""Opens files and buffers as views; nothing is judged but what hides the headers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.file.view import IgvmFile
from igvm.spec.fixed import MAGIC, FixedHeaderV1
from igvm.storage.file_bytes import file_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer  # for checkers only; they bring it

    from igvm.storage.file_bytes import FileBytes

SURPLUS = 1 << 20
"""Bytes that are read of a pipe or a device after those that the fixed header tells of."""


def parse(buffer: Buffer, *, path: str | None = None) -> IgvmFile:
    """View `buffer`, any object with the buffer protocol, as an IGVM file.

    Raises:
        FormatError: the fixed header cannot be read or the variable headers are not in the file.
    """
    view = memoryview(buffer)
    if not view.c_contiguous:
        message = "the bytes of a file must be one contiguous buffer"
        raise FormatError(message, path=path)
    return IgvmFile(view.cast("B") if view.format != "B" or view.ndim != 1 else view, path=path)


def open(path: str | os.PathLike[str], *, copy: bool = False) -> IgvmFile:  # noqa: A001 - igvm.open
    """Map the file at `path` and view it; with `copy`, read it into memory instead.

    What is no regular file is read; of what may have no end no more than 1 MiB beyond the
    total_file_size of its fixed header.

    Raises:
        OSError: the file cannot be opened.
        FormatError: the fixed header cannot be read or the variable headers are not in the file;
            or more follows than is read.
    """
    name = os.fspath(path)
    return view(file_bytes(name, bytes_wanted, copy=copy), name)


def view(data: FileBytes, path: str | None) -> IgvmFile:
    """The bytes of a file as a view of it; of a part of a file, with a path that says so.

    Raises:
        FormatError: as for `open`.
    """
    if data.part:
        path = f"{path or ''} ({data.part})".lstrip()
    try:
        file = IgvmFile(data.buffer, path=path, mapping=data.mapping, offset=data.offset)
    except FormatError as error:
        # The traceback holds views of the mapping; without it the mapping can go.
        error.__traceback__ = None
        raise
    if data.has_more:
        size = file.fixed_header.total_file_size
        raise FormatError(
            f"the file is to have {size:,} bytes, and more than {len(data.buffer):,} are there",
            path=path,
            offset=16,
            header="FIXED_HEADER",
            field="total_file_size",
            hint="what is compressed is not read further; decompressed in a file it is"
            if data.part
            else "a pipe or a device is not read further; a copy in a regular file is",
        )
    return file


def is_igvm(data: memoryview) -> bool:
    """Whether `data` starts as an IGVM file."""
    return bytes(data[:4]) == MAGIC.to_bytes(4, "little")


def bytes_wanted(start: bytes) -> int:
    """Bytes to read of what starts so and may have no end: none more where that is no file."""
    if len(start) < FixedHeaderV1.SIZE:
        return 0
    fixed = FixedHeaderV1.unpack_from(start)
    if fixed.magic != MAGIC:
        return 0
    headers_end = fixed.variable_header_offset + fixed.variable_header_size
    return max(fixed.total_file_size, headers_end) + SURPLUS
