"""Writes the pages of the rules: `docs/rules/NAME.md` for each, and an index by subject.

The pages are made from the declarations whenever the documentation is built, by `conf.py`, or by
`python docs/generate_rules.py [FOLDER]`; they are not kept.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from igvm.checks.reference.reference_rules import CRASH_NAMES, REFERENCE_RULES
from igvm.checks.rule import SPEC_RULES
from igvm.checks.specification import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.checks.reference.reference_rules import ReferenceRule
    from igvm.checks.rule import Rule

FOLDER = Path(__file__).resolve().parent / "rules"

_SEVERITIES = {
    "ERROR": "the specification says must, or a loader must fail",
    "WARNING": "allowed, but hardly meant",
    "NOTE": "worth knowing; nothing is wrong",
}

_HEAD = """\
# Rules

`igvm.check(file)` and `igvm check FILE` hold a file against these rules: everything that the
specification (the igvm_defs crate, 0.5.0) says, and what loaders are known to need. A finding
names its rule; the page of the rule says why it matters and what to do.

"""


def page(rule: Rule) -> str:
    """The page of one rule."""
    severity = rule.severity.name
    return (
        f"# {rule.name}\n\n"
        f"{rule.words[:1].upper()}{rule.words[1:]}.\n\n"
        f":Severity: {severity.lower()}: {_SEVERITIES[severity]}\n"
        f":Source: {rule.source}\n\n"
        f"{rule.rationale}\n"
    )


def reference_page(rule: ReferenceRule) -> str:
    """The page of one way in which the reference refuses a file."""
    releases = ", ".join(f"{release}.0" for release in rule.releases)
    crash = f"\nThe crate panics here: {CRASH_NAMES}.\n" if rule.crashes else ""
    shown = (
        ""
        if rule.result is None
        else f":QEMU prints: ``Unable to parse IGVM file {{file}}: {rule.result}``\n"
    )
    return (
        f"# igvm: {rule.name}\n\n"
        f"{rule.words[:1].upper()}{rule.words[1:]}.\n\n"
        f":Severity: {rule.severity.name.lower()}\n"
        f":Releases: {releases}\n"
        f"{shown}"
        f":Source: {rule.source}, in src/lib.rs of the igvm crate\n"
        f"{crash}\n"
        "What a release of the reference takes is a fact about that release and not a rule of the\n"
        "specification; see [the reference's verdicts](../reference-verdicts.md).\n"
    )


def reference_index(rules: Iterable[ReferenceRule]) -> str:
    """The list of all answers of the reference, in the order in which it gives them."""
    rows, hidden = [], []
    for rule in rules:
        name = reference_name(rule)
        rows.append(f"| [{rule.name}]({name}.md) | {', '.join(rule.releases)} | {rule.words} |\n")
        hidden.append(f"{name}\n")
    return (
        "# The reference's answers\n\n"
        "`igvm check --rules igvm-0.5` (or `igvm-0.4`) reports at most one of these errors:\n"
        "the one that the crate stops at.\n\n"
        f"| rule | releases | |\n| --- | --- | --- |\n{''.join(rows)}\n"
        f"```{{toctree}}\n:hidden:\n\n{''.join(hidden)}```\n"
    )


def reference_name(rule: ReferenceRule) -> str:
    """The file name of a rule's page, without its ending."""
    return f"igvm.{rule.name}"


def index(rules: Iterable[Rule]) -> str:
    """The list of all rules, by subject, in the order in which they are checked."""
    parts = [_HEAD]
    hidden = ["```{toctree}\n:hidden:\n\n"]
    for subject, group in itertools.groupby(rules, key=lambda rule: rule.body.__module__):
        title = (importlib.import_module(subject).__doc__ or "").strip().rstrip(".")
        parts.append(f"## {title}\n\n| rule | severity | |\n| --- | --- | --- |\n")
        for rule in group:
            link = f"[{rule.name}]({rule.name}.md)"
            parts.append(f"| {link} | {rule.severity.name.lower()} | {rule.words} |\n")
            hidden.append(f"{rule.name}\n")
        parts.append("\n")
    return "".join([*parts, *hidden, "reference\n", "```\n"])


def generate(folder: Path = FOLDER) -> list[Path]:
    """Write every page into `folder`, and remove those of rules that are no more."""
    load()
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.md": page(rule) for name, rule in SPEC_RULES.items()}
    pages["index.md"] = index(SPEC_RULES.values())
    answers = REFERENCE_RULES.values()
    pages |= {f"{reference_name(rule)}.md": reference_page(rule) for rule in answers}
    pages["reference.md"] = reference_index(answers)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        # A page that is the same keeps its date, and sphinx does not build it again.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


if __name__ == "__main__":
    generate(*map(Path, sys.argv[1:2]))
