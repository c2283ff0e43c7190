"""Writes a result whole or not at all: into a file without a name, which then takes the name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

from igvm.errors import SaveError
from igvm.storage.join import few

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.storage.join import Part

    Path = str | os.PathLike[str]

_PREFIX = ".igvm-"
_UNFINISHED = re.compile(re.escape(_PREFIX) + "[0-9a-f]{16}")
"""How files are called that are not finished yet."""
_MOST_ENTRIES = 100_000
"""Entries of a folder that are looked at for unfinished files."""
_PERMISSIONS = 0o1777
"""What a file that replaces another keeps of its mode: never set-user-ID and set-group-ID."""


def save(path: Path, parts: Iterable[Part], *, overwrite: bool = False) -> None:
    """Write `parts`, one after the other, to `path`.

    Nobody ever sees a half-written file: the bytes go to a file in the same directory, reach the
    disk, and only then take the name. A symbolic link is followed. A file that is replaced hands
    on its permissions, without set-user-ID and set-group-ID, and its owner and group, where the
    system lets us give them; not its extended attributes, nor its other names (hard links).

    Raises:
        SaveError: `path` exists and `overwrite` is not set, it is no regular file, or the disk
            refused; `path` is then as it was.
    """
    name = os.fspath(path)
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    handle, temporary = -1, ""
    try:
        old = _status(name)
        if old is not None and not overwrite:
            raise _exists(path)
        # A new file gets the permissions that the umask leaves, one that replaces a file none
        # that the old one did not give, not even for a moment.
        handle, temporary = _create(folder, 0o666 if old is None else 0o600)
        _write(handle, parts, name)
        if old is not None:
            _hand_on(old, handle)
        os.fsync(handle)
        if overwrite or temporary:
            temporary = temporary or _give_name(handle, folder)
            if overwrite:
                os.replace(temporary, target)
            else:
                _take_name(temporary, target)
        elif not _is_linked(handle, target):
            temporary = _copy(handle, folder)
            _take_name(temporary, target)
        _sync_folder(folder, name)
    except FileExistsError:
        raise _exists(path) from None
    except SaveError:
        raise
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        raise SaveError(message, path=name) from error
    finally:
        with contextlib.suppress(OSError):  # it is gone where it has taken the name
            os.unlink(temporary)
        if handle >= 0:
            os.close(handle)


def unfinished(path: Path) -> list[str]:
    """Files that runs which were killed have left beside `path`, by their names.

    They are named and not deleted: on file systems of other machines one can't be sure.
    """
    folder = os.path.dirname(os.path.realpath(path))
    found = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False):
            if _UNFINISHED.fullmatch(entry.name) and _is_abandoned(entry.path):
                found.append(entry.path)
    return sorted(found)


def _is_abandoned(path: str) -> bool:
    """Whether nobody writes to an unfinished file any more: who does holds a lock."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return stat.S_ISREG(os.fstat(handle).st_mode)
    except OSError:
        return False
    finally:
        os.close(handle)


def _exists(path: Path) -> SaveError:
    hint = "overwrite=True replaces it"
    return SaveError("the file exists", path=os.fspath(path), hint=hint, missing="overwrite")


def _status(name: str) -> os.stat_result | None:
    """What is known of the file that is there; None where there is none.

    Raises:
        SaveError: it is a directory, a device, a pipe or a socket, which a rename would replace;
            or the name can only be that of a directory.
        OSError: nobody knows.
    """
    if not name:
        raise SaveError("cannot write: the name of the file is empty")
    try:
        status = os.stat(name)
    except FileNotFoundError:
        if os.path.basename(name) in {"", ".", ".."}:
            raise SaveError("there is no such folder", path=name) from None
        return None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise SaveError(f"this is {kind}, not a regular file", path=name)
    return status


