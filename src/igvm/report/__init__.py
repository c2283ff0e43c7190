"""A file as plain values, and those values as text and JSON.

`info` sums a file up, `dump` takes it apart, `checked` collects findings; each gives a model that
`encode` turns into JSON and a `*_text` function into lines for a terminal. `rebuild` makes the
file again from its dump and its data. What is told of launches is in the modules `measurements`,
`traces`, `searches` and `differences`, and is asked for with `launch_settings`. Names are loaded
when they are first used.
"""

from __future__ import annotations

from igvm.lazy_names import lazy_names

# `__init__.pyi`, which type checkers read, is made from it by scripts/public_names.py.
_PUBLIC = {
    "report.check_results": (
        "CheckReport",
        "checked",
        "unreadable",
    ),
    "report.findings_text": ("check_text",),
    "report.dump_model": (
        "Dump",
        "Entry",
    ),
    "report.file_dump_text": ("dump_text",),
    "report.encoding": (
        "encode",
        "encode_dump",
    ),
    "report.file_dump": (
        "DumpOptions",
        "dump",
        "entries",
        "frame",
    ),
    "report.file_info": ("info",),
    "report.header_selection": ("Selection",),
    "report.info_model": ("Info",),
    "report.file_info_text": ("info_text",),
    "report.rebuilding": ("rebuild",),
    "report.schemas": ("schema",),
    "report.terminal_text": (
        "plain",
        "printable",
    ),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _PUBLIC)
