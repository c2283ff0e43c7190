"""The registers of a VMSA that KVM refuses from whoever sets them, so that no guest starts.

What KVM takes is said once, in `igvm.launch.kvm.refusals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.refusals import kvm_refusals
from igvm.launch.rules.vmsa_rules import vmsas

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch


def mode(inspected: InspectedLaunch) -> Found:
    """Set EFER.LME and LMA, CR0.PG and CR4.PAE, or neither EFER.LMA nor the L bit of CS.

    QEMU sets EFER.LMA by itself, but other loaders do not. Where CR4.PAE is missing it drops CR0.
    """
    yield from _refused(inspected, "kvm-mode")


def cr0(inspected: InspectedLaunch) -> Found:
    """No processor does. Of QEMU, KVM gets the lower half of CR0 only."""
    yield from _refused(inspected, "kvm-cr0")


def xcr0(inspected: InspectedLaunch) -> Found:
    """Set it to 1, the value after a reset: what else there is depends on the host.

    AVX needs SSE, AVX-512 needs AVX, and AVX-512, MPX and AMX have all of their bits or none.
    """
    yield from _refused(inspected, "kvm-xcr0")


def pat(inspected: InspectedLaunch) -> Found:
    """Each byte is one memory type. After a reset the PAT is 0x0007040600070406."""
    yield from _refused(inspected, "kvm-pat")


def debug_registers(inspected: InspectedLaunch) -> Found:
    """A vCPU with breakpoints is not launched. Set DR7 to 0x400 and DR6 to 0xffff0ff0."""
    yield from _refused(inspected, "kvm-debug-registers")


def _refused(inspected: InspectedLaunch, rule: str) -> Found:
    """The contexts that KVM does not take, by the fields that `rule` blames."""
    contexts = vmsas(inspected)
    blamed: dict[str, NDArray[np.bool_]] = {}
    for refusal in kvm_refusals(contexts.registers, inspected.vmm):
        if refusal.rule == rule:
            earlier = blamed.get(refusal.field)
            blamed[refusal.field] = refusal.where if earlier is None else earlier | refusal.where
    for field, where in blamed.items():
        text = "cs is a 64 bit segment" if field == "cs" else f"{field} is {{value}}"
        yield from contexts.broken(where, field, text)