def _create(folder: str, mode: int) -> tuple[int, str]:
    """A new, empty file in `folder`: its descriptor, and its name where it must have one.

    A file without a name is gone when its writer is, however that ends. Not every file system
    has them, and giving a name later takes /proc.
    """
    nameless = getattr(os, "O_TMPFILE", 0)
    if nameless:
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDWR | os.O_CLOEXEC | nameless, mode)
            if os.path.exists(_descriptor(handle)):
                return handle, ""
            os.close(handle)
    return _create_named(folder, mode)


def _create_named(folder: str, mode: int) -> tuple[int, str]:
    """A new, empty file with a name, by which others know that it is not finished."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    for name in _names(folder):
        with contextlib.suppress(FileExistsError):
            handle = os.open(name, flags, mode)
            _lock(handle)
            return handle, name
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), folder)


def _names(folder: str) -> Iterator[str]:
    """Names for an unfinished file: each is free as good as certainly."""
    for _ in range(100):
        yield os.path.join(folder, f"{_PREFIX}{secrets.token_hex(8)}")


def _lock(handle: int) -> None:
    """Show that somebody writes to a file with a name."""
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(handle: int, parts: Iterable[Part], name: str) -> None:
    """Write `parts` to an open file.

    Raises:
        SaveError: they are mapped from a file that became shorter meanwhile.
        OSError: the disk refused.
    """
    for part in few(parts):
        rest = memoryview(part).cast("B")
        while len(rest):
            try:
                rest = rest[os.write(handle, rest) :]
            except OSError as error:
                if error.errno == errno.EFAULT:
                    message = "cannot write: a file that it is read from became shorter meanwhile"
                    raise SaveError(message, path=name) from error
                raise


def _hand_on(old: os.stat_result, handle: int) -> None:
    """Give a file the owner, the group and the permissions of the one that it replaces."""
    mode = old.st_mode & _PERMISSIONS
    new = os.fstat(handle)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.fchown(handle, old.st_uid, old.st_gid)
        except OSError:  # only root gives files away; to a group, its members do
            with contextlib.suppress(OSError):
                os.fchown(handle, -1, old.st_gid)
        if os.fstat(handle).st_gid != old.st_gid:
            # What was allowed to one group is not allowed to another.
            mode &= ~0o070 | (mode & 0o007) << 3
    os.fchmod(handle, mode)


def _descriptor(handle: int) -> str:
    """Where /proc has an open file."""
    return f"/proc/self/fd/{handle}"


def _is_linked(handle: int, name: str) -> bool:
    """Give a file without a name its first; False where the file system can't.

    Raises:
        FileExistsError: that is taken.
    """
    # Only with a directory given does Python ask for linkat, which follows the link in /proc.
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(_descriptor(handle), name, src_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


def _give_name(handle: int, folder: str) -> str:
    """Give a file without a name one, by which it can be renamed."""
    _lock(handle)
    for name in _names(folder):
        with contextlib.suppress(FileExistsError):
            return name if _is_linked(handle, name) else _copy(handle, folder)
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), folder)


def _copy(handle: int, folder: str) -> str:
    """A copy, with a name, of a file that has none and can't be given one."""
    status = os.fstat(handle)
    copy, name = _create_named(folder, 0o600)
    try:
        done = 0
        while done < status.st_size:
            done += os.sendfile(copy, handle, done, status.st_size - done)
        with contextlib.suppress(OSError):
            os.fchown(copy, status.st_uid, status.st_gid)
        os.fchmod(copy, stat.S_IMODE(status.st_mode))
        os.fsync(copy)
    except BaseException:
        os.unlink(name)
        raise
    finally:
        os.close(copy)
    return name


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


def _sync_folder(folder: str, name: str) -> None:
    """Have the name reach the disk too.

    Raises:
        SaveError: the disk failed. The file is there, and may be gone after a power failure.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # a folder that may be written to and not read
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS, errno.EBADF}:
            reason = error.strerror or error
            message = f"the file is written, but its folder did not reach the disk: {reason}"
            raise SaveError(message, path=name) from error
    finally:
        os.close(handle)
