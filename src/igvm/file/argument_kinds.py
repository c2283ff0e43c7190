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


def require_digest(digest: object) -> bytes:
    """`digest` as bytes.

    Raises:
        ValidationError: it is text or something else.
    """
    if isinstance(digest, (bytes, bytearray, memoryview)):
        return bytes(digest)
    hint = "bytes.fromhex(text) makes some" if isinstance(digest, str) else None
    raise ValidationError(f"a digest is bytes, not {type(digest).__name__}", hint=hint)
