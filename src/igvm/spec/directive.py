"""Directive headers: what a loader does, in order."""

from __future__ import annotations

from igvm.spec.enums import PageDataFlags, PageDataType, RequiredMemoryFlags
from igvm.spec.snp_structures import SNPPublicKey, SNPSignature
from igvm.wire.record import Record, enum16, field, flags32, nested, octets, u8, u16, u32, u64


class ParameterArea(Record):
    """IGVM_VHS_PARAMETER_AREA: memory that the loader fills with parameters."""

    number_of_bytes: u64
    """Bytes of the area. A multiple of the page size."""
    parameter_area_index: u32
    """The number that other headers call the area by. Each may be used once."""
    file_offset: u32 = field(default=0)
    """Where its first contents lie in the file, number_of_bytes long; zero for zeroes."""


class PageData(Record):
    """IGVM_VHS_PAGE_DATA: one page of initial guest memory."""

    gpa: u64
    """Where the page goes. A multiple of the page size, or of 2 MiB with IS_2MB_PAGE."""
    compatibility_mask: u32
    """Platforms that load this page."""
    file_offset: u32 = field(default=0)
    """Where its bytes lie in the file; zero for a page of zeroes."""
    flags: flags32[PageDataFlags] = field(default=PageDataFlags(0))
    """2 MB, unmeasured, shared; the other bits are reserved."""
    data_type: enum16[PageDataType] = field(default=PageDataType.NORMAL)
    """How the page is imported."""
    reserved: u16 = field(default=0)
    """Must be zero."""


class ParameterInsert(Record):
    """IGVM_VHS_PARAMETER_INSERT: a parameter area goes into guest memory, unmeasured."""

    gpa: u64
    """Where the area goes. A multiple of the page size."""
    compatibility_mask: u32
    """Platforms that load the area here."""
    parameter_area_index: u32
    """The area. Declared before, and not to be used after."""


class Parameter(Record):
    """IGVM_VHS_PARAMETER: the loader writes one parameter into an area."""

    parameter_area_index: u32
    """The area. Declared before and not inserted yet."""
    byte_offset: u32 = field(default=0)
    """Where in the area the parameter goes. It must fit, or the load fails."""


class VPCount(Parameter):
    """IGVM_VHT_VP_COUNT_PARAMETER: the number of virtual processors, a u32."""


class SRAT(Parameter):
    """IGVM_VHT_SRAT: the ACPI SRAT table."""


class MADT(Parameter):
    """IGVM_VHT_MADT: the ACPI MADT table."""


class MMIORanges(Parameter):
    """IGVM_VHT_MMIO_RANGES: an MMIORangesPayload."""


class MemoryMap(Parameter):
    """IGVM_VHT_MEMORY_MAP: MemoryMapEntry records, ascending, the last with zero pages."""


class CommandLine(Parameter):
    """IGVM_VHT_COMMAND_LINE: NUL-terminated ASCII."""


class SLIT(Parameter):
    """IGVM_VHT_SLIT: the ACPI SLIT table."""


class PPTT(Parameter):
    """IGVM_VHT_PPTT: the ACPI PPTT table."""


class DeviceTree(Parameter):
    """IGVM_VHT_DEVICE_TREE: a flattened device tree that describes the whole guest."""


class EnvironmentInfo(Parameter):
    """IGVM_VHT_ENVIRONMENT_INFO_PARAMETER: EnvironmentInfoFlags, a u32."""


class VPContext(Record):
    """IGVM_VHS_VP_CONTEXT: the first registers of a VP; 20 bytes and 4 of padding."""

    gpa: u64 = field(default=0)
    """Where the VMSA goes on SEV_ES and SEV_SNP, a multiple of 4 KiB; zero on other platforms."""
    compatibility_mask: u32
    """The platform, which decides the format of the data. Exactly one bit."""
    file_offset: u32
    """Where the registers lie in the file: a VMSA, VBS registers, or a native or CCA context."""
    vp_index: u16 = field(default=0)
    """The virtual processor."""
    reserved: u16 = field(default=0)
    """Must be zero."""


class RequiredMemory(Record):
    """IGVM_VHS_REQUIRED_MEMORY: memory without which the guest does not work."""

    gpa: u64
    """Where it starts. A multiple of the page size."""
    compatibility_mask: u32
    """Platforms that need it."""
    number_of_bytes: u32
    """Its bytes. A multiple of the page size."""
    flags: flags32[RequiredMemoryFlags] = field(default=RequiredMemoryFlags(0))
    """What the memory must be able to do; the other bits are reserved."""
    reserved: u32 = field(default=0)
    """Must be zero."""


class ErrorRange(Record):
    """IGVM_VHS_ERROR_RANGE: memory, shared with the host, for the guest to report errors in."""

    gpa: u64
    """Where it starts. A multiple of the page size."""
    compatibility_mask: u32
    """Platforms that have it."""
    size_bytes: u32
    """Its bytes. A multiple of the page size."""


class SNPIDBlock(Record):
    """IGVM_VHS_SNP_ID_BLOCK: who vouches for an SNP guest, and for which digest."""

    compatibility_mask: u32
    """Platforms this block is for; SEV_SNP."""
    author_key_enabled: u8 = field(default=0)
    """1 where an author key signs the ID key, else 0 and the author fields are zero."""
    reserved: octets = field(size=3, default=bytes(3))
    """Must be zero."""
    ld: octets = field(size=48)
    """The launch digest that the guest must have."""
    family_id: octets = field(size=16, default=bytes(16))
    """Chosen by the guest's owner."""
    image_id: octets = field(size=16, default=bytes(16))
    """Chosen by the guest's owner."""
    version: u32 = field(default=1)
    """Version of the ID block; 1."""
    guest_svn: u32 = field(default=0)
    """Security version of the guest."""
    id_key_algorithm: u32 = field(default=0)
    """1 for ECDSA P-384 with SHA-384."""
    author_key_algorithm: u32 = field(default=0)
    """1 for ECDSA P-384 with SHA-384, 0 without an author key."""
    id_key_signature: nested[SNPSignature] = field(default=SNPSignature())
    """Signature of the 96 byte ID block by the ID key."""
    id_public_key: nested[SNPPublicKey] = field(default=SNPPublicKey())
    """The ID key."""
    author_key_signature: nested[SNPSignature] = field(default=SNPSignature())
    """Signature of the ID key by the author key."""
    author_public_key: nested[SNPPublicKey] = field(default=SNPPublicKey())
    """The author key."""


class VBSMeasurement(Record):
    """IGVM_VHS_VBS_MEASUREMENT: who vouches for a VBS guest, and for which digest."""

    compatibility_mask: u32
    """Platforms this measurement is for; VSM_ISOLATION."""
    version: u32 = field(default=1)
    """Version of the signed structure; 1."""
    product_id: u32 = field(default=0)
    """Chosen by the guest's owner."""
    module_id: u32 = field(default=0)
    """Chosen by the guest's owner."""
    security_version: u32 = field(default=0)
    """Security version of the guest."""
    policy_flags: u32 = field(default=0)
    """Bit 0: the host may debug the guest."""
    boot_digest_algo: u32 = field(default=0)
    """VBSDigestAlgorithm of the digest."""
    signing_algo: u32 = field(default=0)
    """VBSSigningAlgorithm of the signature."""
    boot_measurement_digest: octets = field(size=64, default=bytes(64))
    """The boot digest, from the left, the rest zero."""
    signature: octets = field(size=256, default=bytes(256))
    """The signature, from the left, the rest zero."""
    public_key: octets = field(size=512, default=bytes(512))
    """The public key, from the left, the rest zero."""
