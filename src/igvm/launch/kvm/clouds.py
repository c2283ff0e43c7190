"""VMMs of clouds, which load no IGVM file: how their VMSAs differ from QEMU's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.vmm import VMM
from igvm.launch.kvm.vmsa_rewriting import KVM_SIGNATURE, RESET_VECTOR, reset_vmsa

if TYPE_CHECKING:
    from igvm.spec.vmsa import SEVVMSA

_ACCESSED = 1
"""The bit of a segment's attributes that the processor sets when it loads it."""
_BUSY = 8
"""What a TSS of 32 bits has set and one of 16 bits has not."""
_GCE_PAT = 0x70106


def _ec2_vmsa(address: int, features: int) -> SEVVMSA:
    """A vCPU of Amazon EC2 that starts at `address` (sev-snp-measure 0.0.13, vmsa.py).

    As KVM resets it in SS and TR, and in CS where it starts at the reset vector; no FPU.
    """
    vmsa = _without_fpu(reset_vmsa(KVM_SIGNATURE, features, reset_eip=address))
    cs = vmsa.cs
    if address == RESET_VECTOR:
        cs = cs.replace(attrib=cs.attrib & ~_ACCESSED)
    return vmsa.replace(
        cs=cs,
        ss=vmsa.ss.replace(attrib=vmsa.ss.attrib & ~_ACCESSED),
        tr=vmsa.tr.replace(attrib=vmsa.tr.attrib & ~_BUSY),
    )


def _gce_vmsa(address: int, features: int) -> SEVVMSA:
    """A vCPU of Google Compute Engine (gce-tcb-verifier, sev/ld_from_ovmf.go: VmsaV1).

    PAT is the hypervisor's own, and there is no FPU.
    """
    vmsa = reset_vmsa(KVM_SIGNATURE, features, reset_eip=address)
    return _without_fpu(vmsa).replace(pat=_GCE_PAT)


def _without_fpu(vmsa: SEVVMSA) -> SEVVMSA:
    return vmsa.replace(mxcsr=0, x87_fcw=0)


EC2 = VMM(name="EC2", taken=frozenset(), own_reset=False, start=_ec2_vmsa)
GCE = VMM(name="GCE", taken=frozenset(), own_reset=False, start=_gce_vmsa)

CLOUDS = (EC2, GCE)
"""VMMs that no loader of IGVM files is."""
