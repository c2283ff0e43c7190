"""The igvm crate 0.5.0: everything in file order, as its measurement module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.launch.profiles.profile import Profile, one_page_each, operations, start
from igvm.spec.enums import HeaderType, PageDataType, PlatformType
from igvm.spec.initialization import GuestPolicy

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.profiles.profile import Request


def shape(draft: Draft, _request: Request) -> LaunchPlan:
    """File order; an empty page is a page of zeroes; shared pages are left out.

    The crate measures one page of 4 KiB for a page with IS_2MB_PAGE. It has no measurement for
    CCA, SEV and SEV-ES: there the plan is the specification's own order.

    Raises:
        MeasurementError: SNP without a GUEST_POLICY, or VBS with a special page: the crate refuses
            the first and panics on the second.
    """
    platform = draft.platform
    if platform == PlatformType.SEV_SNP:
        _require_policy(draft)
    special = draft.rows["data_type"] != PageDataType.NORMAL
    if platform == PlatformType.VSM_ISOLATION and special.any():
        header = draft.file.header(int(draft.rows["header"][special.argmax()]))
        raise MeasurementError(
            "VBS has no secrets or CPUID pages",
            path=draft.file.path,
            offset=header.offset,
            header=header.name,
            field="data_type",
        )
    typed = platform == PlatformType.SEV_SNP
    plan = start(draft, operations(draft, typed=typed))
    return one_page_each(plan, draft.of(HeaderType.PAGE_DATA))


def _require_policy(draft: Draft) -> None:
    masks = draft.file.table(GuestPolicy)[GuestPolicy.compatibility_mask].tolist()
    if not any(mask & draft.mask == draft.mask for mask in masks):
        raise MeasurementError(
            "there is no GUEST_POLICY for SEV_SNP",
            path=draft.file.path,
            hint="other profiles do not ask for one",
        )


REFERENCE = Profile(
    "reference",
    "the igvm crate",
    frozenset(PlatformType),
    "igvm 0.5.0, src/measurement/{snp,tdx,vbs}.rs",
    shape,
)
