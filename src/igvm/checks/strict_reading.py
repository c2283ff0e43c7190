"""`igvm.open` and `igvm.parse`: files as they are, or only such as break no rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.file import read
from igvm.file.argument_kinds import require_bytes, require_path

if TYPE_CHECKING:
    import os

    from typing_extensions import Buffer  # for checkers only; they bring it

    from igvm.file.view import IgvmFile


def parse(buffer: Buffer, *, strict: bool = False, path: str | None = None) -> IgvmFile:
    """View `buffer`, any object with the buffer protocol, as an IGVM file.

    Raises:
        FormatError: the fixed header cannot be read or the variable headers are not in the file.
        ValidationError: with `strict`, the first error of `igvm.check`.
    """
    require_bytes(buffer)
    file = read.parse(buffer, path=path)
    return _without_errors(file) if strict else file


def open(path: str | os.PathLike[str], *, strict: bool = False, copy: bool = False) -> IgvmFile:  # noqa: A001 - igvm.open
    """Map the file at `path` and view it; with `copy`, read it into memory instead.

    While it is mapped nobody may make the file shorter: the system kills a process that touches
    pages which are gone (SIGBUS). What is no regular file is read; of a pipe or a device, which
    may have no end, no more than 1 MiB beyond the total_file_size of its fixed header. A file that
    is compressed, or inside a DLL, is read by `igvm.open_inside`.

    Raises:
        OSError: the file cannot be opened.
        FormatError: the fixed header cannot be read or the variable headers are not in the file;
            or more follows than is read.
        ValidationError: with `strict`, the first error of `igvm.check`.
    """
    require_path(path)
    file = read.open(path, copy=copy)
    return _without_errors(file) if strict else file


def _without_errors(file: IgvmFile) -> IgvmFile:
    """`file`, if no finding of the specification's rules is an error."""
    from igvm.checks import check

    for finding in check(file):
        if finding.is_error:
            raise finding.error(file.path)
    return file
