"""The options and arguments that verbs share, and those of checking, each said once."""

from __future__ import annotations

from igvm.cli.option_records import Argument, Option
from igvm.cli.values import FilePath, Group, Integer, Name, Value

RULE_SETS = ("spec", "igvm-0.5", "igvm-0.4")
"""What --rules takes; a test holds it against the library."""

JSON_VERBS = ("info", "dump", "check", "rules", "measure", "explain", "find", "diff")
"""The verbs that print JSON; a test holds them against the library."""

FILE = Argument("path", "FILE", FilePath())
OPTIONAL_FILE = Argument("path", "[FILE]", FilePath(), required=False)
OPTIONAL_FILES = Argument("paths", "[FILE...]", FilePath(), multiple=True, required=False)
FILES = Argument("paths", "FILE...", FilePath(), multiple=True)
FIRST_FILE = Argument("first_path", "A", FilePath())
SECOND_FILE = Argument("second_path", "[B]", FilePath(), required=False)
RULE = Argument("name", "[NAME]", Value(), required=False)
JSON_VERB = Argument("verb", "VERB", Name("verb with JSON", JSON_VERBS))
SHELL = Argument("shell", "SHELL", Name("completion for", ("bash", "zsh", "fish")))

JSON = Option(
    "json",
    ("--json",),
    "Print JSON: indented (pretty, and without a value), or on one line (short).",
    Name("form of JSON", ("pretty", "short"), hidden=("off",)),
    metavar="[=pretty|short]",
    default="off",
    bare="pretty",
)
OUTPUT = Option(
    "output", ("-o", "--output"), "Where to write.", FilePath(), metavar="OUT", required=True
)
FORCE = Option("force", ("--force",), "Replace OUT if it exists.")
CANONICAL = Option(
    "canonical", ("--canonical",), "Lay the file out and clean it up as the reference does."
)

RULES = Option(
    "rules",
    ("--rules",),
    "What to check against: {names}, or all. spec is the specification; the others ask whether a "
    "release of the reference crate accepts the file.",
    Group("rule set", RULE_SETS),
    metavar="NAME",
    multiple=True,
    default="spec",
)
SEARCH = Option(
    "search",
    ("--search",),
    "What a hypervisor printed, or a part of it: the rules that this is about. A number such as "
    "-16 is what QEMU shows of an error of libigvm.",
    Value(),
    metavar="TEXT",
)
SEVERITY = Option(
    "severity",
    ("--severity",),
    "Show findings that are at least this bad: {names}.",
    Name("severity", ("note", "warning", "error")),
    metavar="NAME",
    default="warning",
)
MOST = Option(
    "most",
    ("--most",),
    "Show at most N places that break a rule; 10,000 of all rules together.",
    Integer(1),
    metavar="N",
    default="10",
)
