"""Cloud Hypervisor on KVM and on MSHV (vmm/src/igvm/igvm_loader.rs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.contexts import kvm_contexts, without_contexts
from igvm.launch.hashes import with_hashes
from igvm.launch.plan import Operation
from igvm.launch.profiles.profile import Profile, one_page_each, operations, start
from igvm.spec.enums import HeaderType, PageDataType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.profiles.profile import Request

_KVM, _MSHV = "cloud-hypervisor-kvm", "cloud-hypervisor-mshv"
_SOURCE = "cloud-hypervisor ae44c29, vmm/src/igvm/igvm_loader.rs"


def _start(draft: Draft, *, empty: Operation) -> LaunchPlan:
    """What both hypervisors share: the shared flag is not looked at, a 2 MB page is one page."""
    xf = draft.rows["data_type"] == PageDataType.CPUID_XF
    if xf.any():
        header = draft.file.header(int(draft.rows["header"][xf.argmax()]))
        raise MeasurementError(
            "Cloud Hypervisor panics on a CPUID_XF page",
            path=draft.file.path, offset=header.offset, header=header.name, field="data_type",
        )  # fmt: skip
    if draft.of(HeaderType.ERROR_RANGE).any():
        raise MeasurementError("Cloud Hypervisor panics on an ERROR_RANGE", path=draft.file.path)
    plan = start(draft, operations(draft, shared=Operation.NORMAL, empty=empty))
    return one_page_each(plan, draft.of(HeaderType.PAGE_DATA))


def kvm(draft: Draft, request: Request) -> LaunchPlan:
    """File order, empty pages as SNP's own zero pages, VMSAs by KVM at the end."""
    plan = without_contexts(_start(draft, empty=Operation.ZERO))
    if request.hashes is not None:
        plan = with_hashes(plan, request.hashes)
    return kvm_contexts(plan, draft, request, _KVM)


def mshv(draft: Draft, _request: Request) -> LaunchPlan:
    """Sorted by address, the context among the pages, the first page of each parameter area.

    Only the context of vCPU 0 is imported.
    """
    plan = _start(draft, empty=Operation.NORMAL)
    plan = one_page_each(plan, draft.of(HeaderType.PARAMETER_INSERT))
    rows = plan.rows
    rows = rows[(rows["operation"] != Operation.VP_CONTEXT) | (rows["vp_index"] == 0)]
    return plan.with_rows(rows[rows["gpa"].argsort(kind="stable")])


KVM = Profile(_KVM, "Cloud Hypervisor with KVM", frozenset((PlatformType.SEV_SNP,)), _SOURCE, kvm)
MSHV = Profile(
    _MSHV, "Cloud Hypervisor with MSHV", frozenset((PlatformType.SEV_SNP,)), _SOURCE, mshv
)
