"""Cloud Hypervisor on MSHV (vmm/src/igvm/igvm_loader.rs): what memory holds, by address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader import Loader
from igvm.launch.plan import MEMORY, NO_SOURCE
from igvm.launch.programs.cloud_hypervisor import (
    CH_IGVM,
    CH_MEMORY,
    CH_ON_MSHV,
    IGNORED,
    SOURCE,
    UNKNOWN,
    shared_rules,
    with_its_pages,
)
from igvm.launch.shaping import one_page_each
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.lint.loader_rule import LoaderRule
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest


def shape(plan: LaunchPlan, _request: PlanRequest) -> LaunchPlan:
    """Sorted by address, contexts among the pages, the first page of each parameter area.

    What is imported is what memory holds at the end. Only the context of vCPU 0 is written to it,
    while a page is imported for each: those of the others are zeroes, or what else is there.

    Refused is what it panics on.
    """
    import numpy as np

    plan = with_its_pages(plan)
    areas = plan.of(Operation.PARAMETER)
    plan = one_page_each(plan, areas, "Cloud Hypervisor on MSHV imports the first page of an area")
    rows = plan.rows.copy()
    contexts = plan.of(Operation.VP_CONTEXT)
    written = plan.of(Operation.NORMAL, Operation.UNMEASURED)
    written |= contexts & (rows["vp_index"] == 0)
    others = contexts & (rows["vp_index"] != 0)
    rows["source"][others] = _sources_at(rows[written], rows["gpa"][others])
    imported = plan.of(*MEMORY, Operation.VP_CONTEXT)
    plan = plan.with_rows(rows).explained(
        others, "what memory holds there is imported in its place"
    )
    order = np.flatnonzero(imported)
    order = order[plan.rows["gpa"][order].argsort(kind="stable")]
    return plan.with_rows(plan.rows[np.concatenate([np.flatnonzero(~imported), order])])


def _sources_at(written: NDArray[np.void], gpa: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The source of the last of the rows `written` at each of `gpa`; none where there is none."""
    import numpy as np

    if not len(written):
        return np.full(len(gpa), NO_SOURCE, np.int64)
    order = written["gpa"].argsort(kind="stable")
    places = written["gpa"][order]
    at = np.searchsorted(places, gpa, side="right") - 1
    sources: NDArray[np.int64] = written["source"][order][at.clip(min=0)]
    return np.where((at >= 0) & (places[at.clip(min=0)] == gpa), sources, NO_SOURCE)


def rules() -> Iterator[LoaderRule]:
    """Why Cloud Hypervisor on MSHV would not start a file, and what it ignores or changes."""
    from igvm.launch.lint.loader_rule import ERROR, WARNING, LoaderRule
    from igvm.launch.rules import (
        address_rules,
        cpuid_rules,
        identity_rules,
        order_rules,
        page_rules,
        start_rules,
        vmsa_rules,
    )

    yield LoaderRule(
        "page-cpuid",
        ERROR,
        "{who} fills in the leaves of a CPUID page that has data and at most 64 of them, "
        "and crashes on others",
        CH_IGVM,
        page_rules.cpuid_page,
    )
    yield LoaderRule(
        "cpuid-leaf-twice",
        WARNING,
        "{who} on MSHV fills in every leaf of the page and hands all of them to the firmware",
        CH_IGVM,
        cpuid_rules.leaf_twice,
    )
    yield LoaderRule(
        "cpuid-xsave-state",
        WARNING,
        "{who} on MSHV asks for a leaf with XCR0 and XSS of the page, and the guest finds it under "
        "these",
        f"{CH_IGVM}; coconut-svsm pull 511; Linux, sev-shared.c",
        cpuid_rules.xsave_state,
    )
    yield LoaderRule(
        "cpuid-xsave-avx512",
        WARNING,
        "{who} on MSHV hands subleaves 5 to 7 of leaf 0xd to the firmware, which was seen to "
        "refuse them where the host hides AVX-512",
        f"{CH_IGVM}; igvm-tooling pull 58",
        cpuid_rules.xsave_avx512,
    )
    yield LoaderRule(
        "cpuid-xsave-cet",
        WARNING,
        "{who} on MSHV adds no leaves, and Linux was seen to end on hosts with CET without "
        "subleaves 11 and 12 of leaf 0xd",
        f"{CH_IGVM}; igvm-tooling pull 60",
        cpuid_rules.xsave_cet,
    )
    yield LoaderRule(
        "overlap",
        ERROR,
        "{who} does not import a page with data twice",
        CH_MEMORY,
        order_rules.mshv_overlap,
        messages=("overlaps with existing import region {region}",),
    )
    yield LoaderRule(
        "outside-ram",
        ERROR,
        "{who} on MSHV loads into RAM only, which is below 3 GiB and above 4 GiB",
        f"{CH_IGVM}; arch/src/x86_64/layout.rs",
        address_rules.outside_ram,
        messages=("memory unavailable",),
    )
    yield LoaderRule(
        "vp-index",
        WARNING,
        "{who} imports the VMSA of vCPU 0 only, and for others a page as it is there, of zeroes",
        CH_IGVM,
        start_rules.mshv_vp_index,
    )
    yield LoaderRule(
        "vmsa-gpa",
        ERROR,
        "{who} on MSHV has VMSAs in the guest's RAM, at their gpa",
        CH_IGVM,
        vmsa_rules.ram_vmsa_gpa,
    )
    yield LoaderRule(
        "id-block-author",
        WARNING,
        "{who} on MSHV never has an author key",
        CH_IGVM,
        identity_rules.mshv_author,
    )
    yield LoaderRule(
        "id-block-missing",
        WARNING,
        "{who} on MSHV always asks for an ID block, of zeroes where the file has none",
        CH_IGVM,
        identity_rules.id_block_missing,
    )
    yield LoaderRule(
        "id-block-policy",
        WARNING,
        "{who} on MSHV puts its own policy into the ID block, 0x3001f",
        f"{CH_ON_MSHV}; mshv-bindings 0.7.0",
        identity_rules.mshv_block_policy,
    )
    yield LoaderRule(
        "policy-ignored",
        WARNING,
        "{who} on MSHV launches with a policy of its own, 0x3001f, whatever the file's is",
        f"{CH_ON_MSHV}; mshv-bindings 0.7.0",
        identity_rules.mshv_policy,
    )
    yield from shared_rules()


LOADER = Loader(
    name="cloud-hypervisor-mshv",
    program="Cloud Hypervisor",
    title="Cloud Hypervisor (ae44c29) with MSHV and SEV-SNP",
    source=SOURCE,
    platforms=(PlatformType.SEV_SNP,),
    crate="0.4",
    takes_id_block=True,
    unknown=UNKNOWN,
    ignored=IGNORED,
    shape=shape,
    rules=rules,
)
