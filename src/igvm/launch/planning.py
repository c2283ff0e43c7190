"""`igvm.plan`: what one loader does with one platform of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.argument_kinds import require_file
from igvm.launch.argument_kinds import require_request
from igvm.launch.loader_table import loader_of, loaders
from igvm.launch.request import PlanRequest

if TYPE_CHECKING:
    from igvm.file.platforms import PlatformLike
    from igvm.file.view import IgvmFile
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.plan import LaunchPlan


def plan(
    file: IgvmFile,
    platform: PlatformLike,
    *,
    loader: str = "reference",
    vcpus: int | None = None,
    cpu: str | int | None = None,
    sev_features: int | None = None,
    hashes: KernelHashes | None = None,
    firmware_digest: bytes | None = None,
) -> LaunchPlan:
    """All that a loader does for `platform` of `file`, in its order.

    What is not known (how many vCPUs, which processor) is in `missing` of the plan and keeps it
    from being measured, not from being made.

    Args:
        file: an open file.
        platform: one of the file's, its type, or its name such as `snp`.
        loader: a name in `igvm.loaders()`.
        vcpus: how many vCPUs the guest gets, where the loader measures each.
        cpu: their processor, a model of QEMU such as `EPYC-Milan` or a CPU signature, where a
            vCPU has no context in the file.
        sev_features: SEV_FEATURES that KVM runs the guest with, where not those of the file.
        hashes: of kernel, initrd and command line, where the loader measures them.
        firmware_digest: the SEV-SNP digest after the firmware's pages, 48 bytes, in their place,
            for a loader that is given firmware.

    Raises:
        ValidationError: the file is not for `platform`, there is no such platform, loader or
            processor, or the loader has no use for `hashes`.
        LoadError: the loader does not take the platform, or refuses the file.
    """
    request = PlanRequest(
        vcpus=vcpus,
        cpu=cpu,
        sev_features=sev_features,
        hashes=hashes,
        firmware_digest=firmware_digest,
    )
    return plan_for(file, platform, loader, request)


def plan_for(
    file: IgvmFile, platform: PlatformLike, loader: str, request: PlanRequest
) -> LaunchPlan:
    """The plan of `loader`, as `plan` makes it.

    Raises:
        ValidationError: as for `plan`.
        LoadError: as for `plan`.
    """
    chosen = require_file(file).platforms.find(platform)
    require_request(request)
    request = _with_vmm(request)
    return loader_of(loader).plan(file, chosen.type, chosen.mask, request).require_loadable()


def _with_vmm(request: PlanRequest) -> PlanRequest:
    """`request` with the VMM that its host names.

    Raises:
        ValidationError: there is none of that name.
    """
    if "vmm" not in request.host:
        return request
    from igvm.launch.kvm.clouds import CLOUDS
    from igvm.launch.kvm.vmsa_axes import NOBODY, VMM_AXIS

    name = VMM_AXIS.choice(request.host["vmm"]).value
    if name == NOBODY:
        return request
    known = [loader.vmm for loader in loaders().values() if loader.vmm is not None]
    vmms = {vmm.host_value: vmm for vmm in (*known, *CLOUDS)}
    return msgspec.structs.replace(request, vmm=vmms[name])
