"""QEMU 11.1 with KVM: page runs, the order trap, and VMSAs that KVM builds and measures last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.rules import KVM_SEV, KVM_X86, kvm_rules
from igvm.launch.kvm.vcpu_rows import with_kvm_contexts
from igvm.launch.kvm.vmm import BASIC, DEBUG_AND_XCR0, FPU, PAST_THE_REGISTERS, VMM
from igvm.launch.loader import Loader
from igvm.launch.loaders import qemu_tcg
from igvm.launch.programs.ovmf import ovmf_rules
from igvm.launch.programs.qemu import (
    IGVM_C,
    IGVM_RUN,
    SEV_C,
    UNKNOWN,
    X86_RUN,
    in_qemus_order,
    shared_rules,
)
from igvm.launch.programs.qemu_machines import MACHINES
from igvm.launch.programs.qemu_native import NATIVE, native_rules
from igvm.spec.enums import PageDataType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

NAME = "qemu-kvm"
SNP = (PlatformType.SEV_SNP,)
WITH_VMSAS = (PlatformType.SEV_SNP, PlatformType.SEV_ES)
CONFIDENTIAL = (*WITH_VMSAS, PlatformType.SEV)

KVM_SREGS = f"{KVM_X86}, kvm_is_valid_sregs; run: Failed to set special registers"

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
        identity_rules,
        native_kvm_register_rules,
        order_rules,
        page_rules,
        parameter_rules,
        qemu_region_rules,
        start_rules,
        vmsa_rules,
    )

    yield LoaderRule(
        "no-platform",
        ERROR,
        "{who} starts SEV_SNP, SEV_ES or SEV with a confidential guest object of that kind, "
        "and NATIVE otherwise",
        IGVM_C,
        acceptance_rules.no_platform,
        messages=("IGVM file does not describe a compatible supported platform",),
    )
    yield LoaderRule(
        "platform-fallback",
        NOTE,
        "with a confidential guest object {who} silently loads the headers of NATIVE into "
        "that guest",
        IGVM_C,
        acceptance_rules.platform_fallback,
        NATIVE,
    )
    yield LoaderRule(
        "area-empty",
        ERROR,
        "{who} ends where an area of 0 bytes is inserted",
        SEV_C,
        parameter_rules.area_empty,
        CONFIDENTIAL,
    )
    yield LoaderRule(
        "page-shared",
        WARNING,
        "{who} does not look at the SHARED flag: the page is private and measured",
        SEV_C,
        page_rules.page_shared,
        CONFIDENTIAL,
    )
    yield LoaderRule(
        "page-cpuid",
        NOTE,
        "{who} puts its own table into CPUID pages, whatever the file has there",
        SEV_C,
        page_rules.cpuid_replaced,
        SNP,
    )
    yield LoaderRule(
        "order-measured",
        WARNING,
        "{who} inserts at once and launches the pages before it later, so the launch digest is not "
        "the one of file order",
        "QEMU 11.1, backends/igvm.c; the order was run under TCG",
        order_rules.order_measured,
        CONFIDENTIAL,
    )
    yield LoaderRule(
        "overlap",
        ERROR,
        "KVM does not launch a page that the guest has already",
        KVM_SEV,
        order_rules.overlap,
        CONFIDENTIAL,
    )
    yield LoaderRule(
        "vp-index",
        NOTE,
        "{who} ends at a context for a vCPU that the guest does not have",
        SEV_C,
        start_rules.highest_vp_index,
        WITH_VMSAS,
    )
    yield LoaderRule(
        "vmsa-gpa",
        ERROR,
        "{who} takes a VMSA for KVM's own address only, 0xfffffffff000",
        SEV_C,
        vmsa_rules.vmsa_gpa,
        SNP,
    )
    yield LoaderRule(
        "vmsa-field",
        ERROR,
        "{who} ends at a VMSA with anything in a field that it does not hand to KVM",
        SEV_C,
        vmsa_rules.vmsa_field,
        SNP,
    )
    yield LoaderRule(
        "vmsa-fpu",
        WARNING,
        "{who} tells KVM that the FPU is as after a reset, so MXCSR is 0x1f80 and the "
        "x87 control word 0x37f",
        "QEMU 11.1, target/i386/cpu.c, xsave_helper.c and sev.c",
        vmsa_rules.vmsa_fpu,
        SNP,
    )
    yield LoaderRule(
        "sev-features",
        ERROR,
        "{who} wants the SNP bit in SEV_FEATURES of an SEV_SNP guest",
        SEV_C,
        vmsa_rules.sev_features,
        SNP,
    )
    yield LoaderRule(
        "sev-features-host",
        NOTE,
        "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
        SEV_C,
        vmsa_rules.host_features,
        SNP,
    )
    yield LoaderRule(
        "sev-features-others",
        WARNING,
        "{who} takes SEV_FEATURES of the last context for vCPU 0, and KVM gives them to all vCPUs",
        SEV_C,
        vmsa_rules.other_features,
        SNP,
    )
    yield LoaderRule(
        "tr-base",
        WARNING,
        "{who} loads the base of TR from LDTR, so the measured VMSA has another TR",
        f"{SEV_C} (line 460)",
        vmsa_rules.tr_base,
        SNP,
    )
    yield LoaderRule(
        "id-block-version",
        WARNING,
        "{who} gives every ID block version 1",
        IGVM_C,
        identity_rules.id_block_version,
        SNP,
    )
    yield LoaderRule(
        "id-block-author",
        WARNING,
        "{who} ignores author_key_enabled and goes by the first byte of the author key",
        f"{IGVM_C}; target/i386/sev.c",
        identity_rules.qemu_author,
        SNP,
    )
    yield LoaderRule(
        "id-block-policy",
        ERROR,
        "{who} puts policy 0 into the ID block of a file without GUEST_POLICY, and launches with "
        "another",
        f"{IGVM_C}; target/i386/sev.c",
        identity_rules.qemu_no_policy,
        SNP,
    )
    yield LoaderRule(
        "policy-default",
        NOTE,
        "{who} launches with the policy of its own option, 0x30000 unless told otherwise",
        SEV_C,
        identity_rules.no_policy,
        SNP,
    )
    yield LoaderRule(
        "policy-agreement",
        WARNING,
        "{who} launches with the policy of its own option, 0x30000 unless told "
        "otherwise; the file's policy goes into the ID block only, and the two must agree",
        SEV_C,
        identity_rules.policy_agreement,
        SNP,
    )
    yield LoaderRule(
        "policy-twice",
        WARNING,
        "of several policies {who} takes the last",
        IGVM_C,
        identity_rules.policy_twice,
        SNP,
    )
    yield LoaderRule(
        "refused-launch",
        ERROR,
        "{who} and KVM start no guest of it",
        SEV_C,
        acceptance_rules.refused_launch,
        (PlatformType.SEV_ES, PlatformType.SEV),
    )
    yield LoaderRule(
        "native-overlap",
        WARNING,
        "{who} loads both, and what is written last stays",
        IGVM_RUN,
        order_rules.overlap,
        NATIVE,
    )
    yield LoaderRule(
        "native-vp-index",
        ERROR,
        "{who} takes a native context for vCPU 0 only and ends at others",
        X86_RUN,
        start_rules.native_vp_index,
        NATIVE,
        messages=("context can be set for BSP only",),
    )
    yield LoaderRule(
        "kvm-address",
        ERROR,
        "KVM takes no memory at 2^52 and above, nor above the address bits of its host",
        f"{KVM_X86} and mmu.h; run",
        qemu_region_rules.kvm_address,
        NATIVE,
    )
    yield LoaderRule(
        "native-mode",
        ERROR,
        "KVM takes EFER.LMA and a 64 bit CS only where EFER.LME, CR0.PG and CR4.PAE are set",
        KVM_SREGS,
        native_kvm_register_rules.mode,
        NATIVE,
    )
    yield LoaderRule(
        "native-cr0",
        ERROR,
        "KVM takes no CR0.PG without PE and no CR0.NW without CD",
        KVM_SREGS,
        native_kvm_register_rules.cr0,
        NATIVE,
    )
    yield LoaderRule(
        "native-cr3",
        ERROR,
        "KVM takes no CR3 above the addresses of the processor in long mode",
        KVM_X86,
        native_kvm_register_rules.cr3,
        NATIVE,
    )
    yield LoaderRule(
        "native-bits",
        ERROR,
        "KVM takes no bit of EFER or CR4 that it does not know",
        KVM_SREGS,
        native_kvm_register_rules.unknown_bits,
        NATIVE,
    )
    yield from native_rules()
    yield from shared_rules()
    yield from kvm_rules(QEMU)
    yield from ovmf_rules()


LOADER = Loader(
    name=NAME,
    program="QEMU",
    title="QEMU 11.1 with KVM, and a sev-snp-guest or sev-guest object for confidential guests",
    source="QEMU 11.1, backends/igvm.c and target/i386/sev.c; Linux, arch/x86/kvm/svm/sev.c",
    platforms=(
        PlatformType.SEV_SNP,
        PlatformType.SEV_ES,
        PlatformType.SEV,
        PlatformType.NATIVE,
    ),
    measured=(PlatformType.SEV_SNP, PlatformType.SEV_ES, PlatformType.SEV),
    crate="0.4",
    takes_id_block=True,
    filters=False,
    unknown=UNKNOWN,
    writes_runs=True,
    area_bits=32,
    machines=tuple(MACHINES),
    shape=shape,
    rules=rules,
    parameters=("vcpus", "cpu", "sev_features"),
    vmm=QEMU,
)
