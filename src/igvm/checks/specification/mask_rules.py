"""Compatibility masks: which platforms headers are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import headers, rule

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

NOTE, WARNING = Severity.NOTE, Severity.WARNING


@rule(
    "mask-nobody",
    WARNING,
    "a compatibility_mask should name a platform of the file",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def mask_nobody(inspected: InspectedFile) -> Found:
    """A header for no platform of the file is never carried out.

    The reference crate drops headers whose mask is zero when it reads them, so that they are
    gone when it writes the file again. Give the header a platform, or leave it out.
    """
    import numpy as np

    index, masks = inspected.masks
    is_for_nobody = masks & np.uint32(inspected.declared_mask) == 0
    yield from headers(index, is_for_nobody, "compatibility_mask")


@rule(
    "mask-unknown-platform",
    NOTE,
    "a bit of a compatibility_mask that stands for no platform is ignored",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def mask_unknown_platform(inspected: InspectedFile) -> Found:
    """When files are merged, another platform may get the bit, and with it the header.

    igvmbuilder gives pages the bits of all platforms, those that it left out of the file as well.
    """
    import numpy as np

    index, masks = inspected.masks
    declared = np.uint32(inspected.declared_mask)
    has_stray_bit = (masks & ~declared != 0) & (masks & declared != 0)
    yield from headers(index, has_stray_bit, "compatibility_mask")
