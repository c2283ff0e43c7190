"""`igvm rules`: the rules, and what each is about."""

from __future__ import annotations

import click

from igvm.cli.check import JUDGED_LOADER
from igvm.cli.messages import FOUND, complain
from igvm.cli.options import JSON, RULE, RULES, SEARCH
from igvm.cli.streams import print_json, print_lines
from igvm.cli.verb import verb

MOST_EXPLAINED = 6
"""Rules that a search explains; more are listed."""


@verb(
    "rules",
    RULE,
    RULES._replace(default=None),
    JUDGED_LOADER,
    SEARCH,
    JSON,
    summary="List the rules, explain one, or find the one of a message.",
)
def command(
    *,
    name: str | None,
    rules: tuple[str, ...],
    loader: tuple[str, ...],
    search: str | None,
    json: str,
) -> int:
    """List the rules that `igvm check` knows, or explain the one called NAME.

    NAME may be as a finding has it: checksum, igvm-0.5/InvalidChecksum, loader/openvmm/overlap.
    --rules and --loader leave those of a rule set or of a loader. --search takes what a hypervisor
    printed, such as "device tree not available" or "Unable to parse IGVM file x.igvm: -16", and
    explains the rules that it is about; exits with 1 if there is none.
    """
    from igvm import report
    from igvm.report.rule_list import list_text, nearest_rule, rule_list, rule_text

    if rules and loader:
        raise click.UsageError("--rules and --loader do not go together")
    rule_sets = rules or loader
    if name is not None and search is not None:
        raise click.UsageError("NAME and --search do not go together")
    listed = rule_list(rule_sets, name, search)
    if name is not None and not listed.rules:
        among = f" among those of {', '.join(rule_sets)}" if rule_sets else ""
        guess = nearest_rule(name, rule_sets)
        question = f"; did you mean {guess}?" if guess else ""
        raise click.UsageError(f"there is no rule {name}{among}{question}")
    if json != "off":
        print_json([report.encode(listed, pretty=json == "pretty")])
    elif search is not None and not listed.rules:
        message = f"no rule is about {search!r}"
        complain(message, "give less of it: igvm looks for the whole text in what programs print")
    elif name is None and (search is None or len(listed.rules) > MOST_EXPLAINED):
        print_lines(list_text(listed))
    else:
        print_lines(rule_text(listed))
    return FOUND if search is not None and not listed.rules else 0
