"""QEMU 11.1 with KVM: page runs, the order trap, and VMSAs that KVM builds and measures last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.rules import KVM_SEV, kvm_rules
from igvm.launch.kvm.vcpu_rows import with_kvm_contexts
from igvm.launch.kvm.vmm import BASIC, DEBUG_AND_XCR0, FPU, PAST_THE_REGISTERS, VMM
from igvm.launch.loader import Loader
from igvm.launch.loaders import qemu_tcg
from igvm.launch.programs.qemu import IGVM_C, IGVM_RUN, SEV_C, UNKNOWN, in_qemus_order, shared_rules
from igvm.spec.enums import PageDataType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

NAME = "qemu-kvm"

# QEMU sets MXCSR and the control word, but says to KVM that all of the FPU is as after a reset
# (target/i386/cpu.c and xsave_helper.c, xstate_bv), so that KVM does not look at them.
QEMU = VMM(
    name="QEMU",
    taken=BASIC | DEBUG_AND_XCR0,
    dropped=FPU | {PAST_THE_REGISTERS},
    fixed_gpa=True,
    is_strict=True,
    has_cpu_model=True,
)


def shape(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """Pages wait in runs while inserts act at once; KVM measures a VMSA for every vCPU at the end.

    An empty page is launched as a normal page of zeroes, the shared flag is not looked at. On SEV
    and SEV-ES only normal pages reach the firmware; on plain SEV no context does. NATIVE is as
    under emulation.

    Refused are ERROR_RANGE, an area of no bytes, secrets and CPUID pages on SEV and SEV-ES, a
    context on plain SEV, and contexts that QEMU or KVM does not take.
    """
    if plan.platform == PlatformType.NATIVE:
        return qemu_tcg.shape(plan, request)
    plan = plan.refused(plan.of(Operation.ERROR_RANGE), "QEMU has no ERROR_RANGE")
    nothing = plan.of(Operation.PARAMETER) & (plan.rows["pages"] == 0)
    message = "QEMU does not insert an area of no bytes"
    plan = plan.refused(nothing, message, "parameter_area_index")
    if plan.platform != PlatformType.SEV_SNP:
        special = plan.rows["data_type"] != PageDataType.NORMAL
        message = f"QEMU has no secrets or CPUID pages for {plan.platform.name}"
        plan = plan.refused(special, message, "data_type")
    if plan.platform == PlatformType.SEV:
        contexts = plan.of(Operation.VP_CONTEXT)
        plan = plan.refused(contexts, "QEMU refuses a context for plain SEV")
    plan = in_qemus_order(plan)
    if plan.platform != PlatformType.SEV_SNP:
        imported = plan.of(Operation.UNMEASURED, Operation.PARAMETER)
        plan = plan.explained(imported, "QEMU leaves it in memory, not measured")
    if plan.platform == PlatformType.SEV:
        return plan
    return with_kvm_contexts(plan, request, QEMU)


def rules() -> Iterator[LoaderRule]:
    """Why QEMU with KVM would not start a file, and what it ignores or changes."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        header_type_rules,
        identity_rules,
        order_rules,
        page_rules,
        parameter_rules,
        start_rules,
        vmsa_rules,
    )

    yield LoaderRule(
        "no-platform",
        ERROR,
        "with a sev-snp-guest object {who} starts SEV_SNP, or NATIVE where there is no SEV_SNP",
        IGVM_C,
        acceptance_rules.no_platform,
    )
    yield LoaderRule(
        "platform-fallback",
        WARNING,
        "{who} silently loads the headers of NATIVE into the SEV_SNP guest",
        IGVM_C,
        acceptance_rules.platform_fallback,
    )
    yield LoaderRule(
        "device-tree",
        ERROR,
        "{who} has a device tree on microvm only; on q35 and pc it ends at this header",
        IGVM_RUN,
        header_type_rules.device_tree,
    )
    yield LoaderRule(
        "parameter-bounds",
        ERROR,
        "{who} writes at byte_offset without looking at the size of the area, and crashes or "
        "overwrites its own memory",
        "QEMU 11.1, backends/igvm.c; run under TCG, the code is the same",
        parameter_rules.qemu_bounds,
    )
    yield LoaderRule(
        "area-empty",
        ERROR,
        "{who} ends where an area of 0 bytes is inserted",
        SEV_C,
        parameter_rules.area_empty,
    )
    yield LoaderRule(
        "page-shared",
        WARNING,
        "{who} does not look at the SHARED flag: the page is private and measured",
        SEV_C,
        page_rules.page_shared,
    )
    yield LoaderRule(
        "page-cpuid",
        NOTE,
        "{who} puts its own table into CPUID pages, whatever the file has there",
        SEV_C,
        page_rules.cpuid_replaced,
    )
    yield LoaderRule(
        "order-measured",
        WARNING,
        "{who} inserts at once and launches the pages before it later, so the launch digest is not "
        "the one of file order",
        "QEMU 11.1, backends/igvm.c; the order was run under TCG",
        order_rules.order_measured,
    )
    yield LoaderRule(
        "overlap",
        ERROR,
        "KVM does not launch a page that the guest has already",
        KVM_SEV,
        order_rules.overlap,
    )
    yield LoaderRule(
        "vp-index",
        NOTE,
        "{who} ends at a context for a vCPU that the guest does not have",
        SEV_C,
        start_rules.highest_vp_index,
    )
    yield LoaderRule(
        "context-fallback",
        ERROR,
        "{who} hands every context of a confidential guest to KVM as a VMSA, a native one too",
        f"{IGVM_C}; target/i386/sev.c",
        start_rules.fallback_context,
    )
    yield LoaderRule(
        "vmsa-gpa",
        ERROR,
        "{who} takes a VMSA for KVM's own address only, 0xfffffffff000",
        SEV_C,
        vmsa_rules.vmsa_gpa,
    )
    yield LoaderRule(
        "vmsa-field",
        ERROR,
        "{who} ends at a VMSA with anything in a field that it does not hand to KVM",
        SEV_C,
        vmsa_rules.vmsa_field,
    )
    yield LoaderRule(
        "vmsa-fpu",
        WARNING,
        "{who} tells KVM that the FPU is as after a reset, so MXCSR is 0x1f80 and the "
        "x87 control word 0x37f",
        "QEMU 11.1, target/i386/cpu.c, xsave_helper.c and sev.c",
        vmsa_rules.vmsa_fpu,
    )
    yield LoaderRule(
        "sev-features",
        ERROR,
        "{who} wants the SNP bit in SEV_FEATURES of an SEV_SNP guest",
        SEV_C,
        vmsa_rules.sev_features,
    )
    yield LoaderRule(
        "sev-features-host",
        NOTE,
        "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
        SEV_C,
        vmsa_rules.host_features,
    )
    yield LoaderRule(
        "sev-features-others",
        WARNING,
        "{who} takes SEV_FEATURES of the last context for vCPU 0, and KVM gives them to all vCPUs",
        SEV_C,
        vmsa_rules.other_features,
    )
    yield LoaderRule(
        "tr-base",
        WARNING,
        "{who} loads the base of TR from LDTR, so the measured VMSA has another TR",
        f"{SEV_C} (line 460)",
        vmsa_rules.tr_base,
    )
    yield LoaderRule(
        "id-block-twice",
        ERROR,
        "{who} ends at a second ID block",
        IGVM_C,
        identity_rules.id_block_twice,
    )
    yield LoaderRule(
        "id-block-version",
        WARNING,
        "{who} gives every ID block version 1",
        IGVM_C,
        identity_rules.id_block_version,
    )
    yield LoaderRule(
        "id-block-author",
        WARNING,
        "{who} ignores author_key_enabled and goes by the first byte of the author key",
        f"{IGVM_C}; target/i386/sev.c",
        identity_rules.qemu_author,
    )
    yield LoaderRule(
        "id-block-policy",
        ERROR,
        "{who} puts policy 0 into the ID block of a file without GUEST_POLICY, and launches with "
        "another",
        f"{IGVM_C}; target/i386/sev.c",
        identity_rules.qemu_no_policy,
    )
    yield LoaderRule(
        "policy-default",
        NOTE,
        "{who} launches with the policy of its own option, 0x30000 unless told otherwise",
        SEV_C,
        identity_rules.no_policy,
    )
    yield LoaderRule(
        "policy-agreement",
        WARNING,
        "{who} launches with the policy of its own option, 0x30000 unless told "
        "otherwise; the file's policy goes into the ID block only, and the two must agree",
        SEV_C,
        identity_rules.policy_agreement,
    )
    yield LoaderRule(
        "policy-twice",
        WARNING,
        "of several policies {who} takes the last",
        IGVM_C,
        identity_rules.policy_twice,
    )
    yield from shared_rules()
    yield from kvm_rules(QEMU)


LOADER = Loader(
    name=NAME,
    program="QEMU",
    title="QEMU 11.1 with KVM and a sev-snp-guest or sev-guest object",
    source="QEMU 11.1, backends/igvm.c and target/i386/sev.c; Linux, arch/x86/kvm/svm/sev.c",
    platforms=(
        PlatformType.SEV_SNP,
        PlatformType.SEV_ES,
        PlatformType.SEV,
        PlatformType.NATIVE,
    ),
    measured=(PlatformType.SEV_SNP, PlatformType.SEV_ES, PlatformType.SEV),
    judged=(PlatformType.SEV_SNP, PlatformType.NATIVE),
    crate="0.4",
    takes_id_block=True,
    filters=False,
    unknown=UNKNOWN,
    writes_runs=True,
    shape=shape,
    rules=rules,
    parameters=("vcpus", "cpu", "sev_features"),
    vmm=QEMU,
)
