"""One file a technology that breaks no rule, as named headers, and a way to change one thing."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Self

import igvm
from igvm.wire.record import Record
from tests.small_files import raw
from tests.small_files.contents import PAGE, REC, RESET_VMSA, header_of, padded

if TYPE_CHECKING:
    from collections.abc import Mapping

AnyHeader = Record | bytes
"""A header by its record, or as it lies in the file."""

_NAMES: list[str] = []
"""The pieces of data that a file_offset was made for; a name's place here is its number."""


def at(name: str, delta: int = 0) -> int:
    """A file_offset that becomes the place of the piece of data `name`, `delta` bytes on."""
    if name not in _NAMES:
        _NAMES.append(name)
    return raw.at(_NAMES.index(name)) + delta


def packed(header: AnyHeader) -> bytes:
    """The bytes of a header."""
    return header if isinstance(header, bytes) else header_of(header)


def optional(header: AnyHeader) -> bytes:
    """A header with the optional bit."""
    (kind,) = struct.unpack_from("<I", packed(header))
    return struct.pack("<I", kind | 1 << 31) + packed(header)[4:]


class NamedFile:
    """A file as named headers and named pieces of data, in order."""

    def __init__(
        self, headers: Mapping[str, AnyHeader], pieces: Mapping[str, bytes], **fixed: Any
    ) -> None:
        self.headers = dict(headers)
        self.pieces = dict(pieces)
        self.fixed = fixed

    def but(self, **changes: AnyHeader | dict[str, Any] | None) -> Self:
        """This file with headers changed, dropped (None) or, under a new name, appended.

        A dict has the fields of a record that change.
        """
        headers: dict[str, AnyHeader] = dict(self.headers)
        for name, change in changes.items():
            if change is None:
                del headers[name]
            elif isinstance(change, dict):
                record = headers[name]
                assert isinstance(record, Record)
                headers[name] = record.replace(**change)
            else:
                headers[name] = change
        return type(self)(headers, self.pieces, **self.fixed)

    def first(self, **headers: AnyHeader) -> Self:
        """This file with more headers at the front."""
        return type(self)(headers | self.headers, self.pieces, **self.fixed)

    def after(self, name: str, **more: AnyHeader) -> Self:
        """This file with more headers behind the one called `name`."""
        headers: dict[str, AnyHeader] = {}
        for key, header in self.headers.items():
            headers[key] = header
            if key == name:
                headers |= more
        return type(self)(headers, self.pieces, **self.fixed)

    def data(self, **pieces: bytes) -> Self:
        """This file with pieces of data changed or appended."""
        return type(self)(self.headers, self.pieces | pieces, **self.fixed)

    def only(self, *names: str) -> Self:
        """This file with the headers called `names` alone."""
        headers = {name: self.headers[name] for name in names}
        return type(self)(headers, self.pieces, **self.fixed)

    def with_fixed(self, **fixed: Any) -> Self:
        """This file with its fixed header changed, see raw.RawFile."""
        return type(self)(self.headers, self.pieces, **self.fixed | fixed)

    def index(self, name: str) -> int:
        """Position of the header called `name`."""
        return list(self.headers).index(name)

    def offset(self, name: str) -> int:
        """Byte offset of the header called `name` in the file."""
        before = list(self.headers.values())[: self.index(name)]
        return raw.RawFile(b"".join(map(packed, before)), **self.fixed).data_start

    def place(self, name: str) -> int:
        """Byte offset of the piece of data called `name` in the file."""
        before = list(self.pieces)[: list(self.pieces).index(name)]
        return self._unsettled().data_start + sum(len(self.pieces[key]) for key in before)

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        places = {_NAMES.index(name): self.place(name) for name in self.pieces if name in _NAMES}
        drawn = self._unsettled()
        return drawn._replace(headers=raw.settled(drawn.headers, places)).to_bytes()

    def parsed(self) -> igvm.IgvmFile:
        """The file, read."""
        return igvm.parse(self.to_bytes())

    def _unsettled(self) -> raw.RawFile:
        """The file, whose headers do not refer to data yet."""
        headers = b"".join(map(packed, self.headers.values()))
        return raw.RawFile(headers, b"".join(self.pieces.values()), **self.fixed)


X64 = igvm.HvX64Register
_P384 = bytes(range(1, 49)) + bytes(24)
SIGNATURE = igvm.SNPSignature(r_comp=_P384, s_comp=_P384)
KEY = igvm.SNPPublicKey(curve=2, qx=_P384, qy=_P384)
_DOCUMENT = b"\xd9\x01\xf5\xa1\x00\x62id"
_COSE = b"\xd2\x84\x40\xa0\xf6\x42\x00\x00"
NATIVE_CONTEXT = igvm.NativeContextX64(rip=0x1000, code_attributes=0xA09B, data_attributes=0xC093)
CS = igvm.HvSegmentRegister(limit=0xFFFFFFFF, selector=8, attributes=0xA09B).pack()
REGISTERS = ((X64.RIP, 0x300000), (X64.CR3, 0x801000), (X64.CS, CS))
"""What VTL 2 of a VBS guest starts with."""


