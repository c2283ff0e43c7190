"""Structures of AMD SEV-SNP that the format carries: keys, CPUID page, secrets page."""

from __future__ import annotations

from igvm.wire.record import Record, array, field, octets, u8, u32, u64


class SNPSignature(Record):
    """IGVM_VHS_SNP_ID_BLOCK_SIGNATURE: ECDSA, little-endian, zero-extended to 72 bytes."""

    r_comp: octets = field(size=72, default=bytes(72))
    """R of the signature."""
    s_comp: octets = field(size=72, default=bytes(72))
    """S of the signature."""


class SNPPublicKey(Record):
    """IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY: an ECDSA key, little-endian, zero-extended to 72 bytes."""

    curve: u32 = field(default=0)
    """2 for P-384; 0 where there is no key."""
    reserved: u32 = field(default=0)
    """Must be zero."""
    qx: octets = field(size=72, default=bytes(72))
    """X of the point."""
    qy: octets = field(size=72, default=bytes(72))
    """Y of the point."""


MOST_LEAVES = 64
"""Leaves that a CPUID page has room for (COUNT_MAX of the SNP firmware ABI)."""

INDEXED_BY_XSAVE = 0xD
"""The leaf whose answers depend on XCR0 and XSS."""


class CPUIDEntry(Record):
    """One CPUID leaf of the CPUID page (SNP firmware ABI, CPUID_FUNCTION)."""

    eax_in: u32 = field(default=0)
    """The leaf."""
    ecx_in: u32 = field(default=0)
    """The subleaf."""
    xcr0_in: u64 = field(default=0)
    """XCR0 that the answer is for (leaf 0xD)."""
    xss_in: u64 = field(default=0)
    """XSS that the answer is for (leaf 0xD)."""
    eax: u32 = field(default=0)
    """EAX of the answer."""
    ebx: u32 = field(default=0)
    """EBX of the answer."""
    ecx: u32 = field(default=0)
    """ECX of the answer."""
    edx: u32 = field(default=0)
    """EDX of the answer."""
    reserved: u64 = field(default=0)
    """Must be zero."""


class CPUIDPage(Record):
    """The page of a CPUID_DATA or CPUID_XF PAGE_DATA: 64 leaves at most (SNP firmware ABI)."""

    count: u32
    """Leaves in use. At most 64."""
    reserved: octets = field(size=12, default=bytes(12))
    """Must be zero."""
    entries: array[CPUIDEntry] = field(count=MOST_LEAVES)
    """The leaves; those past count are zero."""
    reserved2: octets = field(size=1008, default=bytes(1008))
    """Must be zero."""


class SecretsPage(Record):
    """The page that SNP firmware fills for a SECRETS PAGE_DATA.

    Source: SNP firmware ABI, secrets page; the SVSM fields as Linux has them (snp_secrets_page).
    """

    version: u32 = field(default=0)
    """Version of the page's layout."""
    imi_en: u32 = field(default=0)
    """Bit 0: the guest was launched with an initial migration image."""
    fms: u32 = field(default=0)
    """Family, model and stepping of the processor."""
    reserved: u32 = field(default=0)
    """Must be zero."""
    gosvw: octets = field(size=16, default=bytes(16))
    """OS visible workarounds."""
    vmpck0: octets = field(size=32, default=bytes(32))
    """Key that VMPL0 and the firmware share."""
    vmpck1: octets = field(size=32, default=bytes(32))
    """Key that VMPL1 and the firmware share."""
    vmpck2: octets = field(size=32, default=bytes(32))
    """Key that VMPL2 and the firmware share."""
    vmpck3: octets = field(size=32, default=bytes(32))
    """Key that VMPL3 and the firmware share."""
    guest_reserved: octets = field(size=96, default=bytes(96))
    """For the guest's own use."""
    vmsa_tweak_bitmap: octets = field(size=64, default=bytes(64))
    """Which bytes of a VMSA are protected by VMSA register protection."""
    svsm_base: u64 = field(default=0)
    """Where an SVSM lies, filled in by the SVSM for the guest below it."""
    svsm_size: u64 = field(default=0)
    """Bytes of that SVSM."""
    svsm_caa: u64 = field(default=0)
    """Where the calling area of the first VP lies."""
    svsm_max_version: u32 = field(default=0)
    """The highest SVSM protocol version."""
    svsm_guest_vmpl: u8 = field(default=0)
    """The VMPL the guest runs at."""
    reserved3: octets = field(size=3, default=bytes(3))
    """Must be zero."""
    tsc_factor: u32 = field(default=0)
    """Scale of the guest's TSC with Secure TSC."""
    reserved2: octets = field(size=3740, default=bytes(3740))
    """Must be zero."""
