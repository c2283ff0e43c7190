"""Open enums: names for the known values, and every other value survives."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Generic, Self, TypeVar

E = TypeVar("E", bound=int)

# A file has a handful of distinct values; the bound is for hostile ones.
_MOST_CACHED = 1024


class OpenEnum(IntEnum):
    """An integer enum that also holds values it has no name for.

    `Kind(9)` on an enum without a 9 is a member named `UNKNOWN_0x9` that equals 9. Such members
    are made on demand and never recorded, so a hostile file cannot make the enum grow.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or value < 0:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value:#x}"
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """Whether the specification names this value."""
        return self._value_ in type(self)._value2member_map_

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else self.name

    def __reduce_ex__(self, _protocol: object) -> tuple[object, ...]:
        return (type(self), (self._value_,))


class OpenFlags(IntFlag):
    """Integer flags with names; bits without a name are kept."""

    def __str__(self) -> str:
        """The names of what is set, `SNP|DEBUG_SWAP`, and other bits as one number; `0`."""
        named = [flag for flag in type(self) if flag in self]
        rest = int(self)
        for flag in named:
            rest &= ~int(flag)
        names = [flag.name or "" for flag in named]
        return "|".join([*names, *([f"{rest:#x}"] if rest else [])]) or "0"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)


class ValueCache(dict[int, E], Generic[E]):
    """Maps a raw value to its enum or flags object, ten times as fast as calling the class."""

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self._kind = kind

    def __missing__(self, value: int) -> E:
        member = self._kind(value)
        if len(self) < _MOST_CACHED:
            self[value] = member
        return member
