"""Will it boot there? What each loader makes of a file, from what it does with the format.

A loader's module yields its rules, whose bodies are in `igvm.launch.rules`, one module a subject.
A body gets the `InspectedLaunch` of a file, a loader and the platform it starts, and yields the
places that the fact concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import ValidationError

if TYPE_CHECKING:
    from igvm.checks.finding import Finding
    from igvm.file.view import IgvmFile
    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.loader import Loader
    from igvm.launch.machine import Machine
    from igvm.spec.enums import PlatformType

SUBJECTS = (
    "acceptance_rules",
    "header_type_rules",
    "parameter_rules",
    "page_rules",
    "cpuid_rules",
    "order_rules",
    "address_rules",
    "qemu_region_rules",
    "start_rules",
    "firmware_rules",
    "native_register_rules",
    "native_kvm_register_rules",
    "vmsa_rules",
    "kvm_register_rules",
    "identity_rules",
    "openvmm_rules",
)
"""The subjects of rules, in the order in which they are checked; others follow."""


def rules_of(loader: Loader) -> list[LoaderRule]:
    """The rules of one loader, by subject; none for a tool that loads nothing.

    Raises:
        TypeError: it has two rules of one name.
    """
    from igvm.launch.lint.loader_rule import ERROR, LoaderRule
    from igvm.launch.rules import acceptance_rules
    from igvm.spec.isolation import enumerated

    rules = list(loader.rules())
    if not rules:
        return []
    if loader.measures:  # where nothing is measured there is no size that it could not take
        no_plan = LoaderRule(
            "no-plan",
            ERROR,
            "what a platform asks for must be in the file and fit into a guest",
            "every loader copies file data and parameter areas into guest memory",
            acceptance_rules.no_plan,
        )
        rules.append(no_plan)
    # What holds for every loader, where it has not said it in words of its own.
    names = [rule.name for rule in rules]
    if "no-platform" not in names:
        words = f"{{who}} starts {enumerated(loader.platforms, 'or')}"
        body = acceptance_rules.no_platform
        rules.append(LoaderRule("no-platform", ERROR, words, loader.source, body))
    if "refused" not in names and loader.crate is not None:
        words = f"{{who}} reads files with the igvm crate {loader.crate}, which must accept them"
        rules.append(LoaderRule("refused", ERROR, words, loader.source, acceptance_rules.refused))
    names = [rule.name for rule in rules]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        message = f"loader {loader.name} has {', '.join(sorted(twice))} twice"
        raise TypeError(message)
    return sorted(rules, key=_place)


def all_rules() -> list[tuple[LoaderRule, tuple[Loader, ...]]]:
    """Every rule once, by subject, with the loaders that have it."""
    from igvm.launch.loader_table import loaders

    owners: dict[LoaderRule, tuple[Loader, ...]] = {}
    for loader in loaders().values():
        for rule in rules_of(loader):
            owners[rule] = (*owners.get(rule, ()), loader)
    return sorted(owners.items(), key=lambda item: _place(item[0]))


def _place(rule: LoaderRule) -> tuple[int, int]:
    """Where `rule` is among all: by subject, then in the order of the bodies in its module."""
    subject = rule.subject.rpartition(".")[2]
    number = SUBJECTS.index(subject) if subject in SUBJECTS else len(SUBJECTS)
    return number, rule.body.__code__.co_firstlineno


def lint(
    file: IgvmFile, loader: str, *, machine: str | Machine | None = None, most: int = 100
) -> list[Finding]:
    """What keeps `loader` from booting `file`, by its plan: `igvm.lint` but for digests.

    Args:
        file: an open file.
        loader: a name in `igvm.loaders()`; not one of a tool that loads nothing.
        machine: what the guest is started on, for loaders whose machines are known: a Machine, or
            text such as `q35` or `pc,vga=none`. What it does not say is assumed: q35 with a VGA
            adapter, 128 MiB and one vCPU.
        most: list at most so many places a rule, and 10,000 of all rules but one of each; the
            last one of a rule counts the others in `more`.

    Raises:
        ValidationError: there is no such loader, it is such a tool, or there is no such machine.
    """
    from igvm.checks.running import MOST_LISTED, run
    from igvm.file.argument_kinds import require_file
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.launch.loader_table import loader_of
    from igvm.launch.machine import machine_of
    from igvm.launch.programs.qemu_machines import qemu_machine

    require_file(file)
    chosen = loader_of(loader)
    launched_on = machine_of(machine, chosen.machines, loader=chosen.name)
    if launched_on is not None:
        qemu_machine(launched_on)
    rules = rules_of(chosen)
    if not rules:
        return _verdict(file, chosen)
    # A loader that is told what to start is judged for all of it; most findings are the same.
    choices: list[PlatformType | None] = [*chosen.choices(file)] or [None]
    inspected = [InspectedLaunch(file, chosen, platform, launched_on) for platform in choices]
    findings: dict[Finding, None] = {}
    for loader_rule in rules:
        rule = loader_rule.rule(chosen)
        for launch in inspected:
            if loader_rule.platforms and launch.platform not in loader_rule.platforms:
                continue
            room = min(most, MOST_LISTED - len(findings))
            findings.update(dict.fromkeys(run(rule, launch, room)))
    return list(findings)


def first_error(
    file: IgvmFile, loader: Loader, platform: PlatformType | None, machine: Machine | None = None
) -> str | None:
    """The first rule that says that `loader` does not start `platform` of `file`, if one does.

    A rule that only warns is not asked, and none after the first error: the answer of `lint` at a
    part of its price.
    """
    from igvm.checks.finding import Severity
    from igvm.checks.running import run
    from igvm.launch.lint.inspected_launch import InspectedLaunch

    launch = InspectedLaunch(file, loader, platform, machine)
    for loader_rule in rules_of(loader):
        if loader_rule.severity != Severity.ERROR:
            continue
        if loader_rule.platforms and platform not in loader_rule.platforms:
            continue
        if run(loader_rule.rule(loader), launch, 1):
            return loader_rule.name
    return None


def _verdict(file: IgvmFile, tool: Loader) -> list[Finding]:
    """What a tool that loads nothing says to `file`: what its reader does, where that is known."""
    from igvm.checks.reference import verdict

    if tool.crate is None:
        message = f"{tool.name} loads nothing, so there is no telling whether it would boot a file"
        raise ValidationError(message, hint="igvm measure gives its digest")
    return verdict(file, tool.crate)
