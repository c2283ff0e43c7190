"""Loader profiles: one small transformation each, from what a file asks to what a loader does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.launch.profiles.profile import Profile


def profiles() -> Mapping[str, Profile]:
    """Every profile by name, in the order in which tables list them."""
    from igvm.launch.profiles import (
        cloud_hypervisor,
        igvmmeasure,
        openvmm,
        qemu,
        reference,
        td_shim,
    )

    found = (
        reference.REFERENCE,
        igvmmeasure.IGVMMEASURE,
        igvmmeasure.NATIVE_ZERO,
        qemu.QEMU_KVM,
        cloud_hypervisor.KVM,
        cloud_hypervisor.MSHV,
        openvmm.KVM,
        td_shim.TD_SHIM,
    )
    return {profile.name: profile for profile in found}
