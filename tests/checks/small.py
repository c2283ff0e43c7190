"""Small sound files, one a technology, and a way to change one thing in them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Self

import igvm
from igvm.spec.registry import TYPE_OF
from igvm.wire.record import Record
from tests import raw

if TYPE_CHECKING:
    from collections.abc import Mapping

Head = Record | bytes

_NAMES: list[str] = []
_MARK = 0xF0000000


def at(name: str, delta: int = 0) -> int:
    """A file_offset that becomes the place of the blob `name`, `delta` bytes on."""
    if name not in _NAMES:
        _NAMES.append(name)
    return _MARK | _NAMES.index(name) << 16 | delta


def raw_type(head: Head) -> bytes:
    """The bytes of a header."""
    return head if isinstance(head, bytes) else raw.header(TYPE_OF[type(head)], head.pack())


def optional(head: Head) -> bytes:
    """A header with the optional bit."""
    made = raw_type(head)
    return struct.pack("<I", int.from_bytes(made[:4], "little") | 1 << 31) + made[4:]


class Small:
    """A file as named headers and named pieces of data, in order."""

    def __init__(self, heads: Mapping[str, Head], blobs: Mapping[str, bytes], **fixed: Any) -> None:
        self.heads = dict(heads)
        self.blobs = dict(blobs)
        self.fixed = fixed

    def but(self, **changes: Head | dict[str, Any] | None) -> Self:
        """This file with headers changed, dropped (None) or, under a new name, appended.

        A dict has the fields of a record that change.
        """
        heads: dict[str, Head] = dict(self.heads)
        for name, change in changes.items():
            if change is None:
                del heads[name]
            elif isinstance(change, dict):
                record = heads[name]
                assert isinstance(record, Record)
                heads[name] = record.replace(**change)
            else:
                heads[name] = change
        return type(self)(heads, self.blobs, **self.fixed)

    def first(self, **heads: Head) -> Self:
        """This file with more headers at the front."""
        return type(self)(heads | self.heads, self.blobs, **self.fixed)

    def after(self, name: str, **heads: Head) -> Self:
        """This file with more headers behind the one called `name`."""
        made: dict[str, Head] = {}
        for key, head in self.heads.items():
            made[key] = head
            if key == name:
                made |= heads
        return type(self)(made, self.blobs, **self.fixed)

    def data(self, **blobs: bytes) -> Self:
        """This file with pieces of data changed or appended."""
        return type(self)(self.heads, self.blobs | blobs, **self.fixed)

    def only(self, *names: str) -> Self:
        """This file with the headers called `names` alone."""
        return type(self)({name: self.heads[name] for name in names}, self.blobs, **self.fixed)

    def with_fixed(self, **fixed: Any) -> Self:
        """This file with its fixed header changed, see tests.raw.Raw."""
        return type(self)(self.heads, self.blobs, **self.fixed | fixed)

    def index(self, name: str) -> int:
        """Position of the header called `name`."""
        return list(self.heads).index(name)

    def offset(self, name: str) -> int:
        """Byte offset of the header called `name` in the file."""
        sizes = [len(raw_type(head)) for head in self.heads.values()]
        start = 24 if self.fixed.get("version", 1) == 1 else 32
        return start + len(self.fixed.get("gap", b"")) + sum(sizes[: self.index(name)])

    def place(self, name: str) -> int:
        """Byte offset of the blob called `name` in the file."""
        last = next(reversed(self.heads))
        start = self.offset(last) + len(raw_type(self.heads[last]))
        return start + sum(len(self.blobs[key]) for key in self.names_before(name))

    def names_before(self, name: str) -> list[str]:
        """The blobs before the one called `name`."""
        names = list(self.blobs)
        return names[: names.index(name)]

    def file(self) -> bytes:
        """The bytes of the file."""
        heads = b"".join(raw_type(self._settle(head)) for head in self.heads.values())
        return raw.Raw(heads, b"".join(self.blobs.values()), **self.fixed).file()

    def _settle(self, head: Head) -> Head:
        """`head` with its file_offset made real."""
        offset = getattr(head, "file_offset", 0)
        if not isinstance(head, Record) or offset < _MARK:
            return head
        name = _NAMES[offset >> 16 & 0xFFF]
        return head.replace(file_offset=self.place(name) + (offset & 0xFFFF))


def word(value: int) -> bytes:
    """A register value."""
    return value.to_bytes(16, "little")


def vbs(*registers: tuple[int, bytes], vtl: int = 2, arm: bool = False) -> bytes:
    """The registers of a VBS context."""
    made = [
        igvm.VBSRegister(vtl=vtl, register_name=name, register_value=value)
        for name, value in registers
    ]
    kind = igvm.Architecture.AARCH64 if arm else igvm.Architecture.X64
    return igvm.VBSContext(kind, tuple(made)).pack()


X64 = igvm.HvX64Register
P384 = bytes(range(1, 49)) + bytes(24)
SIGNATURE = igvm.SNPSignature(r_comp=P384, s_comp=P384)
KEY = igvm.SNPPublicKey(curve=2, qx=P384, qy=P384)
PAGE = bytes(range(256)) * 16
DOCUMENT = b"\xd9\x01\xf5\xa1\x00\x60\x00\x00"
COSE = b"\xd2\x84\x40\xa0\xf6\x40\x00\x00"
VMSA = igvm.SEVVMSA(rip=0xFFF0, sev_features=igvm.SEVFeatures.SNP)
NATIVE_CONTEXT = igvm.NativeContextX64(rip=0x1000, code_attributes=0xA09B, data_attributes=0xC093)
CCA_CONTEXT = igvm.CCAContext(pc=0x8000, flags=1)
CS = igvm.HvSegmentRegister(limit=0xFFFFFFFF, selector=8, attributes=0xA09B).pack()
REGISTERS = ((X64.RIP, word(0x300000)), (X64.CR3, word(0x800000)), (X64.CS, CS))


def page(data: bytes) -> bytes:
    """`data` with zeroes up to a page."""
    return data.ljust(raw.PAGE, b"\0")


SNP = Small(
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
        "document": DOCUMENT,
        "signature": COSE,
        "area": PAGE + PAGE,
        "page": PAGE,
        "vmsa": VMSA.pack(),
    },
)
"""An SNP guest with all that an SNP guest may have."""

VBS = Small(
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
            compatibility_mask=1, vtl=2, gpa=0x800000, size=0x4000, used_size=0x2000
        ),
        "area": igvm.ParameterArea(number_of_bytes=0x1000, parameter_area_index=0),
        "insert": igvm.ParameterInsert(gpa=0x10000, compatibility_mask=1, parameter_area_index=0),
        "page": igvm.PageData(gpa=0x300000, compatibility_mask=1, file_offset=at("page")),
        "table": igvm.PageData(gpa=0x800000, compatibility_mask=1, file_offset=at("page")),
        "errors": igvm.ErrorRange(gpa=0x900000, compatibility_mask=1, size_bytes=0x1000),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("vbs")),
        "measurement": igvm.VBSMeasurement(
            compatibility_mask=1,
            boot_digest_algo=1,
            signing_algo=1,
            boot_measurement_digest=bytes(range(32)) + bytes(32),
        ),
    },
    {"page": PAGE, "vbs": vbs(*REGISTERS)},
)
"""A VBS guest with a paravisor that can be moved."""

NATIVE = Small(
    {
        "native": igvm.SupportedPlatform(
            compatibility_mask=1, platform_type=igvm.PlatformType.NATIVE
        ),
        "tdx": igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.TDX),
        "policy": igvm.GuestPolicy(policy=2, compatibility_mask=2),
        "page": igvm.PageData(gpa=0x1000, compatibility_mask=3, file_offset=at("page")),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("native")),
    },
    {"page": PAGE, "native": page(NATIVE_CONTEXT.pack())},
    version=2,
)
"""A guest without isolation or with TDX."""

CCA = Small(
    {
        "platform": igvm.SupportedPlatform(
            compatibility_mask=1, platform_type=igvm.PlatformType.CCA
        ),
        "policy": igvm.CCAPolicy(compatibility_mask=1, attributes_required_zeroes=1),
        "page": igvm.PageData(gpa=0x8000, compatibility_mask=1, file_offset=at("page")),
        "context": igvm.VPContext(compatibility_mask=1, file_offset=at("cca")),
    },
    {"page": PAGE, "cca": page(CCA_CONTEXT.pack())},
    version=2,
    architecture=1,
)
"""A Realm."""

SOUND = {"snp": SNP, "vbs": VBS, "native": NATIVE, "cca": CCA}
