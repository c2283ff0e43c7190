"""OpenVMM on KVM: one context in the file, the VMSAs of all other vCPUs made by the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.contexts import kvm_contexts, without_contexts
from igvm.launch.kvm import OPENVMM
from igvm.launch.loaders.loader import (
    Loader,
    one_page_each,
    operations,
    refusal,
    refuse,
    require_policy,
    start,
)
from igvm.launch.plan import Operation
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, PlatformType
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion
from igvm.spec.platform import SupportedPlatform
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan

_NAME = "openvmm"
# What vCPU 0 must start with: PE and PG, PAE, LME and LMA and NXE, P and L
# (snp.rs, validate_snp_bsp_register_state).
_CR0, _CR4, _EFER, _CS = 0x80000001, 0x20, 0xD00, 0x280


def shape(draft: Draft, request: Request) -> LaunchPlan:
    """File order; then a VMSA for every vCPU, the first from the file and the others in reset.

    Empty pages are normal pages of zeroes. A page that is both unmeasured and shared is
    unmeasured; the shared flag of a secrets or CPUID page is not looked at.

    Raises:
        MeasurementError: OpenVMM refuses the file, or vCPU count or processor are missing.
    """
    _refuse(draft)
    rows = draft.rows
    chosen = operations(draft)
    private = rows["flags"] & PageDataFlags.UNMEASURED != 0
    private |= rows["data_type"] != PageDataType.NORMAL
    back = (chosen == Operation.SHARED) & private
    chosen[back] = operations(draft, shared=Operation.NORMAL)[back]
    plan = without_contexts(start(draft, chosen))
    kept = rows["kind"][rows["kind"] != HeaderType.VP_CONTEXT]
    plan = one_page_each(plan, kept == HeaderType.PAGE_DATA)
    return kvm_contexts(plan, draft, request, _NAME, OPENVMM)


def _refuse(draft: Draft) -> None:
    """Raise for what the backend refuses (vmm_core/virt_kvm/src/snp.rs)."""
    file = draft.file
    require_policy(draft)
    for record in (RelocatableRegion, PageTableRelocation):
        table = file.table(record)
        if (table.column("compatibility_mask") & draft.mask).any():
            raise MeasurementError("OpenVMM on KVM refuses relocations", path=file.path)
    for platform in file.all_of(SupportedPlatform):
        if platform.record.platform_type == draft.platform:
            for name in ("highest_vtl", "shared_gpa_boundary"):
                if getattr(platform.record, name):
                    raise refusal(draft, platform.index, f"OpenVMM on KVM wants no {name}", name)
    refuse(
        draft,
        draft.rows["data_type"] == PageDataType.CPUID_XF,
        "OpenVMM on KVM has no CPUID_XF page",
        "data_type",
    )
    nothing = draft.of(HeaderType.PARAMETER_INSERT) & (draft.rows["pages"] == 0)
    refuse(draft, nothing, "OpenVMM does not insert an area of no bytes", "parameter_area_index")
    contexts = draft.rows[draft.of(HeaderType.VP_CONTEXT)]
    if len(contexts) != 1 or contexts["vp_index"][0] != 0:
        raise MeasurementError(
            f"OpenVMM on KVM wants one context, for vCPU 0, and the file has {len(contexts)}"
            + (f", for vCPU {contexts['vp_index'][0]}" if len(contexts) == 1 else ""),
            path=file.path,
        )
    vmsa = SEVVMSA.unpack_from(file.buffer, int(contexts["source"][0]))
    if vmsa.virtual_tom or vmsa.sev_features & SEVFeatures.VTOM:
        header = int(contexts["header"][0])
        raise refusal(draft, header, "OpenVMM on KVM does not support vTOM", "virtual_tom")
    for field, wrong, wants in (
        ("cr0", vmsa.cr0 & _CR0 != _CR0, "PE and PG"),
        ("cr3", vmsa.cr3 == 0, "a page table"),
        ("cr4", not vmsa.cr4 & _CR4, "PAE"),
        ("efer", vmsa.efer & _EFER != _EFER, "LME, LMA and NXE"),
        ("cs", vmsa.cs.attrib & _CS != _CS, "a present segment of 64-bit code"),
        ("rip", vmsa.rip == 0, "an address"),
    ):
        if wrong:
            message = f"OpenVMM on KVM wants {wants} in it"
            raise refusal(draft, int(contexts["header"][0]), message, field)


KVM = Loader(
    _NAME,
    "OpenVMM with KVM",
    frozenset((PlatformType.SEV_SNP,)),
    "openvmm 1488a37, vmm_core/virt_kvm/src/snp.rs and openvmm_core/.../vm_loaders/igvm.rs",
    shape,
)
