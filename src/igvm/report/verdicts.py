"""In a word each: what every release of the reference says to a file, and every loader."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from igvm.checks.finding import Finding
    from igvm.file.view import IgvmFile

REFERENCE = "igvm-"
"""What the rule set of a release of the reference starts with."""

RELEASES = ("igvm-0.5", "igvm-0.4")
"""The releases, in the order in which they are named; a test holds it against the rule sets."""

LARGEST_HASHED = 16 << 20
"""Bytes of a file whose launches are hashed for a word, to hold them against its ID blocks."""

_UNHASHED = "ID blocks are right, since the file is larger than 16 MiB"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a release or a loader says to a file."""

    name: str
    """`igvm-0.5`, or the name of the loader."""
    verdict: Literal["accepted", "rejected", "crashes", "not judged"]
    """Whether there is no error; `crashes` where the reference panics, `not judged` where a launch
    has more headers than are planned of a file of its size."""
    platforms: list[str] = []
    """The platforms of the file that the loader would start; none for a release."""
    assumptions: list[str] = []
    """What the loader's verdict takes for granted, a sentence without a full stop each."""


def verdict_of(
    rules: str, findings: Sequence[Finding]
) -> Literal["accepted", "rejected", "crashes"]:
    """What a rule set or a loader makes of a file in which it has `findings`."""
    if not any(finding.is_error for finding in findings):
        return "accepted"
    if rules.startswith(REFERENCE) and any(map(_crashes, findings)):
        return "crashes"
    return "rejected"


def _crashes(finding: Finding) -> bool:
    """Whether the reference panics where it should report this finding of its rules."""
    from igvm.checks.reference import REFERENCE_RULES

    return REFERENCE_RULES[finding.rule.partition("/")[2]].crashes


def release_verdicts(judge: Callable[[str], Sequence[Finding]]) -> list[Verdict]:
    """What each release of the reference says; `judge` gives the findings of one, `0.5`."""
    return [
        Verdict(name=name, verdict=verdict_of(name, judge(name.removeprefix(REFERENCE))))
        for name in RELEASES
    ]


def loader_verdicts(file: IgvmFile) -> list[Verdict]:
    """What becomes of `file` in each loader, on the machine that is assumed where that matters.

    The launches of a file of more than LARGEST_HASHED bytes are not held against its ID blocks,
    which is said among the assumptions.
    """
    from igvm.launch import lint as plan_lint
    from igvm.launch.loader_table import loaders_named
    from igvm.launch.machine import machine_of
    from igvm.launch.programs.qemu_machines import assumptions
    from igvm.measurement.lint import lint
    from igvm.spec.directive import SNPIDBlock

    hashes = len(file.buffer) <= LARGEST_HASHED
    unseen = [] if hashes or not len(file.table(SNPIDBlock)) else [_UNHASHED]
    verdicts = []
    for loader in loaders_named("all", tools=False):
        machine = machine_of(None, loader.machines, loader=loader.name) if loader.machines else None
        judge = lint if hashes else plan_lint.lint
        word: Literal["accepted", "rejected", "crashes", "not judged"] = "not judged"
        with contextlib.suppress(LoadError):
            word = verdict_of(loader.name, judge(file, loader.name, machine=machine, most=1))
        verdicts.append(
            Verdict(
                name=loader.name,
                verdict=word,
                platforms=[kind.name for kind in loader.choices(file)],
                assumptions=[*(() if machine is None else assumptions(machine)), *unseen],
            )
        )
    return verdicts
