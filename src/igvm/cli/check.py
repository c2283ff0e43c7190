"""`igvm check`: what is wrong with files."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from igvm.cli.launch_options import CPU, LOADER, MACHINE, MEMORY, VCPUS, loader_families
from igvm.cli.launch_request import usage_errors
from igvm.cli.messages import FOUND, UNREADABLE, complain, complain_of, os_message
from igvm.cli.options import (
    EVERY_PLACE,
    FAIL_ON,
    FILES,
    FORMAT,
    IGNORE,
    JSON,
    MOST,
    RULE_SETS,
    RULES,
    SEVERITIES,
    SEVERITY,
)
from igvm.cli.streams import STDIN, input_bytes, print_json, print_lines
from igvm.cli.values import Group
from igvm.cli.verb import is_given, settings_used, verb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from igvm.file.view import IgvmFile
    from igvm.launch.machine import Machine
    from igvm.report.check_results import Checked
    from igvm.report.terminal_text import Line


def _loaders() -> tuple[str, ...]:
    """Those that load something."""
    from igvm.launch.loader_table import loaders_named

    return tuple(loader.name for loader in loaders_named("all", tools=False))


def _judges() -> tuple[str, ...]:
    """The same, and the reference, which reads."""
    return ("reference", *_loaders())


_LISTED, _JOINED = 10, 1000
"""Places of a rule that are looked at: where each is listed, and where those alike are joined."""

_JSON = "json"
"""The form of output that --json asks for, in whichever way."""

JUDGED_LOADER = LOADER._replace(
    value=Group("loader", _judges, families=loader_families, every=_loaders)
)


JUDGED_VCPUS = VCPUS._replace(
    help="How many vCPUs the guest has: QEMU's memory is judged for the most of several (one is "
    "assumed), and an ID block for each (1 to 64)."
)


@verb(
    "check",
    FILES,
    RULES,
    JUDGED_LOADER,
    MACHINE,
    MEMORY,
    JUDGED_VCPUS,
    CPU,
    FAIL_ON,
    IGNORE,
    SEVERITY,
    MOST,
    EVERY_PLACE,
    FORMAT,
    JSON,
    summary="Check files against the specification and loaders.",
)
def command(
    *,
    paths: tuple[str, ...],
    rules: tuple[str, ...],
    loader: tuple[str, ...],
    machine: Machine | None,
    memory: int | None,
    vcpus: tuple[int, ...] | None,
    cpu: str | None,
    fail_on: tuple[str, ...],
    ignore: tuple[str, ...],
    severity: str,
    most: int | None,
    every_place: bool,
    form: str,
    json: str,
) -> int:
    """Check files against the specification, the reference and loaders.

    --loader asks whether a file boots there, and what the loader ignores or changes; it stands
    instead of --rules, unless that is given too. --vcpus and --cpu say which guest it starts: an
    ID block vouches for one digest. For QEMU, --machine, --memory and --vcpus say on what, and what
    they leave open is assumed and printed. Exits with 1 if there is an error in any file, or what
    --fail-on names, and with 3 if a file cannot be read. Other warnings and notes do not count.
    `igvm rules` explains the rules. --fail-on and --ignore may also stand in a file of the working
    directory, as fail-on and ignore in igvm.toml or in the table tool.igvm of pyproject.toml, and
    what the command line says of each wins.
    """
    from igvm import report
    from igvm.checks.finding import Severity
    from igvm.errors import FormatError
    from igvm.report.release_gate import gate
    from igvm.report.terminal_text import line

    rule_sets = tuple(name for name in RULE_SETS if name in rules)
    if loader and not is_given("rules"):
        rule_sets = ()
    if not loader and (vcpus or cpu):
        raise click.UsageError("--vcpus and --cpu are about guests in a --loader")
    if json != "off":
        if is_given("form"):
            raise click.UsageError("--json and --format do not go together")
        form = _JSON
    if every_place and form != "text":
        raise click.UsageError("-v is about text; other forms list each place, up to --most")
    _require_checked(fail_on, rule_sets, loader)
    # Five loaders cost several times what the specification does, so not for many files.
    verdicts = len(paths) == 1 and not loader and not is_given("rules")
    verdicts &= form in {"text", _JSON}
    judge = functools.partial(
        report.checked,
        rules=rule_sets,
        loaders=loader,
        severity=Severity[severity.upper()],
        most=most or _places(form, every_place=every_place),
        machine=_machine(machine, memory, max(vcpus) if vcpus else None, loader),
        vcpus=vcpus or (),
        cpu=cpu,
        gate=gate(fail_on, ignore),
        verdicts=verdicts,
    )
    files: list[Checked] = []
    problems: list[str] = []
    code = 0
    for path in paths:
        try:
            checked = _check(path, rule_sets, judge, verdicts=verdicts)
        except OSError as error:
            problems.append(os_message(error))
            complain(problems[-1])
            code = UNREADABLE
            continue
        except FormatError as error:
            problems.append(str(error))
            code = complain_of(error)
            continue
        files.append(checked)
        fails = any(result.failing for result in checked.results)
        code = max(code, UNREADABLE if not checked.readable else FOUND if fails else 0)
        print_lines(_lines(checked, form, every_place=every_place))
    whole = report.CheckReport(settings=settings_used(), files=files)
    if form == _JSON:
        print_json([report.encode(whole, pretty=json == "pretty")])
    elif form == "sarif":
        from igvm.report.sarif import sarif

        print_json([sarif(whole, exit_code=code, problems=problems)])
    elif whole.settings is not None:
        # Somebody else may have written the file, and what it leaves out must not go unseen.
        print_lines([line(("settings: ", "quiet"), whole.settings)])
    return code


def _places(form: str, *, every_place: bool) -> int:
    """How many places of a rule are looked at for a form of output."""
    from igvm.checks.running import MOST_LISTED

    if form == "text" and every_place:
        return MOST_LISTED
    return _JOINED if form in {"text", "github"} else _LISTED


def _lines(checked: Checked, form: str, *, every_place: bool) -> Iterable[Line]:
    """What is printed of one file as soon as it was checked."""
    from igvm import report
    from igvm.report.finding_lines import gcc_lines, github_lines

    match form:
        case "text":
            return report.check_text(checked, every_place=every_place)
        case "gcc":
            return (((text, ""),) for text in gcc_lines(checked))
        case "github":
            return (((text, ""),) for text in github_lines(checked))
        case _:
            return ()


def _require_checked(
    fail_on: tuple[str, ...], rule_sets: tuple[str, ...], loaders: tuple[str, ...]
) -> None:
    """Refuse rules that nothing checks: a release that they should stop would pass.

    Raises:
        UsageError: none of the rule sets and loaders has the rule.
    """
    from igvm.launch.loader_table import loader_of
    from igvm.report.rule_list import rule_names

    checked = {*rule_sets, *loaders}
    checked |= {f"igvm-{loader_of(name).crate}" for name in loaders if name == "reference"}
    for name in fail_on:
        if name in SEVERITIES:
            continue
        owners = {rule.rule_set: None for rule in rule_names()[name]}
        if checked.isdisjoint(owners):
            owner, *others = owners
            option = "rules" if owner in RULE_SETS else "loader"
            more = f", {', '.join(others)}" if others else ""
            raise click.UsageError(
                f"--fail-on {name}: that is a rule of {owner}{more}, and not checked here; "
                f"add --{option} {owner}"
            )


def _machine(
    machine: Machine | None, memory: int | None, vcpus: int | None, loaders: tuple[str, ...]
) -> Machine | None:
    """The machine that the options describe; None where nothing was said of one.

    Raises:
        UsageError: no loader takes one, or it cannot have so much memory.
    """
    from igvm.launch.loader_table import loader_of

    if not any(loader_of(name).machines for name in loaders):
        if machine is not None or memory is not None:
            message = "--machine and --memory are for the loaders of QEMU: add --loader qemu"
            raise click.UsageError(message)
        return None
    if machine is None and memory is None and vcpus is None:
        return None
    import msgspec

    from igvm.launch.machine import Machine
    from igvm.launch.programs.qemu_machines import qemu_machine

    whole = msgspec.structs.replace(machine or Machine(), memory=memory, vcpus=vcpus)
    with usage_errors():
        qemu_machine(whole)
    return whole


def _check(
    path: str,
    rule_sets: tuple[str, ...],
    judge: Callable[[IgvmFile], Checked],
    *,
    verdicts: bool,
) -> Checked:
    """What `judge` says to one file, or `rule_sets` to bytes that are none.

    With `verdicts` the releases of the reference say a word to such bytes.

    Raises:
        OSError: the file cannot be opened or read.
        FormatError: it goes on beyond what is read of a pipe or a device.
        UsageError: what was asked does not fit.
    """
    from igvm import report
    from igvm.errors import FormatError
    from igvm.file.inside import inside
    from igvm.file.read import view
    from igvm.storage.file_bytes import START

    name = STDIN if path == "-" else path
    data = input_bytes(path)
    try:
        data = inside(data, name)
        file = view(data, name)
    except FormatError as error:
        if data.has_more and len(data.buffer) > START:
            raise  # what follows is not known, and a verdict is about a whole file
        # The releases judge whole files, and of this one only the start was read.
        verdicts = verdicts and not data.has_more
        return report.unreadable(error, data.buffer, rule_sets or ("spec",), verdicts=verdicts)
    with usage_errors():
        return judge(file)
