"""Writes docs/loaders.md: what each loader does with a file, and what its hosts vary.

`python docs/generate_loaders.py > docs/loaders.md`; a test compares them.
"""

from __future__ import annotations

import importlib
import itertools

from igvm.launch.kvm.vmsa_axes import VMSA_AXES
from igvm.launch.loader_table import loaders_named
from igvm.measurement.lint import all_rules
from igvm.measurement.technology_table import technologies

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

_AXES = """
## What hosts vary

Attested digests differ by things that no file says. `igvm find` tries the values below, and
`igvm.measure(file, platform, host={"AXIS": "VALUE"})` takes any of them.

| technology | axis | value | what is then otherwise | seen |
| --- | --- | --- | --- | --- |
"""

_FOOT = """\
This page is written by `python docs/generate_loaders.py > docs/loaders.md`, and a test compares
them.
"""


def page() -> str:
    """The page, from the declarations."""
    parts = [
        _HEAD,
        "| loader | what it is | platforms | reads files with |\n| --- | --- | --- | --- |\n",
    ]
    for loader in loaders_named("all", tools=False):
        kinds = loader.platforms if loader.judged is None else loader.judged
        platforms = (" and " if loader.is_told else ", else ").join(kind.name for kind in kinds)
        parts.append(f"| `{loader.name}` | {loader.title} | {platforms} | igvm {loader.crate} |\n")
    for subject, rules in itertools.groupby(all_rules(), key=lambda item: item[0].subject):
        title = (importlib.import_module(subject).__doc__ or "").partition("\n")[0].rstrip(".")
        parts.append(f"\n## {title}\n")
        for rule, owners in rules:
            words = rule.sentence(*(loader.program for loader in owners))
            names = ", ".join(f"`{loader.name}`" for loader in owners)
            reason = rule.rationale.replace("\n", " ").replace("  ", "\n\n")
            parts.append(
                f"\n### {rule.name}: {rule.severity.name.lower()}\n\n"
                f"{words[:1].upper()}{words[1:]}.\n\n{reason}\n\n"
                f":Loaders: {names}\n:Source: {rule.source}\n"
            )
    return "".join([*parts, axes(), "\n---\n\n", _FOOT])


def axes() -> str:
    """The axes of every technology, and those of the VMSAs that KVM builds."""
    tables = {platform.name: technology.axes for platform, technology in technologies().items()}
    tables["SEV_SNP, SEV_ES"] = VMSA_AXES
    lines = [
        f"| {name} | `{axis.name}` | `{choice.value}` | {choice.words} | {choice.seen} |\n"
        for name, known in tables.items()
        for axis in known
        for choice in axis.choices
    ]
    return "".join([_AXES, *lines])


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
