"""Platform headers: who a file is for."""

from __future__ import annotations

from igvm.spec.enums import PLATFORM_VERSION, PlatformType
from igvm.wire.record import Record, enum8, field, u8, u16, u32, u64


class SupportedPlatform(Record):
    """IGVM_VHS_SUPPORTED_PLATFORM: one platform, and the mask bit that stands for it."""

    compatibility_mask: u32
    """The bit that later headers set to be loaded for this platform. Exactly one bit."""
    highest_vtl: u8 = field(default=0)
    """The highest VTL activated for the guest. 0 or 2; zero where there is only one."""
    platform_type: enum8[PlatformType]
    """The isolation technology."""
    platform_version: u16 = field(default=PLATFORM_VERSION)
    """The version of the platform; 1."""
    shared_gpa_boundary: u64 = field(default=0)
    """Memory from this gpa up is host visible; zero means not used. Zero on NATIVE and VBS."""
