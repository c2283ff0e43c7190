"""Names and numbers as people write them: sizes, masks, flags, policies."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from igvm.spec.isolation import ISOLATIONS

if TYPE_CHECKING:
    from enum import IntFlag

    from igvm.file.view import IgvmFile
    from igvm.spec.enums import PlatformType
    from igvm.wire.bits import BitField

POLICIES: dict[PlatformType, type[BitField]] = {
    kind: isolation.policy for kind, isolation in ISOLATIONS.items() if isolation.policy is not None
}
"""How the policy word of a GUEST_POLICY is read on a platform; elsewhere it is a number."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def file_name(path: str | None) -> str | None:
    """A path as text that can be encoded; bytes that are no text are written as escapes."""
    if path is None:
        return None
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def bytes_text(size: int) -> str:
    """A number of bytes in the largest unit that leaves at least one: `1.8 MiB`, `4 KiB`."""
    unit, value = 0, size
    while value >= 1024 and unit + 1 < len(_UNITS):
        value //= 1024
        unit += 1
    scale = 1024**unit
    if size % scale == 0:
        return f"{size // scale:,} {_UNITS[unit] if size != 1 else 'byte'}"
    return f"{size / scale:,.1f} {_UNITS[unit]}"


def count_text(count: int, noun: str) -> str:
    """A count with its noun: `1 error`, `2 errors`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def flag_names(flags: IntFlag) -> list[str]:
    """The names of the bits that are set; bits without a name together as one number."""
    kind = type(flags)
    names = [flag.name for flag in kind if flag & flags and flag.name]
    unnamed = int(flags) & ~sum(kind)
    return names + ([f"{unnamed:#x}"] if unnamed else [])


def mask_names(file: IgvmFile, mask: int) -> list[str]:
    """The platforms that `mask` names; bits that no platform has together as one number."""
    names = [kind.name for kind, bits in file.platform_masks.items() if bits & mask]
    known = 0
    for bits in file.platform_masks.values():
        known |= bits
    unnamed = mask & ~known
    return names + ([f"{unnamed:#x}"] if unnamed else [])
