"""`igvm.lint`: will a file boot there, by a loader's plan and by the digest of the launch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch import lint as plan_lint

if TYPE_CHECKING:
    from collections.abc import Collection

    from igvm.checks.finding import Finding
    from igvm.file.view import IgvmFile
    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.loader import Loader
    from igvm.launch.machine import Machine


def rules_of(loader: Loader) -> list[LoaderRule]:
    """The rules of one loader, by subject, those that need a digest last.

    Raises:
        TypeError: it has two rules of one name.
    """
    from igvm.measurement.endorsed_digest_rules import digest_rules

    return [*plan_lint.rules_of(loader), *digest_rules(loader)]


def all_rules() -> list[tuple[LoaderRule, tuple[Loader, ...]]]:
    """Every rule once, by subject, with the loaders that have it."""
    from igvm.launch.loader_table import loaders
    from igvm.measurement.endorsed_digest_rules import digest_rules

    owners: dict[LoaderRule, tuple[Loader, ...]] = dict(plan_lint.all_rules())
    for loader in loaders().values():
        for rule in digest_rules(loader):
            owners[rule] = (*owners.get(rule, ()), loader)
    return list(owners.items())


def lint(
    file: IgvmFile,
    loader: str,
    *,
    machine: str | Machine | None = None,
    vcpus: Collection[int] | None = None,
    cpu: str | int | None = None,
    most: int = 100,
) -> list[Finding]:
    """What keeps `loader` from booting `file`, and what it ignores or changes.

    An error says that the guest does not start, or that the loader crashes; a warning that
    something in the file is ignored, changed or depends on luck. Every message ends with where
    the fact was read. Of QEMU it is also judged whether the file's memory fits the regions of
    `machine`: an error stands exactly where QEMU ends at the first boot, and a warning of the rule
    `reset` where it ends at the first reset of the guest. Of other loaders, what depends on the
    host alone, such as too little memory, is not known. The digest in an ID block is held against
    what the loader leads to. Of `reference` the verdict is that of `igvm.check` with the rules of
    its release.

    Args:
        file: an open file.
        loader: a name in `igvm.loaders()`; not one of a tool that loads nothing.
        machine: what the guest is started on, for loaders whose machines are known: a Machine, or
            text such as `q35` or `pc,vga=none`. What it does not say is assumed: q35 with a VGA
            adapter, 128 MiB and one vCPU.
        vcpus: numbers of vCPUs that the guest may get, where they are known. The digest in an ID
            block is held against each.
        cpu: their processor, where it is known.
        most: list at most so many places a rule, and 10,000 of all rules but one of each; the
            last one of a rule counts the others in `more`.

    Raises:
        ValidationError: there is no such loader, processor or machine, it is such a tool, or there
            are too many vCPUs.
    """
    from igvm.checks.running import run
    from igvm.launch.loader_table import loader_of
    from igvm.measurement.endorsed_digest_rules import MeasuredLaunch, digest_rules

    findings = dict.fromkeys(plan_lint.lint(file, loader, machine=machine, most=most))
    chosen = loader_of(loader)
    for platform in chosen.choices(file):
        launch = MeasuredLaunch(file, chosen, platform, vcpus=vcpus, cpu=cpu)
        for rule in digest_rules(chosen):
            findings.update(dict.fromkeys(run(rule.rule(chosen), launch, most)))
    return list(findings)
