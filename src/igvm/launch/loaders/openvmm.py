"""OpenVMM: guests of VBS, without isolation where they have a VTL, and of SEV-SNP on KVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.file.record_places import RecordPlaces
from igvm.launch.kvm.rules import kvm_rules
from igvm.launch.kvm.vcpu_rows import with_kvm_contexts
from igvm.launch.kvm.vmm import BASIC, DEBUG_AND_XCR0, FPU, PAST_THE_REGISTERS, VMM
from igvm.launch.loader import Loader
from igvm.launch.plan import Refusal
from igvm.launch.programs.openvmm import start_refusals
from igvm.launch.shaping import ignoring_shared, one_page_each, requiring_policy
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, PlatformType
from igvm.spec.operations import Operation
from igvm.spec.platform import SupportedPlatform
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

NAME = "openvmm"
OPENVMM_IGVM = "openvmm 1488a37, openvmm/openvmm_core/src/worker/vm_loaders/igvm.rs"
OPENVMM_MEMORY = "openvmm 1488a37, vmm_core/vm_loader/src/lib.rs"
OPENVMM_KVM = "openvmm 1488a37, vmm_core/virt_kvm/src/snp.rs"

_MSRS = frozenset(
    ["xss", "star", "lstar", "cstar", "sfmask", "kernel_gs_base", "spec_ctrl"]
    + [f"sysenter_{name}" for name in ("cs", "esp", "eip")]
)
_X87 = frozenset(["x87_fsw", "x87_op", "x87_rip", "x87dp"])
_TSC_AUX = range(0x2EC, 0x2F0)
"""It is in a field that the igvm crate reserves; KVM does not measure it."""

OPENVMM = VMM(
    name="OpenVMM",
    taken=BASIC | DEBUG_AND_XCR0 | FPU | _MSRS | _X87,
    dropped=frozenset(["cr2", "dr0", "dr1", "dr2", "dr3", PAST_THE_REGISTERS]),
    spared=_TSC_AUX,
    fixed_gpa=True,
    widest_table=0xFFFF,
)


def shape(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """File order; on SEV-SNP a VMSA for every vCPU, the first from the file, the others in reset.

    Empty pages are normal pages of zeroes. A page that is both unmeasured and shared is
    unmeasured; the shared flag of a secrets or CPUID page is not looked at. On VBS and without
    isolation pages of every type and flag are loaded alike, one of 4 KiB for one of 2 MiB.

    Refused on SEV-SNP is what its backend refuses (vmm_core/virt_kvm/src/snp.rs).
    """
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    why = "OpenVMM loads one page of a page of 2 MiB"
    if plan.platform != PlatformType.SEV_SNP:
        return one_page_each(ignoring_shared(plan), pages, why)
    plan = _refusing(plan)
    rows = plan.rows
    private = rows["flags"] & PageDataFlags.UNMEASURED != 0
    private |= rows["data_type"] != PageDataType.NORMAL
    plan = one_page_each(ignoring_shared(plan, private), pages, why)
    return with_kvm_contexts(plan, request, OPENVMM)


def _refusing(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with refusals of what the backend for SEV-SNP refuses."""
    plan = requiring_policy(plan)
    if plan.of(Operation.RELOCATION).any():
        plan = plan.refusing(Refusal("OpenVMM on KVM refuses relocations"))
    for platform in plan.file.all_of(SupportedPlatform):
        if platform.record.platform_type == plan.platform:
            for name in ("highest_vtl", "shared_gpa_boundary"):
                if getattr(platform.record, name):
                    message = f"OpenVMM on KVM wants no {name}"
                    plan = plan.refusing(Refusal(message, platform.index, name))
    is_xf = plan.rows["data_type"] == PageDataType.CPUID_XF
    plan = plan.refused(is_xf, "OpenVMM on KVM has no CPUID_XF page", "data_type")
    nothing = plan.of(Operation.PARAMETER) & (plan.rows["pages"] == 0)
    message = "OpenVMM does not insert an area of no bytes"
    plan = plan.refused(nothing, message, "parameter_area_index")
    contexts = plan.rows[plan.of(Operation.VP_CONTEXT)]
    if len(contexts) != 1 or contexts["vp_index"][0] != 0:
        which = f", for vCPU {contexts['vp_index'][0]}" if len(contexts) == 1 else ""
        message = f"OpenVMM on KVM wants one context, for vCPU 0, and the file has {len(contexts)}"
        return plan.refusing(Refusal(message + which))
    header = int(contexts["header"][0])
    vmsas = RecordPlaces(plan.file.buffer, SEVVMSA, contexts["source"])
    if vmsas["virtual_tom"][0] or vmsas["sev_features"][0] & int(SEVFeatures.VTOM):
        refusal = Refusal("OpenVMM on KVM does not support vTOM", header, "virtual_tom")
        plan = plan.refusing(refusal)
    for wrong in start_refusals(vmsas):
        if wrong.where[0]:
            message = f"OpenVMM on KVM wants {wrong.message} in it"
            plan = plan.refusing(Refusal(message, header, wrong.field))
    return plan


