"""Writes a result whole or not at all: a temporary file beside the target, then a rename."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

from igvm.errors import SaveError
from igvm.storage.join import few

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.storage.join import Part


def save(path: str | os.PathLike[str], parts: Iterable[Part], *, overwrite: bool = False) -> None:
    """Write `parts`, one after the other, to `path`.

    Nobody ever sees a half-written file: the bytes go to a temporary file in the same directory,
    reach the disk, and only then take the name. A symbolic link is followed, the permissions of
    a file that is replaced are kept.

    Raises:
        SaveError: `path` exists and `overwrite` is not set, it is no regular file, or the disk
            refused; `path` is then as it was.
    """
    target = os.path.realpath(path)
    temporary = ""
    try:
        mode = _mode(target)
        if mode is not None and not overwrite:
            raise _exists(path)
        # A new file gets the permissions that the umask leaves, one that replaces a file none
        # that the old one did not give, not even for a moment.
        handle, temporary = _create(os.path.dirname(target), 0o666 if mode is None else 0o600)
        with os.fdopen(handle, "wb", buffering=0) as stream:
            for part in few(parts):
                rest = memoryview(part).cast("B")
                while len(rest):
                    rest = rest[stream.write(rest) :]
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        if overwrite:
            os.replace(temporary, target)
        else:
            _take_name(temporary, target)
    except FileExistsError:
        raise _exists(path) from None
    except SaveError:
        raise
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        raise SaveError(message, path=os.fspath(path)) from error
    finally:
        with contextlib.suppress(OSError):  # it is gone where it has taken the name
            os.unlink(temporary)


def _exists(path: str | os.PathLike[str]) -> SaveError:
    hint = "overwrite=True replaces it"
    return SaveError("the file exists", path=os.fspath(path), hint=hint, missing="overwrite")


def _mode(target: str) -> int | None:
    """The permissions of the file that is there; None where there is none.

    Raises:
        SaveError: it is a directory, a device, a pipe or a socket, which a rename would replace.
    """
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise SaveError("this is not a regular file", path=target)
    return stat.S_IMODE(mode)


def _create(folder: str, mode: int) -> tuple[int, str]:
    """A new, empty file in `folder`: its descriptor and its name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        name = os.path.join(folder, f".igvm-{secrets.token_hex(8)}")
        with contextlib.suppress(FileExistsError):
            return os.open(name, flags, mode), name


def _take_name(temporary: str, target: str) -> None:
    """Give the finished file its name, unless that has been taken meanwhile."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        os.replace(temporary, target)
