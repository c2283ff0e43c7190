"""`igvm rules`: the rules, and what each is about."""

from __future__ import annotations

import click

from igvm.cli.shared import LOADERS, RULE_SETS, Verb, json_option, print_json, print_lines


@click.command("rules", cls=Verb, short_help="List the rules, or explain one.")
@click.argument("name", required=False)
@click.option(
    "--rules",
    type=click.Choice(RULE_SETS),
    default=None,
    help="Only these rules.",
    show_default="all",
)
@click.option(
    "--loader",
    type=click.Choice(LOADERS),
    default=None,
    metavar="NAME",
    help=f"Only the rules of one loader: {', '.join(LOADERS)}.",
)
@json_option
def command(name: str | None, rules: str | None, loader: str | None, json: str) -> None:
    """List the rules that `igvm check` knows, or explain the one called NAME.

    NAME may be as a finding has it: checksum, igvm-0.5/InvalidChecksum, loader/openvmm/overlap.
    """
    from igvm import report
    from igvm.report.rules import list_text, rule_list, rule_text

    if rules and loader:
        raise click.UsageError("--rules and --loader do not go together")
    listed = rule_list(rules or loader, name)
    if not listed.rules:
        among = f" among those of {rules or loader}" if rules or loader else ""
        raise click.UsageError(f"there is no rule {name}{among}")
    if json != "off":
        print_json([report.encode(listed, pretty=json == "pretty")])
    elif name is None:
        print_lines(list_text(listed))
    else:
        print_lines(rule_text(listed))
