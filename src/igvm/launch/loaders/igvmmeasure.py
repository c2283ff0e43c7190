"""igvmmeasure of coconut-svsm, without and with --native-zero."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.launch.loaders.loader import Loader, one_page_each, operations, refuse, start
from igvm.launch.plan import Operation
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan

_SEV = (PlatformType.SEV, PlatformType.SEV_ES)


def shape(draft: Draft, _request: Request, *, empty: Operation) -> LaunchPlan:
    """File order; the shared flag is ignored; a parameter area counts as one page.

    VMSAs count whatever their mask says.

    For SEV and SEV-ES it hashes the data of every page and context, whatever their flags, and
    empty pages add nothing.

    Raises:
        MeasurementError: a 2 MB page with data, on which the tool panics.
    """
    pages = draft.of(HeaderType.PAGE_DATA)
    large = pages & (draft.rows["pages"] == 512) & (draft.rows["source"] >= 0)
    refuse(draft, large, "igvmmeasure panics on a 2 MB page with 4 KiB of data", "flags")
    if draft.platform in _SEV:
        chosen = operations(draft, shared=Operation.NORMAL, typed=False)
        with_data = pages & (draft.rows["source"] >= 0)
        chosen[pages] = 0
        chosen[with_data] = Operation.NORMAL
        chosen[draft.of(HeaderType.PARAMETER_INSERT)] = 0
        plan = start(draft, chosen)
        return plan.with_rows(plan.rows[plan.rows["operation"] != 0])
    plan = start(draft, operations(draft, shared=Operation.NORMAL, empty=empty))
    return one_page_each(plan, draft.of(HeaderType.PARAMETER_INSERT))


_SOURCE = "coconut-svsm f4bc4bcd, tools/igvmmeasure/src/igvm_measure.rs"

IGVMMEASURE = Loader(
    "igvmmeasure",
    "igvmmeasure of coconut-svsm",
    frozenset((PlatformType.SEV_SNP, *_SEV)),
    _SOURCE,
    functools.partial(shape, empty=Operation.NORMAL),
    every_vmsa=True,
)

NATIVE_ZERO = Loader(
    "igvmmeasure-native-zero",
    "igvmmeasure --native-zero: empty pages as SNP's own zero pages",
    frozenset((PlatformType.SEV_SNP,)),
    _SOURCE,
    functools.partial(shape, empty=Operation.ZERO),
    every_vmsa=True,
)
