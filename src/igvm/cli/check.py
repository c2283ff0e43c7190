"""`igvm check`: what is wrong with files."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from igvm.cli.launch_options import CPU, LOADER, VCPUS, loader_families
from igvm.cli.launch_request import usage_errors
from igvm.cli.messages import FOUND, UNREADABLE, complain, os_message
from igvm.cli.options import FILES, JSON, MOST, RULE_SETS, RULES, SEVERITY
from igvm.cli.streams import STDIN, print_json, print_lines, read_input
from igvm.cli.values import Group
from igvm.cli.verb import is_given, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from igvm.file.view import IgvmFile
    from igvm.report.check_results import Checked


def _loaders() -> tuple[str, ...]:
    """Those that load something."""
    from igvm.launch.loader_table import loaders_named

    return tuple(loader.name for loader in loaders_named("all", tools=False))


def _judges() -> tuple[str, ...]:
    """The same, and the reference, which reads."""
    return ("reference", *_loaders())


JUDGED_LOADER = LOADER._replace(
    value=Group("loader", _judges, families=loader_families, every=_loaders)
)


@verb(
    "check",
    FILES,
    RULES,
    JUDGED_LOADER,
    VCPUS,
    CPU,
    SEVERITY,
    MOST,
    JSON,
    summary="Check files against the specification and loaders.",
)
def command(
    *,
    paths: tuple[str, ...],
    rules: tuple[str, ...],
    loader: tuple[str, ...],
    vcpus: tuple[int, ...] | None,
    cpu: str | None,
    severity: str,
    most: int,
    json: str,
) -> int:
    """Check files against the specification, the reference and loaders.

    --loader asks whether a file boots there, and what the loader ignores or changes; it stands
    instead of --rules, unless that is given too. --vcpus and --cpu say which guest it starts: an
    ID block vouches for one digest. Exits with 1 if there is an error in any file, and with 3 if
    a file cannot be read. Warnings and notes do not count. `igvm rules` explains the rules.
    """
    from igvm import report
    from igvm.checks.finding import Severity

    rule_sets = tuple(name for name in RULE_SETS if name in rules)
    if loader and not is_given("rules"):
        rule_sets = ()
    if not loader and (vcpus or cpu):
        raise click.UsageError("--vcpus and --cpu are about guests in a --loader")
    judge = functools.partial(
        report.checked,
        rules=rule_sets,
        loaders=loader,
        severity=Severity[severity.upper()],
        most=most,
        vcpus=vcpus or (),
        cpu=cpu,
    )
    files: list[Checked] = []
    code = 0
    for path in paths:
        try:
            checked = _check(path, rule_sets, judge)
        except OSError as error:
            complain(os_message(error))
            code = UNREADABLE
            continue
        files.append(checked)
        has_errors = any(result.errors for result in checked.results)
        code = max(code, UNREADABLE if not checked.readable else FOUND if has_errors else 0)
        if json == "off":
            print_lines(report.check_text(checked))
    if json != "off":
        whole = report.CheckReport(files=files)
        print_json([report.encode(whole, pretty=json == "pretty")])
    return code


def _check(path: str, rule_sets: tuple[str, ...], judge: Callable[[IgvmFile], Checked]) -> Checked:
    """What `judge` says to one file, or `rule_sets` to bytes that are none.

    Raises:
        OSError: the file cannot be opened.
        UsageError: what was asked does not fit.
    """
    from igvm import report
    from igvm.errors import FormatError
    from igvm.file.read import open as open_path
    from igvm.file.read import parse

    data = b""
    try:
        if path == "-":
            data = read_input()
        file = parse(data, path=STDIN) if path == "-" else open_path(path)
    except FormatError as error:
        if path != "-":
            with open(path, "rb") as stream:
                data = stream.read()
        return report.unreadable(error, data, rule_sets or ("spec",))
    with usage_errors():
        return judge(file)
