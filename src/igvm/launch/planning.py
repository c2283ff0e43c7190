"""`igvm.plan`: what one loader does with one platform of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.draft import draft
from igvm.launch.profiles import profile_of
from igvm.launch.profiles.profile import Request
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile
    from igvm.launch.hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan


def plan(
    file: IgvmFile,
    platform: PlatformType,
    *,
    profile: str = "reference",
    vcpus: int | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
) -> LaunchPlan:
    """The operations that loader `profile` does for `platform` of `file`, in its order.

    Args:
        file: an open file.
        platform: one that the file is for.
        profile: a name in `igvm.profiles()`.
        vcpus: how many vCPUs the guest gets, where the loader measures each.
        cpu: their processor, a model of QEMU such as `EPYC-Milan` or a CPU signature, where a
            vCPU has no context in the file.
        sev_features: SEV_FEATURES that KVM runs the guest with, where not those of the file.
        hashes: of kernel, initrd and command line, where the loader measures them.

    Raises:
        ValidationError: the file is not for `platform`.
        MeasurementError: there is no such profile, it does not load the platform or refuses the
            file, or it needs something that was not given: nothing is guessed.
    """
    chosen = profile_of(profile)
    request = Request(vcpus, cpu, sev_features, hashes)
    asked = draft(file, PlatformType(platform), every_vmsa=chosen.every_vmsa)
    return chosen.plan(asked, request)
