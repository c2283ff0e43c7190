"""The IGVM file inside another: compressed, or a resource of a firmware DLL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.file.read import bytes_wanted, is_igvm, view
from igvm.storage.file_bytes import START, FileBytes, file_bytes, read

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile
    from igvm.sources.compression import Compression

LEAST = 64 << 20
"""Bytes that anything compressed may become,"""
GROWTH = 64
"""and so many more for each byte that it has."""


def open_inside(path: str | os.PathLike[str], *, copy: bool = False) -> IgvmFile:
    """The IGVM file at `path`, or the one inside: decompressed, or the resource of a DLL.

    Read through are gzip, xz and bzip2, from Python 3.14 on zstd as well, and DLLs with one
    resource of type VMFW that is an IGVM file, as OpenHCL's firmware is shipped. Every offset is
    one of the file inside; `path` of what is returned says so: `firmware.dll (resource VMFW/1 at
    0x470)`. Of what is compressed no more is decompressed than its total_file_size and 1 MiB, and
    no more than 64 MiB and 64 times its size. A pipe or a device is read through only if it has
    less than 4 KiB.

    Raises:
        OSError: the file cannot be opened.
        FormatError: as for `igvm.open`; or what is compressed is damaged, or becomes too much.
    """
    name = os.fspath(path)
    return view(inside(file_bytes(name, bytes_wanted, copy=copy), name), name)


def inside(data: FileBytes, path: str | None) -> FileBytes:
    """What is to be read of the file `data`: all of it, unless an IGVM file is inside.

    Raises:
        FormatError: what is compressed is damaged, or becomes too much.
    """
    if data.has_more or is_igvm(data.buffer):
        return data
    from igvm.file.other_files import igvm_resources  # loaded for what is no IGVM file only
    from igvm.sources.compression import compression_of

    compression = compression_of(data.buffer)
    if compression is not None:
        return _decompressed(data, compression, path)
    try:
        found = igvm_resources(data.buffer)
    except FormatError:
        return data  # the error of what is no file names what is wrong with the DLL
    if len(found) != 1:
        return data
    start, end = found[0].offset, found[0].offset + found[0].size
    return FileBytes(
        data.buffer[start:end], data.mapping, part=f"resource {found[0]}", offset=start
    )


def _decompressed(data: FileBytes, compression: Compression, path: str | None) -> FileBytes:
    """What comes out of compressed bytes; they themselves where this Python has no module for it.

    Raises:
        FormatError: they are damaged, or become too much.
    """
    from igvm.sources.compression import Decompressed

    decoding = compression.decoding()
    if decoding is None:
        return data
    most = LEAST + GROWTH * len(data.buffer)
    try:
        stream = Decompressed(data.buffer, compression, decoding)
        out = read(stream, lambda start: min(bytes_wanted(start), most))
    except FormatError as error:
        hint = f"see what {compression.tool} says to it"
        raise FormatError(error.message, path=path, offset=error.offset, hint=hint) from None
    if out.has_more and len(out.buffer) == most and most > START:
        message = f"more than {most:,} bytes come out of {len(data.buffer):,}"
        hint = f"decompress it first ({compression.tool})"
        raise FormatError(message, path=path, hint=hint)
    return out._replace(part=f"decompressed with {compression.name}")
