"""td-shim-tools: the MRTD that the library behind td-shim-tee-info-hash makes of an IGVM file.

The command itself measures TDVF images only; `build_igvmmrtd` is for the tools of others, such as
MigTD's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loaders.loader import Loader, one_page_each, operations, start
from igvm.launch.plan import Operation
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan


def shape(draft: Draft, _request: Request) -> LaunchPlan:
    """File order; empty pages are added and not extended; parameter areas do not count."""
    chosen = operations(draft, empty=Operation.UNMEASURED, typed=False)
    chosen[draft.of(HeaderType.PARAMETER_INSERT)] = 0
    plan = one_page_each(start(draft, chosen), draft.of(HeaderType.PAGE_DATA))
    return plan.with_rows(plan.rows[plan.rows["operation"] != 0])


TD_SHIM = Loader(
    "td-shim",
    "td-shim-tools, build_igvmmrtd",
    frozenset((PlatformType.TDX,)),
    "td-shim 125eeab, td-shim-tools (it ignores masks; here only the platform's pages count)",
    shape,
)
