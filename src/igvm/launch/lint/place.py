"""Where in the guest's address space things go: RAM, holes, devices and edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Place
from igvm.launch.kvm import VMSA_GPA
from igvm.launch.lint.facts import crosses, touches
from igvm.launch.lint.loader import CH_IGVM, CH_KVM, CH_MSHV, IGVM_RUN, QEMU, TCG
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

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


def is_outside(facts: LoaderFacts, runs: Rows) -> NDArray[np.bool_]:
    """Which runs are not in the memory that Cloud Hypervisor has when it loads a file.

    On KVM it reserves memory for firmware and for KVM's VMSA first (vmm/src/vm.rs).
    """
    import numpy as np

    first, pages = runs["first"], runs["pages"]
    on_kvm = facts.loader.name == CH_KVM
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


@loader_rule(
    "mmio",
    QEMU,
    ERROR,
    "{who} ends where pages lie over a device, due to a non-RAM region",
    IGVM_RUN,
)
def mmio(facts: LoaderFacts) -> Found:
    """The IOAPIC is at 0xfec00000 and the LAPIC at 0xfee00000 on every machine but isapc."""
    runs = facts.memory
    for name, (start, end) in (("IOAPIC", IOAPIC), ("LAPIC", LAPIC)):
        yield from _runs(runs, touches(runs, start, end), f"{{range}} covers the {name}")


@loader_rule(
    "vga-hole",
    QEMU,
    WARNING,
    "{who} ends where pages lie over a VGA adapter; with -vga none and on microvm this is RAM",
    IGVM_RUN,
)
def vga_hole(facts: LoaderFacts) -> Found:
    """Machines have a VGA adapter unless they are told not to. Stay out of 0xa0000 to 0xbffff."""
    runs = facts.memory
    yield from _runs(runs, touches(runs, *VGA), "{range} reaches into the VGA hole")


@loader_rule(
    "shadow-lost",
    TCG,
    WARNING,
    "{who} silently loses 0xc0000 to 0xdffff at the first boot of q35; after a reset it is there",
    IGVM_RUN,
)
def shadow_lost(facts: LoaderFacts) -> Found:
    """The guest reads zeroes. Other machines (pc, microvm) keep the pages."""
    runs = facts.memory
    yield from _runs(runs, touches(runs, *SHADOW), "{range} reaches into 0xc0000 to 0xdffff")


@loader_rule(
    "ram-edge",
    QEMU,
    NOTE,
    "{who} ends where a run of pages, an insert or required memory is not inside one piece of RAM",
    IGVM_RUN,
)
def ram_edge(facts: LoaderFacts) -> Found:
    """Where RAM ends below 4 GiB depends on -m and the machine, so it cannot be known here.

    A header of another kind between two pages makes two runs of them.
    """
    runs = facts.memory
    for edge in EDGES:
        yield from _runs(runs, crosses(runs, edge), f"{{range}} goes across {edge:#x}")


@loader_rule(
    "new-region",
    QEMU,
    NOTE,
    "{who} makes new memory where there is no RAM, which the memory map does not have",
    IGVM_RUN,
)
def new_region(facts: LoaderFacts) -> Found:
    """Firmware below 4 GiB is loaded so. The guest must know of it by itself."""
    runs = facts.memory
    above = touches(runs, 3 * GIB, 4 * GIB)
    for start, end in (IOAPIC, LAPIC):
        above &= ~touches(runs, start, end)
    yield from _runs(runs, above, "{range} is in the hole below 4 GiB")


@loader_rule(
    "outside-ram",
    CH_KVM,
    ERROR,
    "{who} on KVM loads into RAM only, which is below 3 GiB, above 4 GiB, and 4 MiB for firmware "
    "just below 4 GiB",
    f"{CH_IGVM}; vmm/src/vm.rs",
)
@loader_rule(
    "outside-ram",
    CH_MSHV,
    ERROR,
    "{who} on MSHV loads into RAM only, which is below 3 GiB and above 4 GiB",
    f"{CH_IGVM}; arch/src/x86_64/layout.rs",
)
def outside_ram(facts: LoaderFacts) -> Found:
    """Firmware at the top of the first 4 GiB is loaded on KVM, where it has at most 4 MiB.

    Link other things to an address in RAM, and firmware for MSHV too.
    """
    runs = facts.memory
    yield from _runs(runs, is_outside(facts, runs), "{range} is not in RAM")
