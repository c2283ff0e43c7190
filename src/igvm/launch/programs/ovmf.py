"""OVMF as the firmware that a file loads: rules of every loader that starts SEV-SNP with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule


def ovmf_rules() -> Iterator[LoaderRule]:
    """What OVMF wants of a file, whoever loads it."""
    from igvm.launch.lint.loader_rule import WARNING, LoaderRule
    from igvm.launch.rules import firmware_rules

    yield LoaderRule(
        "firmware-metadata",
        WARNING,
        "OVMF takes the pages of its SEV metadata for validated when it starts",
        "edk2 c5aa7e7, OvmfPkg/Library/BaseMemEncryptSevLib/X64/PeiSnpSystemRamValidate.c",
        firmware_rules.uncovered,
    )
