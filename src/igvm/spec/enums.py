"""Enums and flags of the format, as igvm_defs 0.5.0 has them; unknown values survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.wire.openenum import OpenEnum, OpenFlags

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONAL_BIT = 1 << 31
"""IGVM_VHT_OPTIONAL_BIT: a loader that does not know this header may skip it."""

PAGE_SIZE_4K = 4096
PAGE_SIZE_2M = 2 * 1024 * 1024


class Architecture(OpenEnum):
    """IgvmArchitecture: the processor a file is for. Version 1 files are X64."""

    X64 = 0
    AARCH64 = 1


class Section(OpenEnum):
    """The three parts of the variable headers, in file order, and what fits none of them."""

    PLATFORM = 0
    INITIALIZATION = 1
    DIRECTIVE = 2
    UNKNOWN = 3
    """A type outside of the three ranges."""


SECTION_RANGES: Mapping[Section, range] = {
    Section.PLATFORM: range(0x1, 0x101),
    Section.INITIALIZATION: range(0x101, 0x201),
    Section.DIRECTIVE: range(0x301, 0x401),
}
"""Header types of each section: IGVM_VHT_RANGE_PLATFORM, _INIT and _DIRECTIVE, in file order."""

PAST_TYPES = max(types.stop for types in SECTION_RANGES.values())
"""One more than the highest type of any section."""


class HeaderType(OpenEnum):
    """IgvmVariableHeaderType: what a variable header holds; the optional bit is not part of it."""

    INVALID = 0x0
    SUPPORTED_PLATFORM = 0x1
    GUEST_POLICY = 0x101
    RELOCATABLE_REGION = 0x102
    PAGE_TABLE_RELOCATION_REGION = 0x103
    CORIM_DOCUMENT = 0x104
    CORIM_SIGNATURE = 0x105
    CCA_POLICY = 0x106
    VERSION_STRING = 0x107
    PARAMETER_AREA = 0x301
    PAGE_DATA = 0x302
    PARAMETER_INSERT = 0x303
    VP_CONTEXT = 0x304
    REQUIRED_MEMORY = 0x305
    RESERVED_DO_NOT_USE = 0x306
    VP_COUNT_PARAMETER = 0x307
    SRAT = 0x308
    MADT = 0x309
    MMIO_RANGES = 0x30A
    SNP_ID_BLOCK = 0x30B
    MEMORY_MAP = 0x30C
    ERROR_RANGE = 0x30D
    COMMAND_LINE = 0x30E
    SLIT = 0x30F
    PPTT = 0x310
    VBS_MEASUREMENT = 0x311
    DEVICE_TREE = 0x312
    ENVIRONMENT_INFO_PARAMETER = 0x313

    @property
    def section(self) -> Section:
        """The section whose range holds this type."""
        # A range compares with each of its numbers unless asked for a plain int.
        number = int(self)
        for section, types in SECTION_RANGES.items():
            if number in types:
                return section
        return Section.UNKNOWN


class PlatformType(OpenEnum):
    """IgvmPlatformType: the isolation a platform header is for."""

    NATIVE = 0
    """No isolation."""
    VSM_ISOLATION = 1
    """Hyper-V virtualization-based security (VBS)."""
    SEV_SNP = 2
    """AMD SEV-SNP."""
    TDX = 3
    """Intel TDX."""
    SEV = 4
    """AMD SEV."""
    SEV_ES = 5
    """AMD SEV-ES."""
    CCA = 6
    """Arm CCA."""


PLATFORM_VERSION = 1
"""IGVM_*_PLATFORM_VERSION: the only platform version there is, for every platform."""


class PageDataType(OpenEnum):
    """IgvmPageDataType: how a page is imported."""

    NORMAL = 0
    SECRETS = 1
    CPUID_DATA = 2
    CPUID_XF = 3


class PageDataFlags(OpenFlags):
    """IgvmPageDataFlags: the rest of the bits are reserved."""

    IS_2MB_PAGE = 1
    """The page is 2 MiB large, and so is the alignment of its gpa."""
    UNMEASURED = 2
    """The contents are not part of the launch measurement."""
    SHARED = 4
    """Imported as assigned but host visible; not measured."""


class RequiredMemoryFlags(OpenFlags):
    """RequiredMemoryFlags: the rest of the bits are reserved."""

    VTL2_PROTECTABLE = 1
    """VTL2 must be able to keep lower VTLs out of this memory."""


class RelocatableRegionFlags(OpenFlags):
    """IGVM_VHF_RELOCATABLE_REGION_*: what else moves with a region."""

    IS_VTL2 = 1
    """The region describes VTL2."""
    APPLY_PC = 2
    """The start address of the VP (RIP, PC) moves with the region; formerly APPLY_RIP."""
    APPLY_GDTR = 4
    """The GDTR of the VP moves with the region. X64 only."""


class EnvironmentInfoFlags(OpenFlags):
    """IgvmEnvironmentInfo: what a loader writes for an ENVIRONMENT_INFO_PARAMETER."""

    MEMORY_IS_SHARED = 1
    """Memory is not assigned to the guest (shared) by default."""


class MemoryMapEntryType(OpenEnum):
    """MemoryMapEntryType: the kind of memory of a memory map entry."""

    MEMORY = 0
    PLATFORM_RESERVED = 1
    PERSISTENT = 2
    VTL2_PROTECTABLE = 3
    SPECIFIC_PURPOSE = 4
    HIDDEN = 5


class CCAHashAlgorithm(OpenEnum):
    """CcaHashAlgorithm: RmmHashAlgorithm of the RMM specification."""

    SHA256 = 0
    SHA512 = 1
    SHA384 = 2


class CCALfaPolicy(OpenEnum):
    """CcaLfaPolicy: whether the firmware of the Realm's TCB may be updated while it runs."""

    LFA_DISALLOW = 0
    LFA_ALLOW = 1


class VBSDigestAlgorithm(OpenEnum):
    """VbsDigestAlgorithm."""

    INVALID = 0
    SHA256 = 1


class VBSSigningAlgorithm(OpenEnum):
    """VbsSigningAlgorithm."""

    INVALID = 0
    ECDSA_P384 = 1


DEVICE_TREE_IGVM_TYPE_PROPERTY = "microsoft,igvm-type"
"""Device tree property of a memory node: its MemoryMapEntryType, a u32."""

DEVICE_TREE_VTL_PROPERTY = "microsoft,vtl"
"""Device tree property of a VMBus root node: the VTL it is for, a u32."""
