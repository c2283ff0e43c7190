"""Opens files and buffers as views; nothing is judged but what hides the headers."""

from __future__ import annotations

import io
import mmap
import os
import stat
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.file.view import IgvmFile

if TYPE_CHECKING:
    from typing_extensions import Buffer  # for checkers only; they bring it


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

    Raises:
        OSError: the file cannot be opened.
        FormatError: the fixed header cannot be read or the variable headers are not in the file.
    """
    name = os.fspath(path)
    with io.FileIO(name) as stream:
        status = os.fstat(stream.fileno())
        if copy or not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            return parse(stream.read(), path=name)
        mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return IgvmFile(memoryview(mapping), path=name, mapping=mapping)
    except FormatError as error:
        # The traceback holds views of the mapping; without it the mapping can go.
        error.__traceback__ = None
        raise
