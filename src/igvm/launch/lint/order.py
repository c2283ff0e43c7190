"""The order in which things reach the guest, and what is loaded twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    CH_KVM,
    CH_MEMORY,
    CH_MSHV,
    IGVM_RUN,
    KVM_SEV,
    OPENVMM,
    OPENVMM_MEMORY,
    QEMU,
    QEMU_SNP,
    TCG,
)
from igvm.launch.lint.rule import ERROR, WARNING, loader_rule
from igvm.spec.enums import HeaderType, PageDataType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

    Rows = NDArray[np.void]

_LOADED = (HeaderType.PAGE_DATA, HeaderType.PARAMETER_INSERT)


def _late(facts: LoaderFacts) -> tuple[Rows, Rows]:
    """Inserts that come while pages wait, and the run that waits at each."""
    import numpy as np

    inserts, runs = facts.of(HeaderType.PARAMETER_INSERT), facts.page_runs
    if not len(runs):
        return inserts[:0], runs
    # The run whose first page is the last before the insert; it may have pages after it as well.
    before = np.searchsorted(runs["header"], inserts["header"]) - 1
    late = before >= 0
    return inserts[late], runs[before[late]]


@loader_rule(
    "order-trap",
    TCG,
    WARNING,
    "{who} inserts at once and writes the pages before it later, so the page is what stays",
    IGVM_RUN,
)
def order_trap(facts: LoaderFacts) -> Found:
    """A page that is reserved for parameters, followed by their insert, overwrites them.

    Leave such pages out, or write every PARAMETER_INSERT before the first PAGE_DATA.
    """
    inserts, runs = _late(facts)
    first = inserts["gpa"] >> 12
    over = (first < runs["first"] + runs["pages"]) & (first + inserts["pages"] > runs["first"])
    if over.any():
        yield Many(inserts["header"][over], "gpa", "a page that waits to be written covers {shown}")


@loader_rule(
    "order-measured",
    QEMU_SNP,
    WARNING,
    "{who} inserts at once and launches the pages before it later, so the launch digest is not "
    "the one of file order",
    "QEMU 11.1, backends/igvm.c; the order was run under TCG",
)
def order_measured(facts: LoaderFacts) -> Found:
    """PAGE A, INSERT P, PAGE B is measured P, A, B; `igvm measure --loader qemu-kvm` knows it.

    A file in which every PARAMETER_INSERT comes before the first PAGE_DATA has one digest.
    """
    inserts, _ = _late(facts)
    if len(inserts):
        yield Many(inserts["header"], "", "pages come before this insert")


def _overlap(facts: LoaderFacts, rows: Rows) -> Found:
    """Rows that lie where others do, in the order of addresses; the later header is blamed."""
    import numpy as np

    if len(rows) < 2:
        return
    rows = rows[rows["pages"] > 0]
    rows = rows[np.lexsort((rows["header"], rows["gpa"]))]
    first = rows["gpa"] >> np.uint64(12)
    end = first + rows["pages"]
    reach = np.maximum.accumulate(end)
    # Which row reaches that far, for each row.
    holder = np.maximum.accumulate(np.where(end == reach, np.arange(len(rows)), 0))
    hit = np.flatnonzero(first[1:] < reach[:-1]) + 1
    if not len(hit):
        return
    pair = np.stack([rows["header"][hit], rows["header"][holder[hit - 1]]])
    late, early = pair.max(axis=0), pair.min(axis=0)

    def place(number: int) -> Place:
        gpa = int(rows["gpa"][hit[number]])
        other = facts.file.header(int(early[number]))
        message = f"{gpa:#x} is loaded by header {other.index} ({other.name}) already"
        return Place(message, int(late[number]), field="gpa", value=gpa)

    yield Lazy(len(hit), place)


@loader_rule("overlap", TCG, WARNING, "{who} loads both, and what is written last stays", IGVM_RUN)
@loader_rule(
    "overlap",
    QEMU_SNP,
    ERROR,
    "KVM does not launch a page that the guest has already",
    KVM_SEV,
)
@loader_rule(
    "overlap",
    CH_KVM,
    ERROR,
    "{who} and KVM do not import a page twice",
    f"{CH_MEMORY}; {KVM_SEV}",
)
@loader_rule(
    "overlap",
    OPENVMM,
    ERROR,
    "{who} does not import a page twice",
    OPENVMM_MEMORY,
)
def overlap(facts: LoaderFacts) -> Found:
    """A page has one place in the launch. Leave out the one that is not meant."""
    yield from _overlap(facts, _loaded(facts))


def _loaded(facts: LoaderFacts) -> Rows:
    """Pages and inserts, with the pages of 4 KiB that the loader makes of each."""
    rows = facts.of(*_LOADED)
    if facts.loader.name not in QEMU:
        rows["pages"][rows["kind"] == HeaderType.PAGE_DATA] = 1
    return rows


def _with_data(facts: LoaderFacts) -> Rows:
    """What Cloud Hypervisor writes into the guest, and so does not import twice."""
    rows = _loaded(facts)
    empty = (rows["kind"] == HeaderType.PAGE_DATA) & (rows["source"] < 0)
    if facts.loader.name == CH_KVM:
        empty &= rows["data_type"] != PageDataType.CPUID_DATA  # it has a table of its own for them
    kept: Rows = rows[~empty]
    return kept


@loader_rule("overlap", CH_MSHV, ERROR, "{who} does not import a page with data twice", CH_MEMORY)
def mshv_overlap(facts: LoaderFacts) -> Found:
    """Pages without data are not looked at there; the hypervisor may refuse them."""
    yield from _overlap(facts, _with_data(facts))


@loader_rule(
    "context-overlap",
    CH,
    ERROR,
    "{who} imports the context of vCPU 0 like a page with data, and none of them twice",
    f"{CH_IGVM}; vmm/src/igvm/loader.rs",
)
def context_overlap(facts: LoaderFacts) -> Found:
    """Give vCPU 0 one context, at an address where nothing else is loaded.

    The contexts of other vCPUs may share an address with it.
    """
    import numpy as np

    contexts = facts.of(HeaderType.VP_CONTEXT)
    contexts = contexts[contexts["vp_index"] == 0]
    if not len(contexts):
        return
    rows = _with_data(facts)
    there = np.unique(contexts["gpa"] >> np.uint64(12))
    first = rows["gpa"] >> np.uint64(12)
    low, high = np.searchsorted(there, first), np.searchsorted(there, first + rows["pages"])
    yield from _overlap(facts, np.concatenate([rows[low < high], contexts]))
