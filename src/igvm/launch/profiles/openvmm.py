"""OpenVMM on KVM: one context in the file, the VMSAs of all other vCPUs made by the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.contexts import kvm_contexts, without_contexts
from igvm.launch.profiles.profile import Profile, one_page_each, operations, start
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.initialization import PageTableRelocation, RelocatableRegion

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.profiles.profile import Request

_NAME = "openvmm-kvm"


def shape(draft: Draft, request: Request) -> LaunchPlan:
    """File order; then a VMSA for every vCPU, the first from the file and the others in reset.

    Raises:
        MeasurementError: the file has relocations, not exactly one context or one with VTOM, all
            of which the backend refuses; or vCPU count or processor are missing.
    """
    for record in (RelocatableRegion, PageTableRelocation):
        table = draft.file.table(record)
        if (table.column("compatibility_mask") & draft.mask).any():
            raise MeasurementError("OpenVMM on KVM refuses relocations", path=draft.file.path)
    contexts = draft.rows[draft.of(HeaderType.VP_CONTEXT)]
    if len(contexts) != 1 or contexts["vp_index"][0] != 0:
        raise MeasurementError(
            f"OpenVMM on KVM wants one context, for vCPU 0, and the file has {len(contexts)}",
            path=draft.file.path,
        )
    plan = without_contexts(start(draft, operations(draft)))
    kept = draft.rows["kind"][draft.rows["kind"] != HeaderType.VP_CONTEXT]
    plan = one_page_each(plan, kept == HeaderType.PAGE_DATA)
    return kvm_contexts(plan, draft, request, _NAME)


KVM = Profile(
    _NAME,
    "OpenVMM with KVM",
    frozenset((PlatformType.SEV_SNP,)),
    "openvmm, pull request 4285 (as merged 2026-08; not run)",
    shape,
)
