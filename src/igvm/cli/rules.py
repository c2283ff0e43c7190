"""`igvm rules`: the rules, and what each is about."""

from __future__ import annotations

import click

from igvm.cli.shared import Verb, json_option, print_json, print_lines

_RULES = ("spec", "igvm-0.5", "igvm-0.4")


@click.command("rules", cls=Verb, short_help="List the rules, or explain one.")
@click.argument("name", required=False)
@click.option(
    "--rules", type=click.Choice(_RULES), default=None, help="Only these rules.", show_default="all"
)
@json_option
def command(name: str | None, rules: str | None, json: str) -> None:
    """List the rules that `igvm check` knows, or explain the one called NAME."""
    from igvm import report
    from igvm.report.rules import list_text, rule_list, rule_text

    listed = rule_list(rules, name)
    if not listed.rules:
        raise click.UsageError(f"there is no rule {name}")
    if json != "off":
        print_json([report.encode(listed, pretty=json == "pretty")])
    elif name is None:
        print_lines(list_text(listed))
    else:
        print_lines(rule_text(listed))
