"""Loader rules as data: for whom, how bad, the fact in words, where it was read, and a body."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.checks.finding import Severity
from igvm.checks.rule import Rule
from igvm.launch.lint.loader import LOADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

    Body = Callable[[LoaderFacts], Found]

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


class LoaderRule(msgspec.Struct, frozen=True):
    """What some loaders do with one thing that a file may have."""

    name: str
    """Kebab-case; a finding's rule is `loader/<loader>/<name>`."""
    loaders: tuple[str, ...]
    severity: Severity
    """ERROR: the guest does not start. WARNING: something is ignored, changed or risky."""
    words: str
    """The fact, in one sentence without a full stop; {who} stands for the program."""
    source: str
    """Where the fact was read, and whether it was seen to happen."""
    body: Any
    """From the LoaderFacts of a file to the places that it concerns."""
    rationale: str = ""
    """Why it matters and what to do; the docstring of the body."""

    def sentence(self, *loaders: str) -> str:
        """The fact as it is about `loaders`, all of the rule's where none is named."""
        programs = {LOADERS[name].program for name in loaders or self.loaders}
        who = programs.pop() if len(programs) == 1 else "the loader"
        return self.words.replace("{who}", who)

    def rule(self, loader: str) -> Rule:
        """This rule for one loader; its words end with the source, so each finding cites it."""
        words = self.sentence(loader)
        return Rule(
            f"loader/{loader}/{self.name}",
            self.severity,
            f"{words} ({self.source})",
            self.source,
            self.body,
            self.rationale,
        )


_RULES: dict[tuple[str, str], LoaderRule] = {}
"""Rules by loader and name, in the order in which they are declared."""


def loader_rule(
    name: str,
    loaders: str | tuple[str, ...],
    severity: Severity,
    words: str,
    source: str,
) -> Callable[[Body], Body]:
    """Declare a rule; decorators stack where loaders differ in severity, words or source."""
    names = (loaders,) if isinstance(loaders, str) else loaders

    def declare(body: Body) -> Body:
        made = LoaderRule(name, names, severity, words, source, body, inspect.getdoc(body) or "")
        for loader in names:
            if (loader, name) in _RULES:
                message = f"{loader} has a rule {name} already"
                raise ValueError(message)
            _RULES[loader, name] = made
        return body

    return declare


def declared(loader: str) -> list[LoaderRule]:
    """The rules of one loader, in order."""
    return [rule for (name, _), rule in _RULES.items() if name == loader]


def all_declared() -> list[LoaderRule]:
    """Every rule once, in order."""
    return list({id(rule): rule for rule in _RULES.values()}.values())
