"""The options and arguments that verbs share, and those of checking, each said once."""

from __future__ import annotations

from igvm.cli.option_records import Argument, Option
from igvm.cli.values import FilePath, Group, Integer, Name, RuleName, Value

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

SEVERITIES = ("note", "warning", "error")
"""What is said of findings, from the least on; a test holds it against the library."""

FAIL_ON = Option(
    "fail_on",
    ("--fail-on",),
    "Exit with 1 where there is a finding of this rule, or one that is at least so bad: {names}. "
    "Errors count in any case.",
    RuleName(SEVERITIES),
    metavar="RULE|SEVERITY",
    multiple=True,
    in_file=True,
)
IGNORE = Option(
    "ignore",
    ("--ignore",),
    "Leave out the findings of this rule; it is said how many there are.",
    RuleName(),
    metavar="RULE",
    multiple=True,
    in_file=True,
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
    Name("severity", SEVERITIES),
    metavar="NAME",
    default="warning",
)
MOST = Option(
    "most",
    ("--most",),
    "Look at no more than N places that break a rule: by default 1,000 for text, 10 for other "
    "forms, which have a line or more for each; 10,000 of all rules together.",
    Integer(1),
    metavar="N",
)
FORMAT = Option(
    "form",
    ("--format",),
    "How findings are written: {names}. gcc has a line for each place, as compilers print them; "
    "sarif is SARIF 2.1.0; github makes annotations in the log of GitHub Actions.",
    Name("format", ("text", "gcc", "sarif", "github")),
    metavar="NAME",
    default="text",
)
EVERY_PLACE = Option(
    "every_place",
    ("-v", "--verbose"),
    "Say each place that breaks a rule on a line of its own, and not those together that are "
    "alike; all of them but for --most.",
)
