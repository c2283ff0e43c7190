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

from igvm.file.check.rule import SPEC_RULES
from igvm.file.check.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.file.check.rule import Rule

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
    return "".join([*parts, *hidden, "```\n"])


def generate(folder: Path = FOLDER) -> list[Path]:
    """Write every page into `folder`, and remove those of rules that are no more."""
    load()
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.md": page(rule) for name, rule in SPEC_RULES.items()}
    pages["index.md"] = index(SPEC_RULES.values())
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
