"""`igvm rules`: the rules, and what each is about."""

from __future__ import annotations

import click

from igvm.cli.check import JUDGED_LOADER
from igvm.cli.options import JSON, RULE, RULES
from igvm.cli.streams import print_json, print_lines
from igvm.cli.verb import verb


@verb(
    "rules",
    RULE,
    RULES._replace(default=None),
    JUDGED_LOADER,
    JSON,
    summary="List the rules, or explain one.",
)
def command(
    *, name: str | None, rules: tuple[str, ...], loader: tuple[str, ...], json: str
) -> None:
    """List the rules that `igvm check` knows, or explain the one called NAME.

    NAME may be as a finding has it: checksum, igvm-0.5/InvalidChecksum, loader/openvmm/overlap.
    --rules and --loader leave those of a rule set or of a loader.
    """
    from igvm import report
    from igvm.report.rule_list import list_text, nearest_rule, rule_list, rule_text

    if rules and loader:
        raise click.UsageError("--rules and --loader do not go together")
    rule_sets = rules or loader
    listed = rule_list(rule_sets, name)
    if name is not None and not listed.rules:
        among = f" among those of {', '.join(rule_sets)}" if rule_sets else ""
        guess = nearest_rule(name, rule_sets)
        question = f"; did you mean {guess}?" if guess else ""
        raise click.UsageError(f"there is no rule {name}{among}{question}")
    if json != "off":
        print_json([report.encode(listed, pretty=json == "pretty")])
    elif name is None:
        print_lines(list_text(listed))
    else:
        print_lines(rule_text(listed))
