"""QEMU 11.1 with KVM: page runs, the order trap, and VMSAs that KVM builds and measures last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.contexts import kvm_contexts, without_contexts
from igvm.launch.kvm import QEMU
from igvm.launch.loaders.loader import Loader, operations, refuse, split_large, start
from igvm.launch.plan import Operation
from igvm.spec.directive import PageData
from igvm.spec.enums import HeaderType, PageDataType, PlatformType, Section
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.draft import Draft
    from igvm.launch.loaders.loader import Request
    from igvm.launch.plan import LaunchPlan

NAME = "qemu-kvm"


def shape(draft: Draft, request: Request) -> LaunchPlan:
    """Pages wait in runs while inserts act at once; KVM measures a VMSA for every vCPU at the end.

    An empty page is launched as a normal page of zeroes, the shared flag is not looked at. On SEV
    and SEV-ES only normal pages reach the firmware, and special pages are fatal; on plain SEV a
    context is fatal too.

    Raises:
        MeasurementError: QEMU refuses the file, or vCPU count or processor are missing.
    """
    contexts = draft.of(HeaderType.VP_CONTEXT)
    refuse(draft, draft.of(HeaderType.ERROR_RANGE), "QEMU has no ERROR_RANGE")
    nothing = draft.of(HeaderType.PARAMETER_INSERT) & (draft.rows["pages"] == 0)
    refuse(draft, nothing, "QEMU does not insert an area of no bytes", "parameter_area_index")
    chosen = operations(draft, shared=Operation.NORMAL)
    if draft.platform != PlatformType.SEV_SNP:
        special = draft.rows["data_type"] != PageDataType.NORMAL
        message = f"QEMU has no secrets or CPUID pages for {draft.platform.name}"
        refuse(draft, special, message, "data_type")
        chosen[chosen == Operation.UNMEASURED] = 0
        chosen[chosen == Operation.PARAMETER] = 0
    if draft.platform == PlatformType.SEV:
        refuse(draft, contexts, "QEMU refuses a context for plain SEV")
    plan = without_contexts(start(draft, chosen))
    flushed = _flush_order(draft)[~contexts]
    plan = plan.with_rows(plan.rows[flushed.argsort(kind="stable")])
    plan = split_large(plan.with_rows(plan.rows[plan.rows["operation"] != 0]))
    if draft.platform == PlatformType.SEV:
        return plan
    return kvm_contexts(plan, draft, request, NAME, QEMU)


def _flush_order(draft: Draft) -> NDArray[np.intp]:
    """When each row reaches the firmware: the header at which QEMU gets round to it.

    Pages are collected while they go on: the next header, the next address, the same mask, flags
    and type, and both with data or both without. A run is written when the next page does not
    fit it, or at the end; everything else acts when it is met (backends/igvm.c).
    """
    import numpy as np

    rows = draft.rows
    when = rows["header"].astype(np.intp)
    pages = np.flatnonzero(draft.of(HeaderType.PAGE_DATA))
    if not len(pages):
        return when
    mine = rows[pages]
    masks = draft.file.table(PageData)
    position = np.searchsorted(masks.index, mine["header"])
    mask = masks[PageData.compatibility_mask][position]
    size = mine["pages"] * np.uint64(4096)
    # Headers for no platform are not there once libigvm has read the file.
    place = mine["header"] - np.searchsorted(_dropped(draft), mine["header"])
    goes_on = (
        (np.diff(place) == 1)
        & (mine["gpa"][1:] == mine["gpa"][:-1] + size[:-1])
        & (mine["flags"][1:] == mine["flags"][:-1])
        & (mine["data_type"][1:] == mine["data_type"][:-1])
        & (mask[1:] == mask[:-1])
        & ((mine["source"][1:] == -1) == (mine["source"][:-1] == -1))
    )
    starts = np.concatenate([[True], ~goes_on])
    run = np.cumsum(starts) - 1
    first = mine["header"][starts].astype(np.intp)
    # A run is flushed just before the page that starts the next one; nothing stands in between.
    flushed_at = np.concatenate([first[1:], [np.iinfo(np.intp).max]])
    when[pages] = flushed_at[run]
    return when


def _dropped(draft: Draft) -> NDArray[np.intp]:
    """Positions of the directives whose compatibility mask is 0, in order."""
    import numpy as np

    found = []
    for spec in HEADERS.values():
        if spec.section == Section.DIRECTIVE and spec.has_mask and spec.record is not None:
            table = draft.file.table(spec.record)
            found.append(table.index[table.column("compatibility_mask") == 0])
    return np.sort(np.concatenate(found))


QEMU_KVM = Loader(
    NAME,
    "QEMU 11.1 with KVM",
    frozenset((PlatformType.SEV_SNP, PlatformType.SEV_ES, PlatformType.SEV)),
    "QEMU 11.1, backends/igvm.c and target/i386/sev.c; Linux, arch/x86/kvm/svm/sev.c",
    shape,
)
