"""The one table of isolation technologies that are measured: a module each, by platform."""

from __future__ import annotations

import functools
import importlib
import os
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.spec.isolation import VMSA, isolation_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.measurement.technology import Technology
    from igvm.spec.enums import PlatformType

_FOLDER = "igvm.measurement.technologies"


@functools.cache
def technologies() -> Mapping[PlatformType, Technology]:
    """Every technology by each of its platforms; a module of `technologies` is one.

    Raises:
        TypeError: two are for one platform.
    """
    package = importlib.import_module(_FOLDER)
    table: dict[PlatformType, Technology] = {}
    for folder in package.__path__:
        for entry in sorted(os.listdir(folder)):
            if entry.endswith(".py") and not entry.startswith("_"):
                module = importlib.import_module(f"{_FOLDER}.{entry.removesuffix('.py')}")
                technology: Technology = module.TECHNOLOGY
                for platform in technology.platforms:
                    if platform in table:
                        message = f"{platform.name} is measured by two modules of {_FOLDER}"
                        raise TypeError(message)
                    table[platform] = technology
    return table


def technology_of(platform: PlatformType) -> Technology:
    """How `platform` is measured.

    Raises:
        MeasurementError: it has no launch measurement.
    """
    technology = technologies().get(platform)
    if technology is None:
        raise MeasurementError(f"{platform.name} has no launch measurement")
    return technology


def has_vmsas(platform: PlatformType) -> bool:
    """Whether the measurement of `platform` covers VMSAs, which differ by processor and VMM."""
    technology = technologies().get(platform)
    has_some = technology is not None and technology.continuation is not None
    return has_some and isolation_of(platform).context is VMSA
