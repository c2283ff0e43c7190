"""How the text after an option or for an argument is read: names, numbers, ranges and paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from igvm.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_NUMBER = "0[xX][0-9a-fA-F]+|[0-9]+"
_UNNAMED = "UNKNOWN_(0X[0-9A-F]+)"
"""How a value of an enum is printed that has no name, in upper case."""


class Value:
    """Text, as it is."""

    is_path = False
    """Whether it names a file."""
    is_list = False
    """Whether one text may stand for several values."""

    def read(self, text: str) -> Any:
        """The value of `text`.

        Raises:
            ValueError: there is none; the error says why in words.
        """
        return text

    def complete(self, start: str) -> Iterable[str]:
        """What a text that begins with `start` may become."""
        return ()

    def listed(self) -> str:
        """All that it may be, for a help text; empty where that is not a list."""
        return ""


class FilePath(Value):
    """The path of a file."""

    is_path = True


def lower_name(text: str) -> str:
    """`text` as most names are written: in lower case, with `-` for `_`."""
    return text.strip().lower().replace("_", "-")


def upper_name(text: str) -> str:
    """`text` as the specification writes names: in upper case, with `_` for `-`."""
    return text.strip().upper().replace("-", "_")


class Name(Value):
    """One of the names that there are, in any case and with `_` or `-`."""

    def __init__(
        self,
        noun: str,
        names: tuple[str, ...] | Callable[[], tuple[str, ...]],
        *,
        hidden: tuple[str, ...] = (),
    ) -> None:
        """A kind of name.

        Args:
            noun: what has the name, for messages.
            names: the names, as `lower_name` has them, or what gives them when they are needed.
            hidden: further names that are not listed.
        """
        self._noun, self._names, self._hidden = noun, names, hidden

    def names(self) -> tuple[str, ...]:
        """The names."""
        return self._names() if callable(self._names) else self._names

    def read(self, text: str) -> Any:
        """The name, as it is listed."""
        name = lower_name(text)
        names = self.names()
        if name not in names and name not in self._hidden:
            raise ValueError(f"there is no {self._noun} {text!r}; {nearest(name, names)}")
        return name

    def complete(self, start: str) -> Iterable[str]:
        """The names that begin so."""
        return [name for name in self.names() if name.startswith(lower_name(start))]

    def listed(self) -> str:
        """The names, one after the other."""
        return ", ".join(self.names())


class Group(Name):
    """A name, or one for several: `all` of them, or a word with which some of them begin."""

    is_list = True

    def __init__(
        self,
        noun: str,
        names: tuple[str, ...] | Callable[[], tuple[str, ...]],
        *,
        families: Callable[[], tuple[str, ...]] | None = None,
        every: Callable[[], tuple[str, ...]] | None = None,
    ) -> None:
        """As for Name.

        Args:
            noun: as for Name.
            names: as for Name.
            families: words that stand for the names that begin with them and a `-`.
            every: what `all` stands for, where that is not all names.
        """
        super().__init__(noun, names)
        self._every = every
        self._families = families

    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        """The names that stand for several, and for which."""
        names = self.names()
        groups = {
            word: tuple(name for name in names if name.startswith(f"{word}-"))
            for word in (self._families() if self._families else ())
        }
        every = names if self._every is None else self._every()
        return {word: members for word, members in groups.items() if members} | {"all": every}

    def read(self, text: str) -> Any:
        """The names that are meant."""
        name = lower_name(text)
        groups = self._groups()
        if name in groups:
            return groups[name]
        names = self.names()
        if name not in names:
            known = (*names, *groups)
            raise ValueError(f"there is no {self._noun} {text!r}; {nearest(name, known)}")
        return (name,)

    def complete(self, start: str) -> Iterable[str]:
        """The names that begin so, for one or for several."""
        known = (*self.names(), *self._groups())
        return [name for name in known if name.startswith(lower_name(start))]


class RuleName(Value):
    """The name of a rule of `igvm check`, or one of some words."""

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        """`words` are as good as a name, and are listed."""
        self._words = words

    def read(self, text: str) -> Any:
        """The word, or the name as `rule_names` has it."""
        from igvm.report.rule_list import folded, nearest_rule, rule_names

        name = folded(text)
        if name in self._words or name in rule_names():
            return name
        from difflib import get_close_matches

        guess = next(iter(get_close_matches(name, self._words, 1)), None) or nearest_rule(text)
        hint = f"did you mean {guess}?" if guess else "igvm rules lists them"
        raise ValueError(f"there is no rule {text!r}; {hint}")

    def complete(self, start: str) -> Iterable[str]:
        """The words and the rules that begin so, as they are written."""
        from igvm.report.rule_list import folded, rule_list

        known = [name for entry in rule_list().rules for name in entry.names()]
        words = [*self._words, *dict.fromkeys(known)]
        return [word for word in words if folded(word).startswith(folded(start))]

    def listed(self) -> str:
        """The words, one after the other."""
        return ", ".join(self._words)


class EnumName(Value):
    """A name of one of igvm's enums, in any case and with `-` or `_`."""

    def __init__(
        self,
        enum: str,
        noun: str,
        *,
        aliases: Mapping[str, str] | None = None,
        takes_numbers: bool = False,
    ) -> None:
        """An enum.

        Args:
            enum: its name in `igvm`.
            noun: what has the name, for messages.
            aliases: further names, as `upper_name` has them, and for which they stand.
            takes_numbers: whether a number is as good as a name.
        """
        self._enum, self._noun = enum, noun
        self._aliases = aliases or {}
        self._takes_numbers = takes_numbers

    def _members(self) -> Any:
        import igvm

        return getattr(igvm, self._enum)

    def read(self, text: str) -> Any:
        """The member of the enum."""
        members = self._members()
        name = upper_name(text)
        name = self._aliases.get(name, name)
        if name in members.__members__:
            return members[name]
        unnamed = re.fullmatch(_UNNAMED, name)
        if unnamed is not None:
            return members(int(unnamed[1], 16))
        if re.fullmatch(_NUMBER, text):
            if self._takes_numbers:
                return members(number(text))
            raise ValueError(f"{text} may be a type or a mask; give the name of the {self._noun}")
        known = (*members.__members__, *self._aliases)
        raise ValueError(f"there is no {self._noun} {text!r}; {nearest(name, known)}")

    def complete(self, start: str) -> Iterable[str]:
        """The names that begin so."""
        known = (*self._members().__members__, *self._aliases)
        return [name for name in known if name.startswith(upper_name(start))]


