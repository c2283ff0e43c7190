"""`igvm.plan`: what one loader does with one platform of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.draft import draft
from igvm.launch.loaders import loader_of
from igvm.launch.loaders.loader import Request
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile
    from igvm.launch.hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan


def plan(
    file: IgvmFile,
    platform: PlatformType,
    *,
    loader: str = "reference",
    vcpus: int | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
) -> LaunchPlan:
    """The operations that loader `loader` does for `platform` of `file`, in its order.

    Args:
        file: an open file.
        platform: one that the file is for.
        loader: a name in `igvm.loaders()`.
        vcpus: how many vCPUs the guest gets, where the loader measures each.
        cpu: their processor, a model of QEMU such as `EPYC-Milan` or a CPU signature, where a
            vCPU has no context in the file.
        sev_features: SEV_FEATURES that KVM runs the guest with, where not those of the file.
        hashes: of kernel, initrd and command line, where the loader measures them.

    Raises:
        ValidationError: the file is not for `platform`.
        MeasurementError: there is no such loader, it does not load the platform or refuses the
            file, or it needs something that was not given: nothing is guessed.
    """
    chosen = loader_of(loader)
    request = Request(vcpus, cpu, sev_features, hashes)
    asked = draft(file, PlatformType(platform), every_vmsa=chosen.every_vmsa)
    return chosen.plan(asked, request)
