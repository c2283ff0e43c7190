"""Which rules a hypervisor's message is about: what it printed, or libigvm's result."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.report.rule_list import RuleEntry

_RESULT = re.compile(r"igvm file.*: (-\d+)\b")
"""How QEMU shows the result of libigvm, in folded text."""
_VARYING = re.compile(r"\{\w+\}")
_NUMBER = re.compile(r"\b0x[0-9a-f]+\b|-?\b\d+\b")
_GAP = "#"
"""What stands for everything that varies."""


def rules_about(entries: Iterable[RuleEntry], text: str) -> list[RuleEntry]:
    """The rules whose program prints `text`, or a part of it; else those whose words have it.

    Case and spaces do not count, and neither do numbers: addresses in messages vary. `-16`, alone
    or in QEMU's sentence, is libigvm's result, by which rules of the reference are found.

    Args:
        entries: the rules to choose from.
        text: a message, a part of one, a line of a log that has one, or words.
    """
    known = list(entries)
    wanted = _folded(text)
    if not wanted:
        return []
    result = _result_in(wanted)
    if result is not None:
        return [
            entry
            for entry in known
            if entry.result == result
            or (wanted != str(result) and any(_prints(each, wanted) for each in entry.messages))
        ]
    found = [entry for entry in known if any(_prints(each, wanted) for each in entry.messages)]
    return found or [entry for entry in known if _says(entry, wanted)]


def _result_in(wanted: str) -> int | None:
    """The result of libigvm that a text names, alone or as QEMU does."""
    if re.fullmatch(r"-\d+", wanted):
        return int(wanted)
    match = _RESULT.search(wanted)
    return None if match is None else int(match[1])


def _prints(message: str, wanted: str) -> bool:
    """Whether a program that prints `message` may have printed `wanted`, or `wanted` around it."""
    folded = _folded(message)
    if _follow(_VARYING.split(folded), wanted):
        return True
    return _NUMBER.sub(_GAP, wanted) in _NUMBER.sub(_GAP, _VARYING.sub(_GAP, folded))


def _follow(parts: list[str], wanted: str) -> bool:
    """Whether `parts` are in `wanted` one after the other, with something between them."""
    position = -1
    for part in parts:
        position = wanted.find(part, position + 1)
        if position < 0:
            return False
        position += len(part)
    return True


def _says(entry: RuleEntry, wanted: str) -> bool:
    """Whether every word of `wanted` is in what is said of a rule."""
    said = _folded(f"{entry.name} {entry.words} {entry.rationale}")
    return all(word in said for word in wanted.split(" "))


def _folded(text: str) -> str:
    """`text` in lower case, with one blank for spaces of any kind."""
    return " ".join(text.casefold().split())
