"""igvmmeasure of coconut-svsm with --native-zero: empty pages as SNP's own zero pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.loaders import igvmmeasure
from igvm.launch.shaping import empty_pages_as
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest


def shape(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """As igvmmeasure, but that an empty page is a zero page of the firmware."""
    return empty_pages_as(igvmmeasure.shape(plan, request), Operation.ZERO)


LOADER = Loader(
    name="igvmmeasure-native-zero",
    program="igvmmeasure",
    title="igvmmeasure --native-zero: empty pages as SNP's own zero pages",
    source=igvmmeasure.SOURCE,
    platforms=(PlatformType.SEV_SNP,),
    is_tool=True,
    is_told=True,
    every_vmsa=True,
    shape=shape,
)