def rules() -> Iterator[LoaderRule]:
    """Why OpenVMM would not start a file, and what it ignores or changes."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, WARNING, LoaderRule
    from igvm.launch.rules import (
        acceptance_rules,
        header_type_rules,
        identity_rules,
        openvmm_rules,
        order_rules,
        page_rules,
        parameter_rules,
        start_rules,
        vmsa_rules,
    )

    yield LoaderRule(
        "refused",
        ERROR,
        "{who} reads files with the igvm crate, here taken to be 0.5, which must accept them",
        "openvmm, Cargo.toml, where the version moves",
        acceptance_rules.refused,
        messages=("invalid igvm file",),
    )
    yield LoaderRule(
        "no-platform",
        ERROR,
        "{who} starts VSM_ISOLATION, for guests without isolation too, or SEV_SNP",
        OPENVMM_IGVM,
        acceptance_rules.no_platform,
        messages=(
            "igvm file does not support vbs",
            "igvm file does not support SNP",
        ),
    )
    yield LoaderRule(
        "unsupported-type",
        ERROR,
        "{who} panics at a header of this type",
        OPENVMM_IGVM,
        header_type_rules.openvmm_unsupported,
        messages=("not yet implemented: vbs not supported",),
    )
    yield LoaderRule(
        "optional-table",
        NOTE,
        "{who} has such a table for some guests only, and else leaves the area as it is, with a "
        "warning",
        OPENVMM_IGVM,
        header_type_rules.openvmm_tables,
    )
    yield LoaderRule(
        "parameter-bounds",
        ERROR,
        "{who} ends where a parameter does not fit its area",
        OPENVMM_IGVM,
        parameter_rules.bounds,
        messages=("parameter too large for parameter area",),
    )
    yield LoaderRule(
        "memory-map",
        NOTE,
        "{who} writes no last entry of zero pages; the zeroes of the area after the map must do",
        OPENVMM_IGVM,
        parameter_rules.memory_map,
    )
    yield LoaderRule(
        "area-empty",
        ERROR,
        "{who} ends where an area of 0 bytes is inserted",
        OPENVMM_MEMORY,
        parameter_rules.area_empty,
    )
    yield LoaderRule(
        "page-2mb",
        WARNING,
        "{who} loads one page of 4 KiB for a page of 2 MiB",
        OPENVMM_IGVM,
        page_rules.small_2mb,
    )
    yield LoaderRule(
        "page-special",
        NOTE,
        "{who} loads pages of every type alike into a guest of VSM_ISOLATION",
        OPENVMM_IGVM,
        page_rules.vbs_special,
    )
    yield LoaderRule(
        "page-cpuid-xf",
        ERROR,
        "for SEV_SNP {who} on KVM refuses a page of type CPUID_XF",
        "openvmm 1488a37, vmm_core/virt_kvm/src/arch/x86_64/snp.rs",
        page_rules.cpuid_xf,
        messages=("unsupported SNP launch page import type: {type}",),
    )
    yield LoaderRule(
        "page-cpuid",
        NOTE,
        "for SEV_SNP {who} puts its own table into CPUID pages, whatever the file has there",
        OPENVMM_KVM,
        page_rules.cpuid_replaced,
    )
    yield LoaderRule(
        "overlap",
        ERROR,
        "{who} does not import a page twice",
        OPENVMM_MEMORY,
        order_rules.overlap,
        messages=("{what} at {range} ({acceptance}) overlaps {other} at {range}",),
    )
    yield LoaderRule(
        "no-context",
        WARNING,
        "{who} leaves the processor in its reset state without a VP_CONTEXT",
        OPENVMM_IGVM,
        start_rules.no_context_but_on_snp,
    )
    yield LoaderRule(
        "context-count",
        ERROR,
        "for SEV_SNP {who} wants exactly one VP_CONTEXT, for vCPU 0, and makes the others itself",
        OPENVMM_KVM,
        start_rules.context_count,
        messages=("SNP IGVM must contain exactly one BSP VMSA context",),
    )
    yield LoaderRule(
        "vmsa-gpa",
        ERROR,
        "{who} takes a VMSA for KVM's own address only, 0xfffffffff000",
        "openvmm 1488a37, vmm_core/virt_kvm/src/arch/x86_64/mod.rs",
        vmsa_rules.vmsa_gpa,
        messages=("SNP IGVM VMSA GPA {gpa} is not supported by KVM",),
    )
    yield LoaderRule(
        "vmsa-field",
        ERROR,
        "{who} on KVM refuses a VMSA with anything in a field that it does not hand to KVM",
        OPENVMM_KVM,
        vmsa_rules.openvmm_vmsa_field,
        messages=("invalid SNP IGVM VMSA: contains state that KVM cannot import",),
    )
    yield LoaderRule(
        "vmsa-limit",
        ERROR,
        "{who} on KVM refuses a limit of GDTR or IDTR that is larger than 0xffff",
        OPENVMM_KVM,
        vmsa_rules.vmsa_limit,
        messages=("invalid SNP IGVM VMSA: descriptor table limit exceeds KVM representation",),
    )
    yield LoaderRule(
        "vmsa-start",
        ERROR,
        "{who} on KVM starts vCPU 0 in 64 bit mode only: with CR0.PE and PG, CR3, "
        "CR4.PAE, EFER.LME, LMA and NXE, a 64 bit CS, and a RIP that is not 0",
        OPENVMM_KVM,
        vmsa_rules.vmsa_start,
        messages=("invalid SNP BSP state: {register}",),
    )
    yield LoaderRule(
        "sev-features-host",
        NOTE,
        "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
        OPENVMM_KVM,
        vmsa_rules.host_features,
        messages=("KVM does not support SNP VMSA feature bits {bits}",),
    )
    yield LoaderRule(
        "sev-features-vtom",
        ERROR,
        "{who} on KVM does not start a guest with VTOM",
        OPENVMM_KVM,
        vmsa_rules.vtom,
        messages=("invalid SNP IGVM VMSA: vTOM is not supported",),
    )
    yield LoaderRule(
        "id-block-ignored",
        WARNING,
        "{who} launches without the file's ID block",
        OPENVMM_KVM,
        identity_rules.id_block_ignored,
    )
    yield LoaderRule(
        "policy-twice",
        WARNING,
        "of several policies {who} takes the first",
        OPENVMM_IGVM,
        identity_rules.policy_twice,
    )
    yield LoaderRule(
        "aarch64",
        ERROR,
        "{who} loads IGVM files for X64 only",
        OPENVMM_IGVM,
        openvmm_rules.aarch64,
        messages=(
            "IGVM loading is not supported for guest architecture {architecture}",
            "not yet implemented: AArch64 VP context not supported",
        ),
    )
    yield LoaderRule(
        "platform-vtl",
        ERROR,
        "for SEV_SNP {who} on KVM wants highest_vtl 0",
        OPENVMM_KVM,
        openvmm_rules.platform_vtl,
        messages=("SNP IGVM requests unsupported highest VTL {vtl}",),
    )
    yield LoaderRule(
        "platform-boundary",
        ERROR,
        "for SEV_SNP {who} on KVM wants shared_gpa_boundary 0",
        OPENVMM_KVM,
        openvmm_rules.platform_boundary,
        messages=("SNP IGVM requests unsupported shared GPA boundary {gpa}",),
    )
    yield LoaderRule(
        "policy-missing",
        ERROR,
        "for SEV_SNP {who} wants a GUEST_POLICY",
        OPENVMM_IGVM,
        openvmm_rules.policy_missing,
        messages=("SNP IGVM file does not contain a guest policy",),
    )
    yield LoaderRule(
        "context-vtl",
        ERROR,
        "{who} takes contexts for the highest VTL of the platform only",
        OPENVMM_IGVM,
        openvmm_rules.context_vtl,
        messages=("vp context for lower VTL not supported",),
    )
    yield LoaderRule(
        "register-twice",
        ERROR,
        "{who} ends at a register that is set already",
        OPENVMM_MEMORY,
        openvmm_rules.register_twice,
        messages=("duplicate register import {register}",),
    )
    yield LoaderRule(
        "register-tr",
        WARNING,
        "{who} skips TR, with a warning",
        OPENVMM_IGVM,
        openvmm_rules.register_tr,
    )
    yield LoaderRule(
        "vtl2-memory",
        ERROR,
        "{who} has VTL2_PROTECTABLE memory for a guest with VTL2 only",
        OPENVMM_MEMORY,
        openvmm_rules.vtl2_memory,
        messages=("memory type {type} not available",),
    )
    yield LoaderRule(
        "required-empty",
        ERROR,
        "{who} ends at required memory of no pages",
        OPENVMM_MEMORY,
        openvmm_rules.required_empty,
    )
    yield LoaderRule(
        "error-range",
        ERROR,
        "{who} ends at an error range without pages, or not of whole pages",
        OPENVMM_IGVM,
        openvmm_rules.error_range,
        messages=(
            "IGVM error range at GPA {gpa} with size {size} must be non-empty and 4-KiB aligned",
        ),
    )
    yield LoaderRule(
        "relocation",
        ERROR,
        "for SEV_SNP {who} on KVM refuses relocations",
        OPENVMM_KVM,
        openvmm_rules.snp_relocation,
        messages=("KVM does not support SNP IGVM relocation",),
    )
    yield LoaderRule(
        "relocation-vtl",
        WARNING,
        "{who} relocates what belongs to vCPU 0 and VTL2 only, and refuses to relocate others",
        OPENVMM_IGVM,
        openvmm_rules.relocation_vtl,
        messages=(
            "vp index does not describe the BSP in relocation headers",
            "vtl does not target vtl2 in relocation headers",
        ),
    )
    yield LoaderRule(
        "relocation-boundary",
        WARNING,
        "{who} does not map page tables that start 2 MiB of their own where it moves them to",
        "openvmm pulls 4380, 4382 and 4386, after 1488a37",
        openvmm_rules.relocation_boundary,
    )
    yield LoaderRule(
        "relocation-twice",
        WARNING,
        "{who} relocates one region and refuses to relocate more",
        OPENVMM_IGVM,
        openvmm_rules.relocation_twice,
        messages=("multiple igvm relocation headers specified in the file",),
    )
    yield from kvm_rules(OPENVMM)


LOADER = Loader(
    name=NAME,
    program="OpenVMM",
    title="OpenVMM (1488a37): VBS or no isolation, or SEV-SNP with KVM",
    source="openvmm 1488a37, vmm_core/virt_kvm/src/snp.rs and openvmm_core/.../vm_loaders/igvm.rs",
    platforms=(PlatformType.VSM_ISOLATION, PlatformType.SEV_SNP),
    measured=(PlatformType.SEV_SNP,),
    is_told=True,
    crate="0.5",
    unknown=(HeaderType.VBS_MEASUREMENT,),
    shape=shape,
    rules=rules,
    parameters=("vcpus", "cpu", "sev_features"),
    vmm=OPENVMM,
)
