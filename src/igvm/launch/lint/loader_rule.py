"""Loader rules as data: how bad, the fact in words, where it was read, and a body."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.checks.finding import Severity
from igvm.checks.rule import Rule

if TYPE_CHECKING:
    from igvm.launch.loader import Loader
    from igvm.spec.enums import PlatformType
else:
    PlatformType = Any  # a rule only carries them

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


class LoaderRule(msgspec.Struct, frozen=True):
    """What a loader does with one thing that a file may have."""

    name: str
    """Kebab-case; a finding's rule is `loader/<loader>/<name>`."""
    severity: Severity
    """ERROR: the guest does not start. WARNING: something is ignored, changed or risky."""
    words: str
    """The fact, in one sentence without a full stop; {who} stands for the program."""
    source: str
    """Where the fact was read, and whether it was seen to happen."""
    body: Any
    """From an InspectedLaunch to the places that the fact concerns."""
    platforms: tuple[PlatformType, ...] = ()
    """Those that it is about; all where none is named."""
    messages: tuple[str, ...] = ()
    """What the program prints when it ends for this; `{gpa}` and the like stand for what varies.

    None where it crashes or goes on, or where its words are not known.
    """

    @property
    def rationale(self) -> str:
        """Why it matters and what to do: the docstring of the body."""
        return inspect.getdoc(self.body) or ""

    @property
    def subject(self) -> str:
        """The module of its body, whose first line says what the rules in it are about."""
        module: str = self.body.__module__
        return module

    def sentence(self, *programs: str) -> str:
        """The fact as it is about `programs`."""
        who = programs[0] if len(set(programs)) == 1 else "the loader"
        return self.words.replace("{who}", who)

    def rule(self, loader: Loader) -> Rule:
        """This rule for one loader; its words end with the source, so each finding cites it."""
        return Rule(
            name=f"loader/{loader.name}/{self.name}",
            severity=self.severity,
            words=f"{self.sentence(loader.program)} ({self.source})",
            source=self.source,
            body=self.body,
            rationale=self.rationale,
        )
