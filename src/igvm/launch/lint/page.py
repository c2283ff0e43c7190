"""The page of the documentation that lists the loaders and what each does with a file."""

from __future__ import annotations

import importlib
import itertools

from igvm.launch.lint import LOADERS, loader_rules

_HEAD = """\
# Will it boot there?

`igvm check FILE --loader NAME` and `igvm.lint(file, loader)` say what a loader makes of a file:

- an **error** where the guest does not start, or the loader crashes;
- a **warning** where something in the file is ignored, changed or depends on luck;
- a **note** on what a guest or its owner should know.

A finding's rule is `loader/NAME/RULE`, and its message ends with where the fact was read. "run"
says that it was seen to happen; everything else was read in the source. What only the host knows
is not judged: how much memory and how many vCPUs there are, or what its processor can do.
`igvm rules --loader NAME` lists the rules below in a terminal, and `igvm rules RULE` explains one.

"""

_FOOT = """\
This page is written by `python -m igvm.launch.lint.page > docs/loaders.md`, and a test compares
them.
"""


def page() -> str:
    """The page, from the declarations."""
    parts = [
        _HEAD,
        "| loader | what it is | platforms | reads files with |\n| --- | --- | --- | --- |\n",
    ]
    for loader in LOADERS.values():
        platforms = (" and " if loader.every else ", else ").join(
            kind.name for kind in loader.platforms
        )
        release = f"igvm {loader.release}"
        parts.append(f"| `{loader.name}` | {loader.words} | {platforms} | {release} |\n")
    for subject, rules in itertools.groupby(loader_rules(), key=lambda rule: rule.body.__module__):
        title = (importlib.import_module(subject).__doc__ or "").partition("\n")[0].rstrip(".")
        parts.append(f"\n## {title}\n")
        for rule in rules:
            words = rule.sentence()
            loaders = ", ".join(f"`{name}`" for name in rule.loaders)
            reason = rule.rationale.replace("\n", " ").replace("  ", "\n\n")
            parts.append(
                f"\n### {rule.name}: {rule.severity.name.lower()}\n\n"
                f"{words[:1].upper()}{words[1:]}.\n\n{reason}\n\n"
                f":Loaders: {loaders}\n:Source: {rule.source}\n"
            )
    return "".join([*parts, "\n---\n\n", _FOOT])


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
