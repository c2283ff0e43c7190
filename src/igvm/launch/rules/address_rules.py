"""Where in the guest's address space things go, for loaders that have RAM and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Place
from igvm.launch.kvm.vmsa_rewriting import VMSA_GPA
from igvm.launch.lint.inspected_launch import touches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

    Rows = NDArray[np.void]

GIB = 1 << 30

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


def outside_ram(inspected: InspectedLaunch) -> Found:
    """Firmware at the top of the first 4 GiB is loaded on KVM, where it has at most 4 MiB.

    Link other things to an address in RAM, and firmware for MSHV too.
    """
    runs = inspected.memory
    yield from _runs(runs, is_outside(inspected, runs), "{range} is not in RAM")
