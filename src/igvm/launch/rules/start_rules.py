"""Where the guest starts: how many contexts there are, for whom, and what is there without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many, Place
from igvm.launch.lint.inspected_launch import touches
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

RESET_PAGE = 0xFFFFF000
"""The page of the reset vector, 0xFFFFFFF0."""


def _contexts(inspected: InspectedLaunch) -> NDArray[np.void]:
    return inspected.of(HeaderType.VP_CONTEXT)


def _unstarted(inspected: InspectedLaunch) -> bool:
    """Whether there is a plan, and nothing in it says where the guest starts."""
    return inspected.is_readable and not len(_contexts(inspected))


def no_start(inspected: InspectedLaunch) -> Found:
    """Nothing but the file puts memory there. Add a context, or firmware that ends at 4 GiB."""
    is_at_reset = touches(inspected.memory, RESET_PAGE, 1 << 32)
    if _unstarted(inspected) and not is_at_reset.any():
        yield Place("there is no context and no page at 0xfffff000")


def reset_start(inspected: InspectedLaunch) -> Found:
    """That is right for firmware. The first instruction runs in 16 bit mode."""
    is_at_reset = touches(inspected.memory, RESET_PAGE, 1 << 32)
    if _unstarted(inspected) and is_at_reset.any():
        yield Place("there is no context")


def no_context(inspected: InspectedLaunch) -> Found:
    """The file does not say where the guest starts."""
    if _unstarted(inspected):
        yield Place("there is no context")


def no_context_but_on_snp(inspected: InspectedLaunch) -> Found:
    """The file does not say where the guest starts."""
    if not _is_snp(inspected):
        yield from no_context(inspected)


def context_count(inspected: InspectedLaunch) -> Found:
    """Leave out the contexts of the other vCPUs: their VMSAs are made and measured by KVM."""
    rows = _contexts(inspected)
    if not _is_snp(inspected) or (len(rows) == 1 and rows["vp_index"][0] == 0):
        return
    if len(rows):
        at = int(rows["header"][-1])
        yield Place(f"there are {len(rows)}, the last for vCPU {int(rows['vp_index'][-1])}", at)
    elif _unstarted(inspected):
        yield Place("there is none")


def _is_snp(inspected: InspectedLaunch) -> bool:
    return inspected.platform == PlatformType.SEV_SNP


def native_vp_index(inspected: InspectedLaunch) -> Found:
    """Other processors wait for INIT and SIPI, as on hardware."""
    rows = _contexts(inspected)
    other = rows["vp_index"] != 0
    if other.any():
        yield Many(rows["header"][other], "vp_index")


def highest_vp_index(inspected: InspectedLaunch) -> Found:
    """The number of vCPUs is the host's choice (-smp, --cpus)."""
    rows = _contexts(inspected)
    highest = int(rows["vp_index"].max(initial=0))
    if highest:
        at = int(rows["header"][rows["vp_index"].argmax()])
        message = f"the guest needs {highest + 1} vCPUs"
        yield Place(message, at, field="vp_index", value=highest)


def mshv_vp_index(inspected: InspectedLaunch) -> Found:
    """The other vCPUs are measured with contexts that are not those of the file."""
    yield from native_vp_index(inspected)


def context_twice(inspected: InspectedLaunch) -> Found:
    """Leave out the ones that are not meant."""
    yield from _again(_contexts(inspected))


def ch_context_twice(inspected: InspectedLaunch) -> Found:
    """Leave out the ones that are not meant; SEV_FEATURES are those of the first for vCPU 0.

    Two contexts of vCPU 0 at one address are an error of their own.
    """
    import numpy as np

    rows = _contexts(inspected)
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


def native_gpa(inspected: InspectedLaunch) -> Found:
    """A native context is registers, not memory. Set gpa to 0."""
    rows = _contexts(inspected)
    set_ = rows["gpa"] != 0
    if set_.any():
        yield Many(rows["header"][set_], "gpa")
