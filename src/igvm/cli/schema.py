"""`igvm schema`: the JSON Schema of what a verb prints."""

from __future__ import annotations

from igvm.cli.options import JSON_VERB
from igvm.cli.streams import print_json
from igvm.cli.verb import verb


@verb("schema", JSON_VERB)
def command(*, verb: str) -> None:
    """Print the JSON Schema of `igvm VERB --json`."""
    from igvm import report

    print_json([report.encode(report.schema(verb), pretty=True)])
