"""Files that break the rules about the file as such, by the rule they break."""

from __future__ import annotations

import struct

import igvm
from tests.small_files import raw
from tests.small_files.contents import PAGE
from tests.small_files.sound_files import (
    NATIVE_GUEST,
    SNP_GUEST,
    VBS_GUEST,
    NamedFile,
    at,
    optional,
    packed,
)

Example = tuple[NamedFile | bytes, set[str]]
"""A file that breaks a rule, and what other rules it breaks."""


def _cut_section(file: NamedFile, by: int) -> bytes:
    """`file` with its last header cut short."""
    heads = b"".join(packed(head) for head in file.headers.values())
    return raw.file(heads[:-by], data=PAGE)


_SHORT = NamedFile(
    {
        "platform": SNP_GUEST.headers["platform"],
        "policy": SNP_GUEST.headers["policy"],
        "context": igvm.VPContext(
            gpa=0xFFFFFFFFF000, compatibility_mask=1, file_offset=24 + 24 + 24 + 24
        ),
    },
    {},
)

FIXED: dict[str, Example] = {
    "format-version": (NATIVE_GUEST.with_fixed(version=3), set()),
    "headers-offset": (
        b"IGVM" + struct.pack("<IIIII", 1, 0, 24, 24, 0),
        {
            "checksum",
            "platform-missing",
            "data-none",
            "type-unknown",
            "type-range",
            "padding-zero",
        },
    ),
    "headers-alignment": (
        SNP_GUEST.with_fixed(gap=b"gap"),
        {"headers-gap"},
    ),
    "headers-gap": (SNP_GUEST.with_fixed(gap=bytes(8)), set()),
    "file-size": (SNP_GUEST.with_fixed(total=1), set()),
    "checksum": (SNP_GUEST.with_fixed(checksum=0), set()),
    "architecture": (NATIVE_GUEST.with_fixed(architecture=2), set()),
    "page-size": (NATIVE_GUEST.with_fixed(page_size=4095), set()),
    "page-size-other": (
        NATIVE_GUEST.with_fixed(page_size=65536),
        {"page-alignment", "data-range", "data-overlap"},
    ),
}

SECTION: dict[str, Example] = {
    "header-contained": (
        SNP_GUEST.but(odd=struct.pack("<II", 0x302, 24)),
        set(),
    ),
    "header-trailing": (SNP_GUEST.but(odd=b"odd!"), set()),
    "padding-missing": (_cut_section(_SHORT, 4), {"data-in-headers", "data-unreferenced"}),
    "padding-zero": (
        SNP_GUEST.but(text=raw.header(0x80000107, b"1.2.3", padding=0x30)),
        set(),
    ),
    "section-order": (SNP_GUEST.but(late=raw.header(0x107, b"")), {"version-string-twice"}),
    "type-forbidden": (SNP_GUEST.but(odd=raw.header(0x306, bytes(16))), set()),
    "type-unknown": (SNP_GUEST.but(odd=raw.header(0x3FF, bytes(16))), set()),
    "type-unknown-optional": (SNP_GUEST.but(odd=raw.header(0x800003FF, bytes(16))), set()),
    "type-range": (SNP_GUEST.but(odd=raw.header(0x80000999, b"")), {"type-unknown-optional"}),
    "header-length": (SNP_GUEST.but(zero=raw.header(0x302, bytes(23))), set()),
    "optional-bit": (SNP_GUEST.but(zero=optional(SNP_GUEST.headers["zero"])), set()),
}

RESERVED: dict[str, Example] = {
    "reserved-field": (SNP_GUEST.but(policy={"reserved": 1}), set()),
    "reserved-flags": (SNP_GUEST.but(zero={"flags": igvm.PageDataFlags(8)}), set()),
}

PLATFORM: dict[str, Example] = {
    "platform-missing": (
        raw.file(raw.header(0x107, b"text"), data=PAGE),
        {"data-unreferenced"},
    ),
    "platform-mask": (SNP_GUEST.but(platform={"compatibility_mask": 3}), set()),
    "platform-mask-shared": (
        NATIVE_GUEST.but(tdx={"compatibility_mask": 1}, policy={"compatibility_mask": 1}),
        {"context-tdx", "mask-unknown-platform"},
    ),
    "platform-twice": (
        SNP_GUEST.first(more=SNP_GUEST.headers["platform"]),
        {"platform-mask-shared"},
    ),
    "platform-type": (
        NATIVE_GUEST.but(tdx={"platform_type": igvm.PlatformType(9)}),
        {"policy-platform"},
    ),
    "platform-version": (SNP_GUEST.but(platform={"platform_version": 2}), set()),
    "platform-architecture": (
        NATIVE_GUEST.with_fixed(architecture=1),
        set(),
    ),
    "highest-vtl": (SNP_GUEST.but(platform={"highest_vtl": 1}), set()),
    "highest-vtl-platform": (
        NATIVE_GUEST.but(native={"highest_vtl": 2, "platform_type": igvm.PlatformType.SEV}),
        set(),
    ),
    "highest-vtl-platform-native": (NATIVE_GUEST.but(native={"highest_vtl": 2}), set()),
    "shared-boundary": (VBS_GUEST.but(platform={"shared_gpa_boundary": 1 << 46}), set()),
    "shared-boundary-alignment": (SNP_GUEST.but(platform={"shared_gpa_boundary": 0x1001}), set()),
}

MASK: dict[str, Example] = {
    "mask-nobody": (SNP_GUEST.but(zero={"compatibility_mask": 0}), set()),
    "mask-unknown-platform": (SNP_GUEST.but(zero={"compatibility_mask": 0x81}), set()),
}

DATA: dict[str, Example] = {
    "data-range": (
        SNP_GUEST.but(page={"file_offset": at("vmsa", 1)}),
        {"data-unreferenced", "data-overlap"},
    ),
    "data-in-headers": (SNP_GUEST.but(page={"file_offset": 64}), {"data-unreferenced"}),
    "data-missing": (
        SNP_GUEST.but(context={"file_offset": 0}),
        {"data-unreferenced"},
    ),
    "data-none": (
        raw.file(raw.platform(3), raw.page(0x1000)),
        set(),
    ),
    "data-unreferenced": (SNP_GUEST.data(more=b"hidden"), set()),
    "data-gap": (SNP_GUEST.data(more=bytes(512)), set()),
    "data-overlap": (
        SNP_GUEST.but(
            more=igvm.PageData(gpa=0x7000, compatibility_mask=1, file_offset=at("page", 512))
        ),
        set(),
    ),
}

EXAMPLES = FIXED | SECTION | RESERVED | PLATFORM | MASK | DATA
