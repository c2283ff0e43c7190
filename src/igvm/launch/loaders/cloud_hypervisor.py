"""Cloud Hypervisor on KVM and on MSHV (vmm/src/igvm/igvm_loader.rs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.contexts import kvm_contexts, without_contexts
from igvm.launch.hashes import with_hashes
from igvm.launch.kvm import CLOUD_HYPERVISOR
from igvm.launch.loaders.loader import Loader, one_page_each, operations, refuse, start
from igvm.launch.plan import NO_SOURCE, Operation
from igvm.spec.enums import HeaderType, PageDataType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan

_KVM, _MSHV = "cloud-hypervisor-kvm", "cloud-hypervisor-mshv"
_SOURCE = "cloud-hypervisor ae44c29, vmm/src/igvm/igvm_loader.rs and hypervisor/src/kvm/mod.rs"


def _start(draft: Draft, *, empty: Operation) -> LaunchPlan:
    """What both hypervisors share: the shared flag is not looked at, a 2 MB page is one page."""
    refuse(
        draft,
        draft.rows["data_type"] == PageDataType.CPUID_XF,
        "Cloud Hypervisor panics on a CPUID_XF page",
        "data_type",
    )
    refuse(draft, draft.of(HeaderType.ERROR_RANGE), "Cloud Hypervisor panics on an ERROR_RANGE")
    plan = start(draft, operations(draft, shared=Operation.NORMAL, empty=empty))
    return one_page_each(plan, draft.of(HeaderType.PAGE_DATA))


def kvm(draft: Draft, request: Request) -> LaunchPlan:
    """File order, empty pages as SNP's own zero pages, VMSAs by KVM at the end.

    It sets a vCPU's general, segment and control registers from the file's context. All else,
    and all of a vCPU without a context, is as KVM resets it, whatever the processor model.

    Raises:
        MeasurementError: it panics on the file or refuses a context, or the vCPU count is
            missing.
    """
    plan = without_contexts(_start(draft, empty=Operation.ZERO))
    if request.hashes is not None:
        plan = with_hashes(plan, request.hashes)
    return kvm_contexts(plan, draft, request, _KVM, CLOUD_HYPERVISOR)


def mshv(draft: Draft, _request: Request) -> LaunchPlan:
    """Sorted by address, contexts among the pages, the first page of each parameter area.

    What is imported is what memory holds at the end. Only the context of vCPU 0 is written to it,
    while a page is imported for each: those of the others are zeroes, or what else is there.

    Raises:
        MeasurementError: it panics on the file.
    """
    import numpy as np

    plan = _start(draft, empty=Operation.NORMAL)
    plan = one_page_each(plan, draft.of(HeaderType.PARAMETER_INSERT))
    rows = plan.rows.copy()
    contexts = rows["operation"] == Operation.VP_CONTEXT
    written = np.isin(rows["operation"], (Operation.NORMAL, Operation.UNMEASURED))
    written |= contexts & (rows["vp_index"] == 0)
    for index in np.flatnonzero(contexts & (rows["vp_index"] != 0)).tolist():
        same = np.flatnonzero(written & (rows["gpa"] == rows["gpa"][index]))
        rows["source"][index] = rows["source"][same[-1]] if len(same) else NO_SOURCE
    return plan.with_rows(rows[rows["gpa"].argsort(kind="stable")])


KVM = Loader(
    _KVM,
    "Cloud Hypervisor with KVM",
    frozenset((PlatformType.SEV_SNP,)),
    _SOURCE,
    kvm,
    takes_hashes=True,
)
MSHV = Loader(
    _MSHV, "Cloud Hypervisor with MSHV", frozenset((PlatformType.SEV_SNP,)), _SOURCE, mshv
)