SNP_GUEST = NamedFile(
    {
        "platform": igvm.SupportedPlatform(
            compatibility_mask=1, highest_vtl=2, platform_type=igvm.PlatformType.SEV_SNP
        ),
        "policy": igvm.GuestPolicy(policy=0x30000, compatibility_mask=1),
        "document": igvm.CorimDocument(
            compatibility_mask=1, file_offset=at("document"), size_bytes=8
        ),
        "signature": igvm.CorimSignature(
            compatibility_mask=1, file_offset=at("signature"), size_bytes=8
        ),
        "text": raw.header(0x80000107, b"1.2.3"),
        "area": igvm.ParameterArea(
            number_of_bytes=0x2000, parameter_area_index=7, file_offset=at("area")
        ),
        "vp_count": igvm.VPCount(parameter_area_index=7),
        "memory_map": igvm.MemoryMap(parameter_area_index=7, byte_offset=8),
        "insert": igvm.ParameterInsert(gpa=0x10000, compatibility_mask=1, parameter_area_index=7),
        "page": igvm.PageData(gpa=0x1000, compatibility_mask=1, file_offset=at("page")),
        "zero": igvm.PageData(gpa=0x2000, compatibility_mask=1),
        "secrets": igvm.PageData(
            gpa=0x3000, compatibility_mask=1, data_type=igvm.PageDataType.SECRETS
        ),
        "cpuid": igvm.PageData(
            gpa=0x4000, compatibility_mask=1, data_type=igvm.PageDataType.CPUID_DATA
        ),
        "shared": igvm.PageData(gpa=0x5000, compatibility_mask=1, flags=igvm.PageDataFlags.SHARED),
        "large": igvm.PageData(
            gpa=0x200000, compatibility_mask=1, flags=igvm.PageDataFlags.IS_2MB_PAGE
        ),
        "required": igvm.RequiredMemory(
            gpa=0,
            compatibility_mask=1,
            number_of_bytes=0x100000,
            flags=igvm.RequiredMemoryFlags.VTL2_PROTECTABLE,
        ),
        "context": igvm.VPContext(gpa=0xFFFFFFFFF000, compatibility_mask=1, file_offset=at("vmsa")),
        "id_block": igvm.SNPIDBlock(
            compatibility_mask=1,
            ld=bytes(range(48)),
            id_key_algorithm=1,
            id_key_signature=SIGNATURE,
            id_public_key=KEY,
        ),
    },
    {
        "document": _DOCUMENT,
        "signature": _COSE,
        "area": PAGE + PAGE,
        "page": PAGE,
        "vmsa": RESET_VMSA.pack(),
    },
)
"""An SNP guest with all that an SNP guest may have."""

VBS_GUEST = NamedFile(
    {
        "platform": igvm.SupportedPlatform(
            compatibility_mask=1, highest_vtl=2, platform_type=igvm.PlatformType.VSM_ISOLATION
        ),
        "region": igvm.RelocatableRegion(
            compatibility_mask=1,
            vtl=2,
            flags=igvm.RelocatableRegionFlags(7),
            relocation_alignment=0x200000,
            relocation_region_gpa=0x200000,
            relocation_region_size=0x200000,
            minimum_relocation_gpa=0,
            maximum_relocation_gpa=0x40000000,
        ),
        "tables": igvm.PageTableRelocation(
            compatibility_mask=1, vtl=2, gpa=0x801000, size=0x4000, used_size=0x2000
        ),
        "area": igvm.ParameterArea(number_of_bytes=0x1000, parameter_area_index=0),
        "insert": igvm.ParameterInsert(gpa=0x10000, compatibility_mask=1, parameter_area_index=0),
        "page": igvm.PageData(gpa=0x300000, compatibility_mask=1, file_offset=at("page")),
        "table": igvm.PageData(gpa=0x801000, compatibility_mask=1, file_offset=at("page")),
        "errors": igvm.ErrorRange(gpa=0x900000, compatibility_mask=1, size_bytes=0x1000),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("vbs")),
        "measurement": igvm.VBSMeasurement(
            compatibility_mask=1,
            boot_digest_algo=1,
            signing_algo=1,
            boot_measurement_digest=bytes(range(32)) + bytes(32),
        ),
    },
    {"page": PAGE, "vbs": raw.register_list(*REGISTERS, vtl=2)},
)
"""A VBS guest with a paravisor that can be moved."""

NATIVE_GUEST = NamedFile(
    {
        "native": igvm.SupportedPlatform(
            compatibility_mask=1, platform_type=igvm.PlatformType.NATIVE
        ),
        "tdx": igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.TDX),
        "policy": igvm.GuestPolicy(policy=2, compatibility_mask=2),
        "page": igvm.PageData(gpa=0x1000, compatibility_mask=3, file_offset=at("page")),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("native")),
    },
    {"page": PAGE, "native": padded(NATIVE_CONTEXT.pack())},
    version=2,
)
"""A guest without isolation or with TDX."""

REALM = NamedFile(
    {
        "platform": igvm.SupportedPlatform(
            compatibility_mask=1, platform_type=igvm.PlatformType.CCA
        ),
        "policy": igvm.CCAPolicy(compatibility_mask=1, attributes_required_zeroes=1),
        "page": igvm.PageData(gpa=0x8000, compatibility_mask=1, file_offset=at("page")),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("cca")),
    },
    {"page": PAGE, "cca": padded(REC.pack())},
    version=2,
    architecture=1,
)
"""A Realm."""

SOUND = {"snp": SNP_GUEST, "vbs": VBS_GUEST, "native": NATIVE_GUEST, "cca": REALM}
