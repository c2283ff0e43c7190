"""`igvm check`: what is wrong with files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from igvm.cli.app import UNREADABLE, complain, os_message
from igvm.cli.shared import (
    LOADERS,
    RULE_SETS,
    STDIN,
    Verb,
    json_option,
    print_json,
    print_lines,
    read_input,
)

if TYPE_CHECKING:
    from igvm.checks.finding import Severity
    from igvm.report.findings import Checked

_SEVERITIES = ("note", "warning", "error")


@click.command("check", cls=Verb)
@click.argument(
    "paths",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(allow_dash=True, path_type=str),
)
@click.option(
    "--rules",
    multiple=True,
    type=click.Choice([*RULE_SETS, "all"]),
    default=["spec"],
    show_default=True,
    help="What to check against: the specification, or whether a release of the reference crate "
    "accepts the file. May be given several times.",
)
@click.option(
    "--loader",
    "loaders",
    multiple=True,
    type=click.Choice(LOADERS),
    metavar="NAME",
    help=f"{', '.join(LOADERS)}: ask whether the file boots in a loader, and what that loader "
    "ignores or changes; instead of --rules, unless that is given too. May be given several times.",
)
@click.option(
    "--severity",
    type=click.Choice(_SEVERITIES),
    default="warning",
    show_default=True,
    help="Show findings that are at least this bad.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Show at most N places that break a rule.",
)
@json_option
def command(
    paths: tuple[str, ...],
    *,
    rules: tuple[str, ...],
    loaders: tuple[str, ...],
    severity: str,
    most: int,
    json: str,
) -> int:
    """Check files against the specification and the reference.

    Exits with 1 if there is an error in any file, and with 3 if a file cannot be read. Warnings
    and notes do not count. `igvm rules` explains the rules.
    """
    from igvm import report
    from igvm.checks.finding import Severity

    wanted = RULE_SETS if "all" in rules else tuple(one for one in RULE_SETS if one in rules)
    if loaders and not _is_given("rules"):
        wanted = ()
    files: list[Checked] = []
    code = 0
    for path in paths:
        try:
            one = _check(path, wanted, loaders, Severity[severity.upper()], most)
        except OSError as error:
            complain(os_message(error))
            code = UNREADABLE
            continue
        files.append(one)
        wrong = any(result.errors for result in one.results)
        code = max(code, UNREADABLE if not one.readable else int(wrong))
        if json == "off":
            print_lines(report.check_text(one))
    if json != "off":
        whole = report.CheckReport(files=files)
        print_json([report.encode(whole, pretty=json == "pretty")])
    return code


def _is_given(name: str) -> bool:
    """Whether the option is on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _check(
    path: str, rules: tuple[str, ...], loaders: tuple[str, ...], severity: Severity, most: int
) -> Checked:
    """What the rules and the loaders say to one file.

    Raises:
        OSError: the file cannot be opened.
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
        return report.unreadable(error, data, rules or ("spec",))
    return report.checked(file, rules, loaders=loaders, severity=severity, most=most)
