"""Options said in a file of the working directory: `igvm.toml`, or `[tool.igvm]` of pyproject.toml.

A file says the same on every run, so only options that are about a project are taken from it. What
the command line says wins, option by option.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.errors import ValidationError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from igvm.cli.option_records import Option

OWN_FILE = "igvm.toml"
PROJECT_FILE = "pyproject.toml"
_LARGEST = 1 << 20
"""Bytes of a file of settings that are read; a larger one is refused."""


class Settings(NamedTuple):
    """What a file says.

    Attributes:
        source: the file, and the table in it where it has others: `pyproject.toml [tool.igvm]`.
        values: by the names of the options, read as the command line reads them.
    """

    source: str
    values: Mapping[str, Any]


def read_settings(options: Sequence[Option]) -> Settings | None:
    """What the working directory says of `options`; None where no file says anything.

    Raises:
        ValidationError: a file is no TOML, has another key or another kind of value, or there are
            two of them.
    """
    own = _decoded(OWN_FILE)
    project = _table(_decoded(PROJECT_FILE), "tool", "igvm")
    if own is not None and project is not None:
        raise ValidationError(
            f"{OWN_FILE} and [tool.igvm] of {PROJECT_FILE} both have settings; keep one of them"
        )
    if own is not None:
        return Settings(OWN_FILE, _values(own, OWN_FILE, options))
    if project is not None:
        source = f"{PROJECT_FILE} [tool.igvm]"
        return Settings(source, _values(project, source, options))
    return None


def _decoded(path: str) -> dict[str, Any] | None:
    """The file at `path`; None where there is none, or it does not name this program."""
    try:
        # A pipe would be waited for.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValidationError(f"{path} is no regular file")
        with open(path, "rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValidationError(f"{path}: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise ValidationError(f"{path} is larger than {_LARGEST:,} bytes")
    # Most projects have no table for this program, and their file need not be taken apart.
    if path == PROJECT_FILE and b"igvm" not in data:
        return None
    import msgspec

    try:
        decoded: dict[str, Any] = msgspec.toml.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = str(error) or "it nests too deep"
        raise ValidationError(f"{path} is not TOML: {message}") from None
    return decoded


def _table(decoded: dict[str, Any] | None, *path: str) -> dict[str, Any] | None:
    """The table at `path`, None where there is none."""
    table: Any = decoded
    for key in path:
        table = table.get(key) if isinstance(table, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ValidationError(f"{PROJECT_FILE}: {'.'.join(path)} is no table")
    return table


def _values(table: dict[str, Any], source: str, options: Sequence[Option]) -> dict[str, Any]:
    """The values of `table`, by the names of the options that they are for."""
    by_key = {option.key: option for option in options}
    allowed = [key for key, option in by_key.items() if option.in_file]
    values: dict[str, Any] = {}
    for key, value in table.items():
        option = by_key.get(key)
        if option is None:
            if source == OWN_FILE and key == "tool":
                message = f"{source}: the keys stand there without [tool.igvm]"
            else:
                message = f"{source}: there is no key {key!r}; {nearest(key, allowed)}"
            raise ValidationError(message)
        if not option.in_file:
            message = f"{source}: {key} is for the command line; {nearest(key, allowed)}"
            raise ValidationError(message)
        values[option.name] = _value(value, f"{source}: {key}", option)
    return values


def _value(value: Any, place: str, option: Option) -> Any:
    """One value, read as the command line reads it."""
    if option.value is None:
        if not isinstance(value, bool):
            raise ValidationError(f"{place} is true or false")
        return value
    texts = value if option.multiple and isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        kind = "a text or a list of texts" if option.multiple else "a text"
        raise ValidationError(f"{place} is {kind}")
    try:
        read = [option.value.read(text) for text in texts]
    except ValueError as error:
        raise ValidationError(f"{place}: {error}") from None
    return tuple(read) if option.multiple else read[0]
