"""The options that choose headers and say how they are shown."""

from __future__ import annotations

from igvm.cli.option_records import SELECTION, Option
from igvm.cli.values import EnumName, Integer, Name, Range

SECTION = Option(
    "section",
    ("--section",),
    "Only this section: {names}.",
    Name("section", ("platform", "initialization", "directive", "unknown")),
    metavar="NAME",
    multiple=True,
    group=SELECTION,
)
TYPE = Option(
    "type",
    ("--type",),
    "Only headers of this type, such as PAGE_DATA or 0x302.",
    EnumName("HeaderType", "header type", takes_numbers=True),
    metavar="NAME",
    multiple=True,
    group=SELECTION,
)
INDEX = Option(
    "index",
    ("--index",),
    "Only headers from position A up to B, which is not included.",
    Range(1 << 32),
    metavar="A[:B]",
    multiple=True,
    group=SELECTION,
)
ADDRESS = Option(
    "address",
    ("--address",),
    "Only headers that touch guest address A, or addresses from A up to B.",
    Range(1 << 64),
    metavar="A[:B]",
    multiple=True,
    group=SELECTION,
)
RAW = Option("raw", ("--raw",), "Show the bytes of each header as well.")
DATA = Option(
    "data",
    ("--data",),
    "Show the first N bytes of the data of each entry.",
    Integer(0),
    metavar="N",
    default="0",
)
NO_JOIN = Option("no_join", ("--no-join",), "Show each page on its own.")
