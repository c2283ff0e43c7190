"""Where in the guest's address space things go: RAM, holes, devices and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Place
from igvm.launch.kvm.vmsa_rewriting import VMSA_GPA
from igvm.launch.lint.inspected_launch import crosses, touches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

    Rows = NDArray[np.void]

GIB = 1 << 30
VGA = (0xA0000, 0xC0000)
IOAPIC = (0xFEC00000, 0xFEC01000)
LAPIC = (0xFEE00000, 0xFEE01000)
SHADOW = (0xC0000, 0xE0000)
EDGES = (0xA0000, 0xC0000, 0x80000000, 0xB0000000, 3 * GIB, 4 * GIB)
"""Where RAM may end or begin: around the VGA hole, and by the size of the memory and the machine
at 2 GiB (q35), at 2.75 GiB (q35's configuration space), at 3 GiB (pc) and at 4 GiB."""

NO_RAM = 1 << 46
"""No host has so much memory; KVM's address for VMSAs, 0xFFFFFFFFF000, is far above."""
BOOTLOADER = 4 * GIB - (4 << 20)
"""Where Cloud Hypervisor on KVM has 4 MiB for firmware (hypervisor/src/kvm/mod.rs)."""


def is_outside(inspected: InspectedLaunch, runs: Rows) -> NDArray[np.bool_]:
    """Which runs are not in the memory that Cloud Hypervisor has when it loads a file.

    On KVM it reserves memory for firmware and for KVM's VMSA first (vmm/src/vm.rs).
    """
    import numpy as np

    first, pages = runs["first"], runs["pages"]
    on_kvm = inspected.loader.vmm is not None
    result: NDArray[np.bool_] = first + pages > np.uint64(NO_RAM >> 12)
    if on_kvm:
        result &= (first != np.uint64(VMSA_GPA >> 12)) | (pages > 1)
    result |= touches(runs, 3 * GIB, BOOTLOADER if on_kvm else 4 * GIB)
    return result


def _runs(runs: Rows, where: NDArray[np.bool_], text: str) -> Found:
    """The headers with which the runs at `where` start."""
    import numpy as np

    chosen = np.flatnonzero(where)

    def place(number: int) -> Place:
        run = runs[chosen[number]]
        gpa, pages = int(run["first"]) << 12, int(run["pages"])
        end = gpa + (pages << 12)
        message = text.format(range=f"[{gpa:#x}, {end:#x})")
        return Place(message, int(run["header"]), field="gpa", value=gpa)

    if len(chosen):
        yield Lazy(len(chosen), place)


def mmio(inspected: InspectedLaunch) -> Found:
    """The IOAPIC is at 0xfec00000 and the LAPIC at 0xfee00000 on every machine but isapc."""
    runs = inspected.memory
    for name, (start, end) in (("IOAPIC", IOAPIC), ("LAPIC", LAPIC)):
        yield from _runs(runs, touches(runs, start, end), f"{{range}} covers the {name}")


def vga_hole(inspected: InspectedLaunch) -> Found:
    """Machines have a VGA adapter unless they are told not to. Stay out of 0xa0000 to 0xbffff."""
    runs = inspected.memory
    yield from _runs(runs, touches(runs, *VGA), "{range} reaches into the VGA hole")


def shadow_lost(inspected: InspectedLaunch) -> Found:
    """The guest reads zeroes. Other machines (pc, microvm) keep the pages."""
    runs = inspected.memory
    yield from _runs(runs, touches(runs, *SHADOW), "{range} reaches into 0xc0000 to 0xdffff")


def ram_edge(inspected: InspectedLaunch) -> Found:
    """Where RAM ends below 4 GiB depends on -m and the machine, so it cannot be known here.

    A header of another kind between two pages makes two runs of them.
    """
    runs = inspected.memory
    for edge in EDGES:
        yield from _runs(runs, crosses(runs, edge), f"{{range}} goes across {edge:#x}")


def new_region(inspected: InspectedLaunch) -> Found:
    """Firmware below 4 GiB is loaded so. The guest must know of it by itself."""
    runs = inspected.memory
    above = touches(runs, 3 * GIB, 4 * GIB)
    for start, end in (IOAPIC, LAPIC):
        above &= ~touches(runs, start, end)
    yield from _runs(runs, above, "{range} is in the hole below 4 GiB")


def outside_ram(inspected: InspectedLaunch) -> Found:
    """Firmware at the top of the first 4 GiB is loaded on KVM, where it has at most 4 MiB.

    Link other things to an address in RAM, and firmware for MSHV too.
    """
    runs = inspected.memory
    yield from _runs(runs, is_outside(inspected, runs), "{range} is not in RAM")
