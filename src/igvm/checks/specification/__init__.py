"""The specification as rules, one module for each subject.

A rule is a function under `@rule(...)` that gets an `InspectedFile` and yields the places
where it is broken; its docstring is the text of its page in the documentation.
"""

from __future__ import annotations

import importlib

SUBJECTS = (
    "fixed_header_rules",
    "header_section_rules",
    "reserved_bits_rules",
    "platform_rules",
    "mask_rules",
    "policy_rules",
    "corim_rules",
    "relocation_rules",
    "page_table_rules",
    "parameter_area_rules",
    "page_rules",
    "cpuid_page_rules",
    "memory_rules",
    "context_rules",
    "register_rules",
    "vbs_register_rules",
    "id_block_rules",
    "vbs_measurement_rules",
    "file_data_rules",
)
"""The modules that declare rules, in the order in which their rules are checked."""


def load() -> None:
    """Import the modules, so that every rule is in SPEC_RULES."""
    for subject in SUBJECTS:
        importlib.import_module(f"{__name__}.{subject}")
