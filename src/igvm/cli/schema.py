"""`igvm schema`: the JSON Schema of what a verb prints."""

from __future__ import annotations

import click

from igvm.cli.shared import print_json


@click.command("schema")
@click.argument("verb", type=click.Choice(["info", "dump", "check", "measure", "rules"]))
def command(verb: str) -> None:
    """Print the JSON Schema of `igvm VERB --json`."""
    from igvm import report

    print_json([report.encode(report.schema(verb), pretty=True)])
