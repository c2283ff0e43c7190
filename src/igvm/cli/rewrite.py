"""`igvm rewrite`: the same file again, or its canonical form."""

from __future__ import annotations

from igvm.cli.options import CANONICAL, FILE, FORCE, OUTPUT
from igvm.cli.output_file import write_file
from igvm.cli.streams import STDOUT, is_inside, open_file, print_lines
from igvm.cli.verb import verb


@verb("rewrite", FILE, OUTPUT, CANONICAL, FORCE)
def command(*, path: str, output: str, canonical: bool, force: bool) -> None:
    """Write a file again, and say whether OUT is identical to FILE.

    Without --canonical it always is: every byte is kept. OUT is written whole or not at all; in
    a folder it gets the name of FILE. To - , standard output, go the bytes alone. Of a FILE that
    is compressed, or a DLL with an IGVM file as its resource, OUT is the IGVM file inside.
    """
    from igvm.report.terminal_text import line, printable

    file = open_file(path)
    result = file
    if canonical:
        from igvm.write.canonical import canonical as canonical_form

        result = canonical_form(file)
    is_identical = result.buffer == file.buffer
    # Nobody would look for the file inside under the name of what it was in.
    source = "" if is_inside(file, path) else path
    target = write_file(result.buffer, output, source=source, overwrite=force)
    if target == STDOUT:
        return
    if is_identical:
        sentence = f"identical to {file.path}, {len(result.buffer):,} bytes"
    else:
        sentence = (
            f"differs from {file.path}, {len(result.buffer):,} bytes from {len(file.buffer):,}"
        )
    print_lines([line(f"{printable(target)}: {printable(sentence)}")])
