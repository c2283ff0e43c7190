"""Where the guest starts: how many contexts there are, for whom, and what is there without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, Place
from igvm.errors import IgvmError
from igvm.launch.lint.facts import touches
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    CH_KVM,
    CH_MSHV,
    IGVM_C,
    OPENVMM,
    OPENVMM_IGVM,
    OPENVMM_KVM,
    QEMU,
    QEMU_SNP,
    SEV_C,
    TCG,
    X86_RUN,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

RESET_PAGE = 0xFFFFF000
"""The page of the reset vector, 0xFFFFFFF0."""


def _contexts(facts: LoaderFacts) -> NDArray[np.void]:
    return facts.of(HeaderType.VP_CONTEXT)


def _unstarted(facts: LoaderFacts) -> bool:
    """Whether there is a plan, and nothing in it says where the guest starts."""
    known = facts.draft_or_error is not None and not isinstance(facts.draft_or_error, IgvmError)
    return known and not len(_contexts(facts))


@loader_rule(
    "no-start",
    QEMU,
    ERROR,
    "without a VP_CONTEXT {who} starts the guest at 0xfffffff0, and -bios puts nothing there",
    X86_RUN,
)
def no_start(facts: LoaderFacts) -> Found:
    """Nothing but the file puts memory there. Add a context, or firmware that ends at 4 GiB."""
    there = touches(facts.memory, RESET_PAGE, 1 << 32)
    if _unstarted(facts) and not there.any():
        yield Place("there is no context and no page at 0xfffff000")


@loader_rule(
    "no-context",
    QEMU,
    NOTE,
    "without a VP_CONTEXT {who} starts the guest at the reset vector, 0xfffffff0",
    X86_RUN,
)
def reset_start(facts: LoaderFacts) -> Found:
    """That is right for firmware. The first instruction runs in 16 bit mode."""
    there = touches(facts.memory, RESET_PAGE, 1 << 32)
    if _unstarted(facts) and there.any():
        yield Place("there is no context")


@loader_rule(
    "no-context", CH, ERROR, "{who} sets up vCPU 0 from the VMSA of the file only", CH_IGVM
)
@loader_rule(
    "no-context",
    OPENVMM,
    WARNING,
    "{who} leaves the processor in its reset state without a VP_CONTEXT",
    OPENVMM_IGVM,
)
def no_context(facts: LoaderFacts) -> Found:
    """The file does not say where the guest starts."""
    if _unstarted(facts) and (facts.loader.name != OPENVMM or not _is_snp(facts)):
        yield Place("there is no context")


@loader_rule(
    "context-count",
    OPENVMM,
    ERROR,
    "for SEV_SNP {who} wants exactly one VP_CONTEXT, for vCPU 0, and makes the others itself",
    OPENVMM_KVM,
)
def context_count(facts: LoaderFacts) -> Found:
    """Leave out the contexts of the other vCPUs: their VMSAs are made and measured by KVM."""
    rows = _contexts(facts)
    if not _is_snp(facts) or (len(rows) == 1 and rows["vp_index"][0] == 0):
        return
    if len(rows):
        at = int(rows["header"][-1])
        yield Place(f"there are {len(rows)}, the last for vCPU {int(rows['vp_index'][-1])}", at)
    elif _unstarted(facts):
        yield Place("there is none")


def _is_snp(facts: LoaderFacts) -> bool:
    return facts.platform == PlatformType.SEV_SNP


@loader_rule(
    "vp-index",
    TCG,
    ERROR,
    "{who} takes a context for vCPU 0 only and ends at others",
    X86_RUN,
)
def native_vp_index(facts: LoaderFacts) -> Found:
    """Other processors wait for INIT and SIPI, as on hardware."""
    rows = _contexts(facts)
    other = rows["vp_index"] != 0
    if other.any():
        yield Many(rows["header"][other], "vp_index")


@loader_rule(
    "vp-index",
    QEMU_SNP,
    NOTE,
    "{who} ends at a context for a vCPU that the guest does not have",
    SEV_C,
)
@loader_rule(
    "vp-index",
    CH_KVM,
    NOTE,
    "{who} ignores the context of a vCPU that the guest does not have",
    CH_IGVM,
)
def highest_vp_index(facts: LoaderFacts) -> Found:
    """The number of vCPUs is the host's choice (-smp, --cpus)."""
    rows = _contexts(facts)
    highest = int(rows["vp_index"].max(initial=0))
    if highest:
        at = int(rows["header"][rows["vp_index"].argmax()])
        message = f"the guest needs {highest + 1} vCPUs"
        yield Place(message, at, field="vp_index", value=highest)


@loader_rule(
    "vp-index",
    CH_MSHV,
    WARNING,
    "{who} imports the VMSA of vCPU 0 only, and for others a page as it is there, of zeroes",
    CH_IGVM,
)
def mshv_vp_index(facts: LoaderFacts) -> Found:
    """The other vCPUs are measured with contexts that are not those of the file."""
    yield from native_vp_index(facts)


@loader_rule(
    "context-twice",
    QEMU,
    WARNING,
    "of several contexts for one vCPU {who} takes the last",
    f"{X86_RUN}; under KVM read only",
)
def context_twice(facts: LoaderFacts) -> Found:
    """Leave out the ones that are not meant."""
    yield from _again(_contexts(facts))


@loader_rule(
    "context-twice",
    CH_KVM,
    WARNING,
    "of several contexts for one vCPU {who} takes the last",
    CH_IGVM,
)
def ch_context_twice(facts: LoaderFacts) -> Found:
    """Leave out the ones that are not meant; SEV_FEATURES are those of the first for vCPU 0.

    Two contexts of vCPU 0 at one address are an error of their own.
    """
    import numpy as np

    rows = _contexts(facts)
    own = rows["vp_index"] == 0
    _, first = np.unique(rows["gpa"][own], return_index=True)
    yield from _again(np.concatenate([rows[~own], rows[own][first]]))


def _again(rows: NDArray[np.void]) -> Found:
    """The contexts of `rows` for a vCPU that has one already, in the order of headers."""
    import numpy as np

    order = np.lexsort((rows["header"], rows["vp_index"]))
    number = rows["vp_index"][order]
    again = rows["header"][order[1:]][number[1:] == number[:-1]]
    if len(again):
        yield Many(np.sort(again), "vp_index", "vCPU {shown} has a context already")


@loader_rule("context-gpa", TCG, WARNING, "{who} ignores the gpa of a native context", X86_RUN)
def native_gpa(facts: LoaderFacts) -> Found:
    """A native context is registers, not memory. Set gpa to 0."""
    rows = _contexts(facts)
    set_ = rows["gpa"] != 0
    if set_.any():
        yield Many(rows["header"][set_], "gpa")


@loader_rule(
    "context-fallback",
    QEMU_SNP,
    ERROR,
    "{who} hands every context of a confidential guest to KVM as a VMSA, a native one too",
    f"{IGVM_C}; target/i386/sev.c",
)
def fallback_context(facts: LoaderFacts) -> Found:
    """NATIVE is what is started here, for want of SEV_SNP, and its contexts are no VMSAs."""
    rows = _contexts(facts)
    if facts.platform == PlatformType.NATIVE and len(rows):
        yield Many(rows["header"], "", "the context is for NATIVE")
