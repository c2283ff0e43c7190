"""Will it boot there? What each loader makes of a file, from what it does with the format.

Rules are functions under `@loader_rule(...)`, in one module for each subject. A rule gets the
`LoaderFacts` of a file, a loader and the platform it starts, and yields the places that the fact
concerns.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from igvm.errors import ValidationError
from igvm.launch.lint.loader import LOADERS

if TYPE_CHECKING:
    from igvm.checks.finding import Finding
    from igvm.file.view import IgvmFile
    from igvm.launch.lint.rule import LoaderRule
    from igvm.spec.enums import PlatformType

__all__ = ["LOADERS", "lint", "loader_rules"]

SUBJECTS = (
    "accept",
    "types",
    "areas",
    "pages",
    "order",
    "place",
    "start",
    "native",
    "vmsa",
    "kvm",
    "identity",
    "openvmm",
)
"""The modules that declare rules, in the order in which their rules are checked."""


def loader_rules() -> list[LoaderRule]:
    """Every rule, in the order in which they are checked."""
    from igvm.launch.lint.rule import all_declared

    _load()
    return all_declared()


def lint(file: IgvmFile, loader: str, *, most: int = 100) -> list[Finding]:
    """What keeps `loader` from booting `file`, and what it ignores or changes.

    An error says that the guest does not start, or that the loader crashes; a warning that
    something in the file is ignored, changed or depends on luck. Every message ends with where
    the fact was read. What depends on the host alone, such as too little memory, is not known.

    Args:
        file: an open file.
        loader: a name in `LOADERS`: `qemu-tcg`, `qemu-kvm`, `cloud-hypervisor-kvm`,
            `cloud-hypervisor-mshv` or `openvmm`.
        most: list at most so many places a rule; the last one counts the others in `more`.

    Raises:
        ValidationError: there is no such loader.
    """
    from igvm.checks.running import run
    from igvm.launch.lint.facts import LoaderFacts
    from igvm.launch.lint.rule import declared

    chosen = LOADERS.get(loader)
    if chosen is None:
        message = f"there is no loader {loader!r}; there are {', '.join(LOADERS)}"
        raise ValidationError(message)
    _load()
    # A loader that is told what to start is judged for all of it; most findings are the same.
    choices: list[PlatformType | None] = [*chosen.choices(file)] or [None]
    facts = [LoaderFacts(file, chosen, platform) for platform in choices]
    found: dict[Finding, None] = {}
    for one in declared(loader):
        rule = one.rule(loader)
        for each in facts:
            found.update(dict.fromkeys(run(rule, each, most)))
    return list(found)


def _load() -> None:
    """Import the modules, so that every rule is declared."""
    for subject in SUBJECTS:
        importlib.import_module(f"{__name__}.{subject}")
