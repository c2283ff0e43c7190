"""QEMU 11.1 without isolation, emulating the processor (TCG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.programs.qemu import IGVM_RUN, UNKNOWN, X86_RUN, in_qemus_order, shared_rules
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest


def shape(plan: LaunchPlan, _request: PlanRequest) -> LaunchPlan:
    """Pages wait in runs while inserts act at once; the last context for vCPU 0 counts.

    An ERROR_RANGE is refused, and so is a context for another vCPU.
    """
    plan = plan.refused(plan.of(Operation.ERROR_RANGE), "QEMU has no ERROR_RANGE")
    contexts = plan.of(Operation.VP_CONTEXT)
    others = contexts & (plan.rows["vp_index"] != 0)
    plan = plan.refused(others, "QEMU takes a context for vCPU 0 only", "vp_index")
    plan = in_qemus_order(plan)
    contexts = plan.of(Operation.VP_CONTEXT)
    contexts[contexts.nonzero()[0][-1:]] = False
    return plan.loading(contexts, 0, "another context for the vCPU follows")


def rules() -> Iterator[LoaderRule]:
    """Why QEMU would not start a file for NATIVE, and what it ignores or changes."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        address_rules,
        header_type_rules,
        native_register_rules,
        order_rules,
        page_rules,
        parameter_rules,
        start_rules,
    )

    yield LoaderRule(
        "no-platform",
        ERROR,
        "without confidential guest support {who} starts NATIVE only",
        IGVM_RUN,
        acceptance_rules.no_platform,
    )
    yield LoaderRule(
        "device-tree",
        WARNING,
        "{who} has a device tree on microvm; on q35 and pc it ends at this header",
        IGVM_RUN,
        header_type_rules.device_tree,
    )
    yield LoaderRule(
        "no-effect",
        NOTE,
        "{who} reads the header and a NATIVE guest is the same without it",
        IGVM_RUN,
        header_type_rules.native_no_effect,
    )
    yield LoaderRule(
        "parameter-bounds",
        ERROR,
        "{who} writes at byte_offset without looking at the size of the area, and crashes or "
        "overwrites its own memory",
        "QEMU 11.1, backends/igvm.c; run under TCG: SIGSEGV with 0x7ffffff0, unnoticed "
        "with 0x100000",
        parameter_rules.qemu_bounds,
    )
    yield LoaderRule(
        "page-special",
        NOTE,
        "{who} copies pages of every type and flag alike into a NATIVE guest",
        IGVM_RUN,
        page_rules.native_special,
    )
    yield LoaderRule(
        "order-trap",
        WARNING,
        "{who} inserts at once and writes the pages before it later, so the page is what stays",
        IGVM_RUN,
        order_rules.order_trap,
    )
    yield LoaderRule(
        "overlap",
        WARNING,
        "{who} loads both, and what is written last stays",
        IGVM_RUN,
        order_rules.overlap,
    )
    yield LoaderRule(
        "shadow-lost",
        WARNING,
        "{who} silently loses 0xc0000 to 0xdffff at the first boot of q35; after a reset "
        "it is there",
        IGVM_RUN,
        address_rules.shadow_lost,
    )
    yield LoaderRule(
        "vp-index",
        ERROR,
        "{who} takes a context for vCPU 0 only and ends at others",
        X86_RUN,
        start_rules.native_vp_index,
    )
    yield LoaderRule(
        "context-gpa",
        WARNING,
        "{who} ignores the gpa of a native context",
        X86_RUN,
        start_rules.native_gpa,
    )
    yield LoaderRule(
        "gs-base",
        WARNING,
        "{who} ignores gs_base and gives GS the base of the data segment",
        X86_RUN,
        native_register_rules.gs_base,
    )
    yield LoaderRule(
        "rflags",
        WARNING,
        "{who} loads RFLAGS as it is, also without bit 1, which no processor can have clear",
        X86_RUN,
        native_register_rules.rflags,
    )
    yield LoaderRule(
        "cr0", NOTE, "{who} always sets bit 4 (ET) of CR0", X86_RUN, native_register_rules.cr0
    )
    yield LoaderRule(
        "efer",
        NOTE,
        "{who} sets EFER.LMA by itself where EFER.LME and CR0.PG are set",
        X86_RUN,
        native_register_rules.efer,
    )
    yield LoaderRule(
        "long-mode",
        WARNING,
        "{who} starts a processor without EFER.LME and LMA in 32 bit mode, whatever CS says",
        X86_RUN,
        native_register_rules.long_mode,
    )
    yield from shared_rules()


LOADER = Loader(
    name="qemu-tcg",
    program="QEMU",
    title="QEMU 11.1, software emulation of an x86-64 machine",
    source="QEMU 11.1, backends/igvm.c and target/i386/igvm.c; run",
    platforms=(PlatformType.NATIVE,),
    measured=(),
    crate="0.4",
    filters=False,
    unknown=UNKNOWN,
    ignored=(HeaderType.SNP_ID_BLOCK, HeaderType.GUEST_POLICY),
    writes_runs=True,
    shape=shape,
    rules=rules,
)
