"""What hosts vary of the pages and contexts that count, whatever the loader: axes of plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.axes import Axis, Choice
from igvm.launch.plan import NO_SOURCE
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan


def _areas_of_one_page(plan: LaunchPlan) -> LaunchPlan:
    areas = plan.of(Operation.PARAMETER)
    return _counted(plan.loading(areas, 1, "the host takes the first page of an area"), areas)


def _whole_areas(plan: LaunchPlan) -> LaunchPlan:
    areas = plan.of(Operation.PARAMETER)
    return _counted(plan.loading(areas, plan.rows["pages"], ""), areas)


def _no_areas(plan: LaunchPlan) -> LaunchPlan:
    return plan.unmeasured(plan.of(Operation.PARAMETER), "the host does not count parameter areas")


AREA_PAGES = Axis(
    name="area-pages",
    about="how many pages of a parameter area count",
    choices=(
        Choice(
            value="one",
            words="a parameter area counts as one page",
            seen="igvmmeasure; Cloud Hypervisor on MSHV",
            change=_areas_of_one_page,
        ),
        Choice(
            value="all",
            words="every page of a parameter area counts",
            seen="the igvm crate; QEMU",
            change=_whole_areas,
        ),
        Choice(
            value="none",
            words="parameter areas do not count",
            seen="td-shim",
            change=_no_areas,
        ),
    ),
)


def _empty_as_zero(plan: LaunchPlan) -> LaunchPlan:
    return _empty_as(plan, Operation.NORMAL, Operation.ZERO)


def _empty_as_normal(plan: LaunchPlan) -> LaunchPlan:
    return _empty_as(plan, Operation.ZERO, Operation.NORMAL)


def _empty_unmeasured(plan: LaunchPlan) -> LaunchPlan:
    return _empty_as(plan, Operation.NORMAL, Operation.UNMEASURED)


def _empty_skipped(plan: LaunchPlan) -> LaunchPlan:
    empty = plan.of(Operation.NORMAL) & (plan.rows["source"] == NO_SOURCE)
    return plan.unmeasured(empty, "the host adds nothing for an empty page")


ZERO_PAGES = Axis(
    name="empty-pages",
    about="how pages without data are loaded on SEV-SNP",
    choices=(
        Choice(
            value="zero",
            words="empty pages are loaded as SNP's zero pages",
            seen="Cloud Hypervisor on KVM; QEMU for its own firmware; igvmmeasure --native-zero",
            change=_empty_as_zero,
        ),
        Choice(
            value="normal",
            words="empty pages are loaded as normal pages of zeroes",
            seen="the igvm crate; igvmmeasure; QEMU",
            change=_empty_as_normal,
        ),
    ),
)

EMPTY_CONTENTS = Axis(
    name="empty-pages",
    about="whether the contents of pages without data count",
    choices=(
        Choice(
            value="unmeasured",
            words="the contents of empty pages are not measured",
            seen="td-shim",
            change=_empty_unmeasured,
        ),
    ),
)

EMPTY_PAYLOAD = Axis(
    name="empty-pages",
    about="whether pages without data are launched",
    choices=(
        Choice(
            value="skipped",
            words="empty pages add nothing",
            seen="igvmmeasure",
            change=_empty_skipped,
        ),
    ),
)


def _shared_measured(plan: LaunchPlan) -> LaunchPlan:
    shared = plan.of(Operation.SHARED)
    if not shared.any():
        return plan
    rows = plan.rows.copy()
    rows["operation"][shared], rows["measured"][shared] = Operation.NORMAL, True
    return plan.with_rows(rows)


SHARED_PAGES = Axis(
    name="shared-pages",
    about="whether pages that are flagged as shared are loaded as private ones",
    choices=(
        Choice(
            value="measured",
            words="shared pages are measured",
            seen="loaders that do not look at the flag: QEMU, Cloud Hypervisor",
            change=_shared_measured,
        ),
    ),
)


def _first_context(plan: LaunchPlan) -> LaunchPlan:
    others = plan.of(Operation.VP_CONTEXT) & (plan.rows["vp_index"] != 0)
    return plan.unmeasured(others, "the host measures vCPU 0 only")


def _no_context(plan: LaunchPlan) -> LaunchPlan:
    return plan.unmeasured(plan.of(Operation.VP_CONTEXT), "the host measures no registers")


REGISTERS = Axis(
    name="contexts",
    about="which contexts of the file are measured",
    choices=(
        Choice(
            value="first",
            words="only the registers of vCPU 0 are measured",
            seen="hosts that start the other processors by themselves",
            change=_first_context,
        ),
        Choice(
            value="none",
            words="no registers are measured",
            seen="measurements that are taken before the registers are set",
            change=_no_context,
        ),
    ),
)


def _contexts_last(plan: LaunchPlan) -> LaunchPlan:
    import numpy as np

    contexts = plan.of(Operation.VP_CONTEXT)
    rows = np.concatenate([plan.rows[~contexts], plan.rows[contexts]])
    return plan if (rows == plan.rows).all() else plan.with_rows(rows)


CONTEXT_ORDER = Axis(
    name="vmsa-order",
    about="when VMSAs are measured",
    choices=(
        Choice(
            value="last",
            words="the VMSAs come last",
            seen="KVM, which measures them when the launch ends",
            change=_contexts_last,
        ),
    ),
)


def _empty_as(plan: LaunchPlan, before: Operation, after: Operation) -> LaunchPlan:
    """`plan` with pages without data loaded in another way."""
    empty = plan.of(before) & (plan.rows["source"] == NO_SOURCE)
    if not empty.any():
        return plan
    rows = plan.rows.copy()
    rows["operation"][empty] = after
    return plan.with_rows(rows)


def _counted(plan: LaunchPlan, where: NDArray[np.bool_]) -> LaunchPlan:
    """`plan` with the rows `where` measured."""
    if plan.rows["measured"][where].all():
        return plan
    rows = plan.rows.copy()
    rows["measured"][where] = True
    return plan.with_rows(rows)
