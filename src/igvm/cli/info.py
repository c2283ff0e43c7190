"""`igvm info`: a file on one screen."""

from __future__ import annotations

from igvm.cli.options import FILE, JSON
from igvm.cli.streams import open_file, print_json, print_lines
from igvm.cli.verb import verb


@verb("info", FILE, JSON)
def command(*, path: str, json: str) -> None:
    """Show what a file is, on one screen.

    Platforms and policies, what each loads, how its processors start, who vouches for it, the first
    digits of its digests, which loaders take it, and whether the specification and the reference
    have something against it.
    """
    from igvm import report

    summary = report.info(open_file(path))
    if json == "off":
        print_lines(report.info_text(summary))
    else:
        print_json([report.encode(summary, pretty=json == "pretty")])