def number(text: str) -> int:
    """A number that is decimal, even with zeroes before it, or hexadecimal with 0x."""
    return int(text, 16 if text[1:2] in {"x", "X"} else 10)


class Integer(Value):
    """A whole number, decimal."""

    def __init__(self, least: int) -> None:
        """At least `least`."""
        self._least = least

    def read(self, text: str) -> Any:
        """The number."""
        if re.fullmatch("[0-9]{1,18}", text) is None or int(text) < self._least:
            raise ValueError(f"{text!r} is no whole number from {self._least} on")
        return int(text)


class Hexadecimal(Value):
    """A number of 64 bits in hexadecimal, with or without 0x."""

    def read(self, text: str) -> Any:
        """The number."""
        if re.fullmatch("(0[xX])?[0-9a-fA-F]{1,16}", text) is None:
            raise ValueError(f"{text!r} is not a 64-bit number in hexadecimal")
        return int(text, 16)


class Range(Value):
    """`A`, `A:B`, `A:` or `:B`; the last is not included, numbers may be hexadecimal."""

    def __init__(self, end: int) -> None:
        """`end` is where a range without an end has it."""
        self._end = end

    def read(self, text: str) -> Any:
        """The first number and the one after the last."""
        first, colon, last = text.partition(":")
        numbers = [part for part in (first, last) if part]
        if not numbers or not all(re.fullmatch(_NUMBER, part) for part in numbers):
            raise ValueError(f"{text!r} is not a number or a range such as 10:20")
        low = number(first) if first else 0
        if not colon:
            return low, low + 1
        return low, (number(last) if last else self._end)
