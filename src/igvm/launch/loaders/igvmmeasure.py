"""igvmmeasure of coconut-svsm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.shaping import LARGE_PAGES, ignoring_shared, one_page_each
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

_SEV = (PlatformType.SEV, PlatformType.SEV_ES)
SOURCE = "coconut-svsm f4bc4bcd, tools/igvmmeasure/src/igvm_measure.rs"


def shape(plan: LaunchPlan, _request: PlanRequest) -> LaunchPlan:
    """File order; the shared flag is ignored; a parameter area counts as one page.

    VMSAs count whatever their mask says.

    For SEV and SEV-ES it hashes the data of every page and context, whatever their flags, and
    empty pages add nothing.

    A 2 MB page with data, on which the tool panics, is refused.
    """
    rows = plan.rows
    pages = plan.from_headers(HeaderType.PAGE_DATA)
    has_data = rows["source"] >= 0
    large = pages & (rows["pages"] == LARGE_PAGES) & has_data
    plan = plan.refused(large, "igvmmeasure panics on a 2 MB page with 4 KiB of data", "flags")
    plan = ignoring_shared(plan)
    if plan.platform in _SEV:
        rows = plan.rows.copy()
        rows["operation"][pages], rows["measured"][pages] = Operation.NORMAL, True
        plan = plan.with_rows(rows)
        return plan.unmeasured(pages & ~has_data, "igvmmeasure adds nothing for an empty page")
    areas = plan.of(Operation.PARAMETER)
    return one_page_each(plan, areas, "igvmmeasure counts an area as one page")


LOADER = Loader(
    name="igvmmeasure",
    program="igvmmeasure",
    title="igvmmeasure of coconut-svsm",
    source=SOURCE,
    platforms=(PlatformType.SEV_SNP, *_SEV),
    is_tool=True,
    is_told=True,
    every_vmsa=True,
    shape=shape,
)
