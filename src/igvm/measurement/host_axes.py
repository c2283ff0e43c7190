"""What hosts vary of the pages and contexts that count, whatever the loader: axes of plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.axes import Axis, Choice
from igvm.launch.flash import in_sections
from igvm.launch.plan import MEMORY, NO_SOURCE, PAGE
from igvm.sources.ovmf import SectionType
from igvm.spec.enums import PageDataFlags
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


def _working_memory_unmeasured(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with pages without data unmeasured, but for those that are no working memory.

    The calling area of an SVSM and the place for the hashes of a kernel stay zero pages.
    """
    empty = plan.of(Operation.NORMAL, Operation.ZERO) & (plan.rows["source"] == NO_SOURCE)
    if not empty.any():
        return plan
    rows = plan.rows.copy()
    rows["operation"][empty] = Operation.UNMEASURED
    others = in_sections(plan, SectionType.SVSM_CAA, SectionType.SNP_KERNEL_HASHES)
    rows["operation"][empty & others] = Operation.ZERO
    return plan.with_rows(rows)


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
        Choice(
            value="unmeasured",
            words="empty pages are loaded without being measured, but for an SVSM's calling area",
            seen="Google Compute Engine (gce-tcb-verifier, sev/ld_from_ovmf.go)",
            change=_working_memory_unmeasured,
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


def _unmeasured_extended(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with the contents of unmeasured pages measured; their flags stay as they are."""
    added = plan.of(Operation.UNMEASURED)
    if not added.any():
        return plan
    rows = plan.rows.copy()
    rows["operation"][added] = Operation.NORMAL
    return plan.with_rows(rows)


UNMEASURED_PAGES = Axis(
    name="unmeasured-pages",
    about="whether the contents of pages that are flagged as unmeasured count all the same",
    choices=(
        Choice(
            value="extended",
            words="unmeasured pages are extended",
            seen="Google's hypervisor until 2024 (gce-tcb-verifier, tdx/mrtd_from_ovmf.go)",
            change=_unmeasured_extended,
        ),
    ),
)


def _added_first(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with every run of pages added as a whole before any of it is extended.

    A run are pages that follow each other and have the same flags, such as those of a section of
    TDVF's table.
    """
    import numpy as np

    rows = plan.rows
    if not len(rows):
        return plan
    ends = rows["gpa"] + rows["loaded"] * np.uint64(PAGE)
    goes_on = rows["gpa"][1:] == ends[:-1]
    for name in ("operation", "header_type", "measured"):
        goes_on &= rows[name][1:] == rows[name][:-1]
    flags = rows["flags"] & np.uint32(PageDataFlags.UNMEASURED)
    goes_on &= flags[1:] == flags[:-1]
    run = np.cumsum(np.concatenate([[False], ~goes_on]))
    extended = np.flatnonzero(plan.of(Operation.NORMAL) & rows["measured"])
    if not (np.bincount(run[extended], rows["loaded"][extended].astype(float)) > 1).any():
        return plan
    added, later = rows.copy(), rows[extended].copy()
    added["operation"][extended] = Operation.UNMEASURED
    later["operation"] = Operation.EXTENDED
    order = np.concatenate([run * 2, run[extended] * 2 + 1])
    return plan.with_rows(np.concatenate([added, later])[np.argsort(order, kind="stable")])


EXTEND_ORDER = Axis(
    name="extend-order",
    about="when the contents of pages are measured",
    choices=(
        Choice(
            value="runs",
            words="the pages of a run are all added before they are extended",
            seen="Canonical's QEMU 8.2.2 (measured-boot-tools issue 6, virtee/tdx-measure issue "
            "18); Oak's stage0 (project-oak/oak, tdx_measurement)",
            change=_added_first,
        ),
    ),
)


def _cpuid_last(plan: LaunchPlan) -> LaunchPlan:
    """`plan` with CPUID pages after all other memory."""
    import numpy as np

    cpuid, memory = plan.of(Operation.CPUID), np.flatnonzero(plan.of(*MEMORY))
    if not cpuid.any() or cpuid[memory[-int(cpuid.sum()) :]].all():
        return plan
    last = int(memory[-1]) + 1
    others = np.arange(len(cpuid))[~cpuid]
    order = [others[others < last], np.flatnonzero(cpuid), others[others >= last]]
    return plan.with_rows(plan.rows[np.concatenate(order)])


CPUID_ORDER = Axis(
    name="cpuid-order",
    about="when CPUID pages are loaded",
    choices=(
        Choice(
            value="last",
            words="CPUID pages come after all other pages",
            seen="Amazon EC2 (virtee/sev-snp-measure, --vmm-type ec2)",
            change=_cpuid_last,
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
