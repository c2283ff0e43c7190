"""QEMU 11.1 without isolation, emulating the processor (TCG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.programs.qemu import IGVM_RUN, UNKNOWN, X86_RUN, in_qemus_order, shared_rules
from igvm.launch.programs.qemu_machines import MACHINES
from igvm.launch.programs.qemu_native import native_rules
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
    from igvm.launch.lint.loader_rule import ERROR, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        native_register_rules,
        order_rules,
        start_rules,
    )

    yield LoaderRule(
        "no-platform",
        ERROR,
        "without confidential guest support {who} starts NATIVE only",
        IGVM_RUN,
        acceptance_rules.no_platform,
        messages=("IGVM file does not describe a compatible supported platform",),
    )
    yield LoaderRule(
        "overlap",
        WARNING,
        "{who} loads both, and what is written last stays",
        IGVM_RUN,
        order_rules.overlap,
    )
    yield LoaderRule(
        "vp-index",
        ERROR,
        "{who} takes a context for vCPU 0 only and ends at others",
        X86_RUN,
        start_rules.native_vp_index,
        messages=("context can be set for BSP only",),
    )
    yield LoaderRule(
        "long-mode",
        WARNING,
        "{who} starts a processor without EFER.LME and LMA in 32 bit mode, whatever CS says",
        X86_RUN,
        native_register_rules.long_mode,
    )
    yield LoaderRule(
        "stray-lma",
        WARNING,
        "{who} runs 64 bit code where EFER.LMA is set without EFER.LME and CR0.PG",
        X86_RUN,
        native_register_rules.stray_lma,
    )
    yield LoaderRule(
        "paging-in-real-mode",
        WARNING,
        "{who} takes CR0.PG without PE, and the guest ends in a triple fault",
        X86_RUN,
        native_register_rules.paging_in_real_mode,
    )
    yield from native_rules()
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
    area_bits=32,
    machines=tuple(MACHINES),
    shape=shape,
    rules=rules,
)
