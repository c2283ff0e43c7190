"""Loaders: one small transformation each, from what a file asks to what a loader does."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.launch.loaders.loader import Loader

_HOME = {
    "reference": "reference.REFERENCE",
    "igvmmeasure": "igvmmeasure.IGVMMEASURE",
    "igvmmeasure-native-zero": "igvmmeasure.NATIVE_ZERO",
    "qemu-kvm": "qemu.QEMU_KVM",
    "cloud-hypervisor-kvm": "cloud_hypervisor.KVM",
    "cloud-hypervisor-mshv": "cloud_hypervisor.MSHV",
    "openvmm": "openvmm.KVM",
    "td-shim": "td_shim.TD_SHIM",
}
"""Module and attribute of every loader, in the order in which tables list them."""

NAMES = tuple(_HOME)
"""The names of all loaders; none is loaded for them."""


def loaders() -> Mapping[str, Loader]:
    """Every loader by name, in the order in which tables list them."""
    return {name: loader_of(name) for name in NAMES}


def loader_of(name: str) -> Loader:
    """The loader called `name`.

    Raises:
        MeasurementError: there is none.
    """
    if name not in _HOME:
        hint = f"there are {', '.join(NAMES)}"
        raise MeasurementError(f"there is no loader {name!r}", hint=hint)
    module, _, attribute = _HOME[name].partition(".")
    found: Loader = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return found
