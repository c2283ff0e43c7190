"""A file as plain values, and those values as text and JSON.

`info` sums a file up, `dump` takes it apart, `checked` collects findings; each gives a model that
`encode` turns into JSON and a `*_text` function into lines for a terminal. `rebuild` makes the
file again from its dump and its data. What is told of launches is in the modules `measurements`,
`traces`, `searches` and `differences`, and is asked for with `launch_settings`.
"""

from __future__ import annotations

from igvm.report.check_results import CheckReport, checked, unreadable
from igvm.report.check_text import check_text
from igvm.report.dump import DumpOptions, dump, entries, frame
from igvm.report.dump_model import Dump, Entry
from igvm.report.dump_text import dump_text
from igvm.report.encode import encode, encode_dump
from igvm.report.header_selection import Selection
from igvm.report.info import info
from igvm.report.info_model import Info
from igvm.report.info_text import info_text
from igvm.report.rebuild import rebuild
from igvm.report.schemas import schema
from igvm.report.terminal_text import plain, printable

__all__ = [
    "CheckReport",
    "Dump",
    "DumpOptions",
    "Entry",
    "Info",
    "Selection",
    "check_text",
    "checked",
    "dump",
    "dump_text",
    "encode",
    "encode_dump",
    "entries",
    "frame",
    "info",
    "info_text",
    "plain",
    "printable",
    "rebuild",
    "schema",
    "unreadable",
]
