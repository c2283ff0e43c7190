"""td-shim-tools: the MRTD that the library behind td-shim-tee-info-hash makes of an IGVM file.

The command itself measures TDVF images only; `build_igvmmrtd` is for the tools of others, such as
MigTD's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.shaping import empty_pages_as, one_page_each
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest


def shape(plan: LaunchPlan, _request: PlanRequest) -> LaunchPlan:
    """File order; empty pages are added and not extended; parameter areas do not count."""
    plan = empty_pages_as(plan, Operation.UNMEASURED)
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    plan = one_page_each(plan, pages, "td-shim reads 4 KiB of a page of 2 MiB")
    areas = plan.of(Operation.PARAMETER)
    return plan.unmeasured(areas, "td-shim does not count parameter areas")


LOADER = Loader(
    name="td-shim",
    program="td-shim",
    title="td-shim-tools, build_igvmmrtd",
    source="td-shim 125eeab, td-shim-tools (it ignores masks; only the platform's count here)",
    platforms=(PlatformType.TDX,),
    is_tool=True,
    is_told=True,
    shape=shape,
)
