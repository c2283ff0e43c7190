"""What QEMU makes of a file for NATIVE, with KVM or without: its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.programs.qemu import IGVM_RUN, X86_RUN
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule

NATIVE = (PlatformType.NATIVE,)


def native_rules() -> Iterator[LoaderRule]:
    """What QEMU ignores or changes of a file for NATIVE, whatever accelerates it."""
    from igvm.launch.lint.loader_rule import NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        header_type_rules,
        native_register_rules,
        order_rules,
        page_rules,
        start_rules,
    )

    yield LoaderRule(
        "no-effect",
        NOTE,
        "{who} reads the header and a NATIVE guest is the same without it",
        IGVM_RUN,
        header_type_rules.native_no_effect,
        NATIVE,
    )
    yield LoaderRule(
        "page-special",
        NOTE,
        "{who} copies pages of every type and flag alike into a NATIVE guest",
        IGVM_RUN,
        page_rules.native_special,
        NATIVE,
    )
    yield LoaderRule(
        "order-trap",
        WARNING,
        "{who} inserts at once and writes the pages before it later, so the page is what stays",
        IGVM_RUN,
        order_rules.order_trap,
        NATIVE,
    )
    yield LoaderRule(
        "context-gpa",
        WARNING,
        "{who} ignores the gpa of a native context",
        X86_RUN,
        start_rules.native_gpa,
        NATIVE,
    )
    yield LoaderRule(
        "gs-base",
        WARNING,
        "{who} ignores gs_base and gives GS the base of the data segment",
        X86_RUN,
        native_register_rules.gs_base,
        NATIVE,
    )
    yield LoaderRule(
        "rflags",
        WARNING,
        "{who} loads RFLAGS as it is, also without bit 1, which no processor can have clear",
        X86_RUN,
        native_register_rules.rflags,
        NATIVE,
    )
    yield LoaderRule(
        "cr0",
        NOTE,
        "{who} always sets bit 4 (ET) of CR0",
        X86_RUN,
        native_register_rules.cr0,
        NATIVE,
    )
    yield LoaderRule(
        "efer",
        NOTE,
        "{who} sets EFER.LMA by itself where EFER.LME and CR0.PG are set",
        X86_RUN,
        native_register_rules.efer,
        NATIVE,
    )
    yield LoaderRule(
        "paging-dropped",
        WARNING,
        "{who} drops CR0 where EFER.LME and CR0.PG are set without CR4.PAE",
        X86_RUN,
        native_register_rules.paging_dropped,
        NATIVE,
    )
    yield LoaderRule(
        "cr4-bits",
        WARNING,
        "{who} drops bits of CR4 that the processor model lacks",
        f"{X86_RUN} with qemu64",
        native_register_rules.cr4_bits,
        NATIVE,
    )
