"""The specification as rules, one module for each subject.

A rule is a function under `@rule(...)` that gets the `Facts` of a file and yields the places
where it is broken; its docstring is the text of its page in the documentation.
"""

from __future__ import annotations

import importlib

SUBJECTS = (
    "fixed",
    "section",
    "reserved",
    "platform",
    "mask",
    "policy",
    "corim",
    "relocation",
    "pagetable",
    "area",
    "page",
    "memory",
    "context",
    "payload",
    "vbs",
    "idblock",
    "vbsmeasurement",
    "data",
)
"""The modules that declare rules, in the order in which their rules are checked."""


def load() -> None:
    """Import the modules, so that every rule is in SPEC_RULES."""
    for subject in SUBJECTS:
        importlib.import_module(f"{__name__}.{subject}")
