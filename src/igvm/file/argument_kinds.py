"""Arguments of the wrong kind, told in words at once."""

from __future__ import annotations

import os

from igvm.errors import ValidationError
from igvm.file.view import IgvmFile


def require_file(file: object) -> IgvmFile:
    """`file`, if it is an open file.

    Raises:
        ValidationError: it is a path, bytes or something else; the hint says how to open it.
    """
    if isinstance(file, IgvmFile):
        return file
    hint = None
    if isinstance(file, (str, os.PathLike)):
        hint = "igvm.open(path) opens one"
    elif isinstance(file, (bytes, bytearray, memoryview)):
        hint = "igvm.parse(data) makes one of bytes"
    raise ValidationError(f"an open file is needed, not {type(file).__name__}", hint=hint)


def require_path(path: object) -> None:
    """Refuse what names no file.

    Raises:
        ValidationError: it is the bytes of one, a stream or something else.
    """
    if isinstance(path, (str, os.PathLike)):
        return
    hint = None
    if isinstance(path, (bytes, bytearray, memoryview)):
        hint = "igvm.parse(data) takes the bytes of a file, os.fsdecode(path) makes text of a path"
    elif hasattr(path, "read"):
        hint = "igvm.parse(stream.read()) takes what a stream has"
    raise ValidationError(f"a path is needed, not {type(path).__name__}", hint=hint)


def require_bytes(buffer: object) -> None:
    """Refuse what has no bytes.

    Raises:
        ValidationError: it is a path or something else.
    """
    try:
        memoryview(buffer).release()  # type: ignore[arg-type]
    except TypeError:
        is_path = isinstance(buffer, (str, os.PathLike))
        hint = "igvm.open(path) reads a file" if is_path else None
        message = f"the bytes of a file are needed, not {type(buffer).__name__}"
        raise ValidationError(message, hint=hint) from None


def require_digest(digest: object) -> bytes:
    """`digest` as bytes.

    Raises:
        ValidationError: it is text or something else.
    """
    if isinstance(digest, (bytes, bytearray, memoryview)):
        return bytes(digest)
    hint = "bytes.fromhex(text) makes some" if isinstance(digest, str) else None
    raise ValidationError(f"a digest is bytes, not {type(digest).__name__}", hint=hint)
