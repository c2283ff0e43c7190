"""What a launch depends on besides the file, as it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.kvm.vmm import VMM

    _KernelHashes = KernelHashes
    _VMM = VMM
else:
    _KernelHashes = _VMM = Any  # loaded by those who have some


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is made for, in one object that is passed on whole."""

    vcpus: int | None = None
    """How many vCPUs the guest gets, where the loader measures each."""
    cpu: str | int | None = None
    """Their processor: a model of QEMU such as `EPYC-Milan`, or a CPU signature (CPUID leaf 1)."""
    sev_features: int | None = None
    """SEV_FEATURES that KVM runs the guest with, where not those of the file."""
    hashes: _KernelHashes | None = None
    """Hashes of kernel, initrd and command line, where the loader measures them."""
    firmware_digest: bytes | None = None
    """The SEV-SNP launch digest after the firmware's pages, in their place."""
    host: Mapping[str, str] = {}
    """What a host does otherwise than its loader: values of axes by their names."""
    vmm: _VMM | None = None
    """Who hands contexts to KVM, where `host` names another than the loader's; see planning."""
