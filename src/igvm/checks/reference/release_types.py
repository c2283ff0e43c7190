"""What each release of the crate knows of the format, typed out: it does not grow with `spec`.

Sources: `new_from_binary_split` of the three header enums in src/lib.rs of igvm 0.4.0 and 0.5.0,
and the structures of igvm_defs of the same releases. A header type that the format gains later is
not one that these releases read, so that nothing here is made from the registry of `spec`; its
records serve to decode bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from igvm.spec.directive import (
    MADT,
    PPTT,
    SLIT,
    SRAT,
    CommandLine,
    DeviceTree,
    EnvironmentInfo,
    ErrorRange,
    MemoryMap,
    MMIORanges,
    PageData,
    ParameterArea,
    ParameterInsert,
    RequiredMemory,
    SNPIDBlock,
    VBSMeasurement,
    VPContext,
    VPCount,
)
from igvm.spec.initialization import (
    CCAPolicy,
    CorimDocument,
    CorimSignature,
    GuestPolicy,
    PageTableRelocation,
    RelocatableRegion,
)
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from igvm.wire.record import Record

RELEASES = ("0.4", "0.5")
"""The releases of the reference crate that there are rules for."""

SECTIONS: Mapping[str, range] = {
    "Platform": range(0x1, 0x101),
    "Initialization": range(0x101, 0x201),
    "Directive": range(0x301, 0x401),
}
"""Header types of each section, by its name in the crate's errors: IGVM_VHT_RANGE_*."""


class CrateType(NamedTuple):
    """A header type that the crate reads."""

    number: int
    name: str
    """The C name without its prefix."""
    section: str
    """A key of SECTIONS."""
    length: int
    """Bytes of the structure: what the length field must say."""
    record: type[Record]
    """The structure, to decode it with."""
    is_parameter: bool = False
    """Whether the crate takes it for something that is written into a parameter area."""


_SINCE_0_4 = (
    CrateType(0x001, "SUPPORTED_PLATFORM", "Platform", 16, SupportedPlatform),
    CrateType(0x101, "GUEST_POLICY", "Initialization", 16, GuestPolicy),
    CrateType(0x102, "RELOCATABLE_REGION", "Initialization", 48, RelocatableRegion),
    CrateType(0x103, "PAGE_TABLE_RELOCATION_REGION", "Initialization", 32, PageTableRelocation),
    CrateType(0x301, "PARAMETER_AREA", "Directive", 16, ParameterArea),
    CrateType(0x302, "PAGE_DATA", "Directive", 24, PageData),
    CrateType(0x303, "PARAMETER_INSERT", "Directive", 16, ParameterInsert),
    CrateType(0x304, "VP_CONTEXT", "Directive", 20, VPContext),
    CrateType(0x305, "REQUIRED_MEMORY", "Directive", 24, RequiredMemory),
    CrateType(0x307, "VP_COUNT_PARAMETER", "Directive", 8, VPCount, is_parameter=True),
    CrateType(0x308, "SRAT", "Directive", 8, SRAT, is_parameter=True),
    CrateType(0x309, "MADT", "Directive", 8, MADT, is_parameter=True),
    CrateType(0x30A, "MMIO_RANGES", "Directive", 8, MMIORanges, is_parameter=True),
    CrateType(0x30B, "SNP_ID_BLOCK", "Directive", 696, SNPIDBlock),
    CrateType(0x30C, "MEMORY_MAP", "Directive", 8, MemoryMap, is_parameter=True),
    CrateType(0x30D, "ERROR_RANGE", "Directive", 16, ErrorRange),
    CrateType(0x30E, "COMMAND_LINE", "Directive", 8, CommandLine, is_parameter=True),
    CrateType(0x30F, "SLIT", "Directive", 8, SLIT, is_parameter=True),
    CrateType(0x310, "PPTT", "Directive", 8, PPTT, is_parameter=True),
    CrateType(0x311, "VBS_MEASUREMENT", "Directive", 864, VBSMeasurement),
    CrateType(0x312, "DEVICE_TREE", "Directive", 8, DeviceTree, is_parameter=True),
    CrateType(
        0x313, "ENVIRONMENT_INFO_PARAMETER", "Directive", 8, EnvironmentInfo, is_parameter=True
    ),
)
_SINCE_0_5 = (
    CrateType(0x104, "CORIM_DOCUMENT", "Initialization", 16, CorimDocument),
    CrateType(0x105, "CORIM_SIGNATURE", "Initialization", 16, CorimSignature),
    CrateType(0x106, "CCA_POLICY", "Initialization", 32, CCAPolicy),
)

HEADER_TYPES: Mapping[str, tuple[CrateType, ...]] = {
    "0.4": _SINCE_0_4,
    "0.5": (*_SINCE_0_4, *_SINCE_0_5),
}
"""The header types that each release reads."""

TYPE_OF_RECORD: Mapping[type[Record], CrateType] = {
    crate_type.record: crate_type for crate_type in (*_SINCE_0_4, *_SINCE_0_5)
}
"""The header type of each structure that any release reads."""

LAST_PLATFORM_TYPE: Mapping[str, int] = {"0.4": 5, "0.5": 6}
"""The highest IgvmPlatformType of each release: SEV_ES and CCA."""

FIXED_HEADER_SIZE: Mapping[int, int] = {1: 24, 2: 32}
"""Bytes of the fixed header of each format version."""

VP_CONTEXT_PADDING = 4
"""Bytes between a VP_CONTEXT and the next header; the crate wants them even at the end."""

VMSA_SIZE_0_4 = 0x670
"""Bytes of SevVmsa in 0.4.0, without the padding to 4 KiB that 0.5.0 gave it."""

NATIVE_CONTEXT_SIZE = 232
"""Bytes of IgvmNativeVpContextX64."""

CCA_CONTEXT_SIZE = 80
"""Bytes of IgvmVpContextAArch64Cca."""

VBS_HEAD_SIZE = 4
"""Bytes of VbsVpContextHeader: the count of registers."""

VBS_REGISTER_SIZE = 32
"""Bytes of VbsVpContextRegister."""
