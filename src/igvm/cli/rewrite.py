"""`igvm rewrite`: the same file again, or its canonical form."""

from __future__ import annotations

import click

from igvm.cli.shared import Verb, open_file, print_lines

_PATH = click.Path(allow_dash=True, path_type=str)


@click.command("rewrite", cls=Verb)
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("target", metavar="OUT", type=click.Path(path_type=str))
@click.option(
    "--canonical", is_flag=True, help="Lay the file out and clean it up as the reference does."
)
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def command(source: str, target: str, *, canonical: bool, force: bool) -> None:
    """Write a file again, and say whether OUT is identical to IN.

    Without --canonical it always is: every byte is kept. OUT is written whole or not at all.
    """
    from igvm.report.layout import line, printable

    file = open_file(source)
    made = file
    if canonical:
        from igvm.write.canonical import canonical as canonical_form

        made = canonical_form(file)
    identical = made.buffer == file.buffer
    made.save(target, overwrite=force)
    if identical:
        said = f"identical to {source}, {len(made.buffer):,} bytes"
    else:
        said = f"differs from {source}, {len(made.buffer):,} bytes from {len(file.buffer):,}"
    print_lines([line(f"{printable(target)}: {printable(said)}")])
