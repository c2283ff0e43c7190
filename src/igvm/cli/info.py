"""`igvm info`: a file on one screen."""

from __future__ import annotations

import click

from igvm.cli.shared import Verb, file_argument, json_option, open_file, print_json, print_lines


@click.command("info", cls=Verb)
@file_argument
@json_option
def command(path: str, json: str) -> None:
    """Show what a file is, on one screen.

    Platforms and policies, what each loads, the registers of its processors, who vouches for it,
    and whether the specification and the reference have something against it.
    """
    from igvm import report

    summary = report.info(open_file(path))
    if json == "off":
        print_lines(report.info_text(summary))
    else:
        print_json([report.encode(summary, pretty=json == "pretty")])
