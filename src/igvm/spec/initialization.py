"""Initialization headers: what a platform must know before memory is loaded."""

from __future__ import annotations

import msgspec

from igvm.errors import FormatError
from igvm.spec.enums import CCAHashAlgorithm, CCALfaPolicy, RelocatableRegionFlags
from igvm.wire.record import Record, enum8, field, flags8, octets, u8, u16, u32, u64


class GuestPolicy(Record):
    """IGVM_VHS_GUEST_POLICY: the policy word of the platform's isolation technology."""

    policy: u64
    """SNPPolicy on SEV_SNP, TDXPolicy on TDX, the firmware's policy word on SEV and SEV_ES."""
    compatibility_mask: u32
    """Platforms this policy is for."""
    reserved: u32 = field(default=0)
    """Must be zero."""


class RelocatableRegion(Record):
    """IGVM_VHS_RELOCATABLE_REGION: memory that a loader may move as a whole. X64 only."""

    compatibility_mask: u32
    """Platforms this region is for."""
    vp_index: u16 = field(default=0)
    """The VP whose registers move with the region."""
    vtl: u8 = field(default=0)
    """The VTL whose registers move with the region. 0 to 2."""
    flags: flags8[RelocatableRegionFlags] = field(default=RelocatableRegionFlags(0))
    """Which registers move, and whether the region is VTL2's."""
    relocation_alignment: u64
    """The region moves by multiples of this. A multiple of 4 KiB."""
    relocation_region_gpa: u64
    """Where the region starts. A multiple of relocation_alignment."""
    relocation_region_size: u64
    """Bytes of the region. A multiple of 4 KiB."""
    minimum_relocation_gpa: u64
    """The lowest start. A multiple of relocation_alignment."""
    maximum_relocation_gpa: u64
    """The highest end. A multiple of relocation_alignment."""


class PageTableRelocation(Record):
    """IGVM_VHS_PAGE_TABLE_RELOCATION: where the page tables lie that a move must fix up."""

    compatibility_mask: u32
    """Platforms this region is for. One such header a platform."""
    vp_index: u16 = field(default=0)
    """The VP whose paging registers (CR3, CR4, EFER; TCR, TTBR0) describe the tables."""
    vtl: u8 = field(default=0)
    """The VTL of that VP. 0 to 2."""
    reserved: u8 = field(default=0)
    """Must be zero."""
    gpa: u64
    """Where the region starts. A multiple of 4 KiB; it holds the root table."""
    size: u64
    """Bytes of the region. A multiple of 4 KiB; no parameter area is inserted into it."""
    used_size: u64
    """Bytes in use; the rest is free for new tables. A multiple of 4 KiB, at most size."""


class CorimDocument(Record):
    """IGVM_VHS_CORIM_DATA of IGVM_VHT_CORIM_DOCUMENT: a CBOR CoRIM. At most one a platform."""

    compatibility_mask: u32
    """Platforms this document is for."""
    file_offset: u32
    """Where the document lies in the file; zero for an empty one."""
    size_bytes: u32
    """Bytes of the document."""
    reserved: u32 = field(default=0)
    """Must be zero."""


class CorimSignature(Record):
    """IGVM_VHS_CORIM_DATA of IGVM_VHT_CORIM_SIGNATURE: a COSE_Sign1 over the document before it."""

    compatibility_mask: u32
    """Platforms this signature is for. At most one a platform, after its CORIM_DOCUMENT."""
    file_offset: u32
    """Where the signature lies in the file; zero for an empty one."""
    size_bytes: u32
    """Bytes of the signature."""
    reserved: u32 = field(default=0)
    """Must be zero."""


class CCAPolicy(Record):
    """IGVM_VHS_CCA_POLICY: what a Realm must be. AArch64 only, for CCA platforms only."""

    compatibility_mask: u32
    """Platforms this policy is for."""
    reserved: u32 = field(default=0)
    """Must be zero."""
    attributes_required_zeroes: u64 = field(default=0)
    """CCAAttributes that must be clear. No bit may be in both words."""
    attributes_required_ones: u64 = field(default=0)
    """CCAAttributes that must be set. No bit may be in both words."""
    hash_algorithm: enum8[CCAHashAlgorithm] = field(default=CCAHashAlgorithm.SHA256)
    """The hash that measures the Realm."""
    lfa_policy: enum8[CCALfaPolicy] = field(default=CCALfaPolicy.LFA_DISALLOW)
    """Whether live firmware activation is allowed while the Realm runs."""
    reserved2: octets = field(size=6, default=bytes(6))
    """Must be zero."""


class VersionString(msgspec.Struct, frozen=True, gc=False):
    """IGVM_VHT_VERSION_STRING: a human-readable version of the file. At most one a file."""

    text: str
    """The header's body, as UTF-8. Its meaning is the file owner's."""

    @classmethod
    def parse(cls, body: bytes) -> VersionString:
        """The version string in a header's body.

        Raises:
            FormatError: it is not UTF-8.
        """
        try:
            return cls(body.decode("utf-8"))
        except UnicodeDecodeError as error:
            message = f"byte {error.start} of the text is not UTF-8"
            raise FormatError(message, header="VERSION_STRING", field="text") from None

    def pack(self) -> bytes:
        """The bytes of the header's body."""
        try:
            return self.text.encode("utf-8")
        except UnicodeEncodeError:
            message = "a lone surrogate cannot be written as UTF-8"
            raise FormatError(message, header="VERSION_STRING", field="text") from None
