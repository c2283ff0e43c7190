"""The igvm crate 0.5.0: everything in file order, as its measurement module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.plan import PAGE
from igvm.launch.shaping import ending_at_the_top, one_page_each, requiring_policy
from igvm.spec.enums import HeaderType, PageDataType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

_MEASURED = (
    PlatformType.NATIVE,
    PlatformType.SEV_SNP,
    PlatformType.TDX,
    PlatformType.VSM_ISOLATION,
)
"""What the crate measures, and NATIVE, of which it knows all there is."""
_RANGES = (PlatformType.SEV_SNP, PlatformType.TDX)
"""Where the crate goes through addresses; for VBS it counts pages, on past 2^64 too."""


def shape(plan: LaunchPlan, _request: PlanRequest) -> LaunchPlan:
    """File order; an empty page is a page of zeroes; shared pages are left out.

    The crate measures one page of 4 KiB for a page with IS_2MB_PAGE. It has no measurement for
    CCA, SEV and SEV-ES: there the plan is the specification's own order, a page with IS_2MB_PAGE
    has 2 MiB of data, and on SEV and SEV-ES, which measure all that they import, what is
    unmeasured is not imported.

    Refused are SNP without a GUEST_POLICY, and VBS with a special page: the crate refuses the
    first and panics on the second. Elsewhere, large pages whose data is not in the file.
    """
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    if plan.platform == PlatformType.SEV_SNP:
        plan = requiring_policy(plan)
    if plan.platform == PlatformType.VSM_ISOLATION:
        special = pages & (plan.rows["data_type"] != PageDataType.NORMAL)
        plan = plan.refused(special, "VBS has no secrets or CPUID pages", "data_type")
    if plan.platform in _RANGES:
        plan = ending_at_the_top(plan)
    if plan.platform in _MEASURED:
        return one_page_each(plan, pages, "the crate reads 4 KiB of a page of 2 MiB")
    ends = plan.rows["source"] + plan.rows["pages"].astype("i8") * PAGE
    is_outside = pages & (plan.rows["source"] >= 0) & (ends > len(plan.file.buffer))
    return plan.refused(is_outside, "its data is not in the file", "file_offset")


LOADER = Loader(
    name="reference",
    program="the igvm crate",
    title="the igvm crate",
    source="igvm 0.5.0, src/measurement/{snp,tdx,vbs}.rs",
    platforms=tuple(PlatformType),
    is_tool=True,
    is_told=True,
    crate="0.5",
    wraps=(PlatformType.SEV_SNP, PlatformType.TDX, PlatformType.VSM_ISOLATION),
    shape=shape,
)
