"""Where QEMU puts things: inside a region of the machine, over a device, or in a region it makes.

What becomes of each piece of memory is computed once, in `igvm.launch.programs.qemu_regions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Place
from igvm.launch.machine import memory_text
from igvm.launch.programs.qemu_machines import SHADOW, qemu_machine
from igvm.launch.programs.qemu_regions import Fit, wraps
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.launch.programs.qemu_machines import Region
    from igvm.launch.programs.qemu_regions import PreparedMemory

_TOP = 1 << 52
"""The first address that no page table entry of x86 holds."""

_NOUNS = {
    HeaderType.PAGE_DATA: "the run of pages",
    HeaderType.PARAMETER_INSERT: "the parameter area",
    HeaderType.REQUIRED_MEMORY: "the required memory",
}


def device(inspected: InspectedLaunch) -> Found:
    """Leave the addresses of devices out.

    0xa0000 to 0xbffff is RAM without a VGA adapter (`-vga none` or `-nodefaults`).
    """
    memory = inspected.qemu_memory
    if memory is not None:
        yield from _pieces(
            memory,
            memory.fits == Fit.DEVICE,
            lambda start, _end: (
                f"is over {_first(memory.regions, start).what} of {_name(inspected)}"
            ),
        )


def region_edge(inspected: InspectedLaunch) -> Found:
    """A header of another kind between two pages makes two runs of them.

    Regions are the RAM below 4 GiB and above it, on pc and isapc the ROM at 0xc0000 to 0xdffff,
    and what QEMU made for the file before: a later piece that starts in one and is larger, or
    begins before it, has no place.
    """
    memory = inspected.qemu_memory
    if memory is None:
        return
    known = memory.regions

    def describe(start: int, end: int) -> str:
        region = _first(known, start)
        if start < region.end and end > region.start:
            size = memory_text(inspected.machine.memory_size)
            where = f"{region.what} [{region.start:#x}, {region.end:#x})"
            return f"is not all inside {where} of {_name(inspected)} with {size}"
        return "is not all inside memory that QEMU made for the file before"

    yield from _pieces(memory, memory.fits == Fit.EDGE, describe)


def region_empty(inspected: InspectedLaunch) -> Found:
    """Nothing at all inside RAM does no harm. Leave the header out."""
    memory = inspected.qemu_memory
    if memory is not None:
        where = memory.fits == Fit.NOTHING
        yield from _pieces(memory, where, lambda _start, _end: "has no bytes, where no RAM is")


def reset(inspected: InspectedLaunch) -> Found:
    """A reset processes the file again, and what the file made at first is there then.

    On q35, ROM takes 0xc0000 to 0xdffff out of RAM. Start QEMU with -no-reboot, or stay out of
    it. What a guest makes of its machine before a reset, such as windows of PCI devices, is not
    known here.
    """
    memory = inspected.qemu_memory
    if memory is None or inspected.platform != PlatformType.NATIVE or memory.fails.any():
        return
    known = memory.reset_regions

    def describe(start: int, end: int) -> str:
        if end > 1 << 64:
            return "runs past the end of the address space"
        region = _first(known, start)
        if start < region.end and end > region.start:
            return f"is not all inside {region.what} [{region.start:#x}, {region.end:#x})"
        return "has no bytes, at the edge of RAM"

    yield from _pieces(memory, memory.ends_at_reset, describe)


def shadow_lost(inspected: InspectedLaunch) -> Found:
    """The guest reads zeroes. Other machines (pc, microvm) keep what is there."""
    import numpy as np

    memory = inspected.qemu_memory
    found = qemu_machine(inspected.machine)
    if memory is None or found.has_rom_at_first or not found.has_rom_after_reset:
        return
    pieces = memory.pieces
    end = pieces["start"] + pieces["size"]
    where = (pieces["start"] < np.uint64(SHADOW[1])) & (end > np.uint64(SHADOW[0]))
    where &= ~memory.fails & (pieces["type"] != np.uint32(HeaderType.REQUIRED_MEMORY))
    where &= ~wraps(pieces)
    yield from _pieces(memory, where, lambda _start, _end: "reaches into 0xc0000 to 0xdffff")


def new_region(inspected: InspectedLaunch) -> Found:
    """Firmware below 4 GiB is loaded so. The guest must know of it by itself."""
    memory = inspected.qemu_memory
    if memory is not None:
        where = memory.fits == Fit.MADE
        yield from _pieces(memory, where, lambda _start, _end: f"is no RAM of {_name(inspected)}")


def kvm_address(inspected: InspectedLaunch) -> Found:
    """KVM has as many address bits as its processor, often 46 or 48: stay below those too."""
    import numpy as np

    memory = inspected.qemu_memory
    if memory is None or inspected.platform != PlatformType.NATIVE:
        return
    pieces = memory.pieces
    last = pieces["start"] + (pieces["size"].clip(min=1) - np.uint64(1))
    is_high = (last >= np.uint64(_TOP)) | wraps(pieces)
    where = is_high & (memory.fits == Fit.MADE)
    yield from _pieces(memory, where, lambda _start, _end: "is above 52 bits of address")


def _name(inspected: InspectedLaunch) -> str:
    return inspected.machine.kind


def _first(known: Sequence[Region], start: int) -> Region:
    """The first of `known` that ends after `start`; the last of all where none does."""
    touched = (region for region in known if region.end > start)
    return next(touched, known[-1])


def _pieces(
    memory: PreparedMemory, where: NDArray[np.bool_], describe: Callable[[int, int], str]
) -> Found:
    """The headers with which the pieces at `where` start."""
    import numpy as np

    chosen = np.flatnonzero(where)

    def place(number: int) -> Place:
        piece = memory.pieces[chosen[number]]
        gpa = int(piece["start"])
        end = gpa + int(piece["size"])
        noun = _NOUNS[HeaderType(int(piece["type"]))]
        message = f"{noun} [{gpa:#x}, {end:#x}) {describe(gpa, end)}"
        return Place(message, int(piece["header"]), field="gpa", value=gpa)

    if len(chosen):
        yield Lazy(len(chosen), place)
