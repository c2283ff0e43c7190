"""Files that break the rules about the file as such, by the rule they break."""

from __future__ import annotations

import struct

import igvm
from tests import raw
from tests.checks.small import NATIVE, PAGE, SNP, VBS, Small, at, optional, raw_type

Example = tuple[Small | bytes, set[str]]
"""A file that breaks a rule, and what other rules it breaks."""


def _cut_section(small: Small, by: int) -> bytes:
    """`small` with its last header cut short."""
    heads = b"".join(raw_type(head) for head in small.heads.values())
    return raw.Raw(heads[:-by], PAGE).file()


_SHORT = Small(
    {
        "platform": SNP.heads["platform"],
        "policy": SNP.heads["policy"],
        "context": igvm.VPContext(
            gpa=0xFFFFFFFFF000, compatibility_mask=1, file_offset=24 + 24 + 24 + 24
        ),
    },
    {},
)

FIXED: dict[str, Example] = {
    "format-version": (NATIVE.with_fixed(version=3), set()),
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
        SNP.with_fixed(gap=b"gap"),
        {"headers-gap"},
    ),
    "headers-gap": (SNP.with_fixed(gap=bytes(8)), set()),
    "file-size": (SNP.with_fixed(total=1), set()),
    "checksum": (SNP.with_fixed(checksum=0), set()),
    "architecture": (NATIVE.with_fixed(architecture=2), set()),
    "page-size": (NATIVE.with_fixed(page_size=4095), set()),
    "page-size-other": (
        NATIVE.with_fixed(page_size=65536),
        {"page-alignment", "data-range", "data-overlap"},
    ),
}

SECTION: dict[str, Example] = {
    "header-contained": (
        SNP.but(odd=struct.pack("<II", 0x302, 24)),
        set(),
    ),
    "header-trailing": (SNP.but(odd=b"odd!"), set()),
    "padding-missing": (_cut_section(_SHORT, 4), {"data-in-headers", "data-unreferenced"}),
    "padding-zero": (
        SNP.but(text=raw.header(0x80000107, b"1.2.3", padding=0x30)),
        set(),
    ),
    "section-order": (SNP.but(late=raw.header(0x107, b"")), {"version-string-twice"}),
    "type-forbidden": (SNP.but(odd=raw.header(0x306, bytes(16))), set()),
    "type-unknown": (SNP.but(odd=raw.header(0x3FF, bytes(16))), set()),
    "type-unknown-optional": (SNP.but(odd=raw.header(0x800003FF, bytes(16))), set()),
    "type-range": (SNP.but(odd=raw.header(0x80000999, b"")), {"type-unknown-optional"}),
    "header-length": (SNP.but(zero=raw.header(0x302, bytes(23))), set()),
    "optional-bit": (SNP.but(zero=optional(SNP.heads["zero"])), set()),
}

RESERVED: dict[str, Example] = {
    "reserved-field": (SNP.but(policy={"reserved": 1}), set()),
    "reserved-flags": (SNP.but(zero={"flags": igvm.PageDataFlags(8)}), set()),
}

PLATFORM: dict[str, Example] = {
    "platform-missing": (
        raw.Raw(raw.header(0x107, b"text"), PAGE).file(),
        {"data-unreferenced"},
    ),
    "platform-mask": (SNP.but(platform={"compatibility_mask": 3}), set()),
    "platform-mask-shared": (
        NATIVE.but(tdx={"compatibility_mask": 1}, policy={"compatibility_mask": 1}),
        {"context-tdx", "mask-unknown-platform"},
    ),
    "platform-twice": (
        SNP.first(more=SNP.heads["platform"]),
        {"platform-mask-shared"},
    ),
    "platform-type": (
        NATIVE.but(tdx={"platform_type": igvm.PlatformType(9)}),
        {"policy-platform"},
    ),
    "platform-version": (SNP.but(platform={"platform_version": 2}), set()),
    "platform-architecture": (
        NATIVE.with_fixed(architecture=1),
        set(),
    ),
    "highest-vtl": (SNP.but(platform={"highest_vtl": 1}), set()),
    "highest-vtl-platform": (
        NATIVE.but(native={"highest_vtl": 2, "platform_type": igvm.PlatformType.SEV}),
        set(),
    ),
    "shared-boundary": (VBS.but(platform={"shared_gpa_boundary": 1 << 46}), set()),
    "shared-boundary-alignment": (SNP.but(platform={"shared_gpa_boundary": 0x1001}), set()),
}

MASK: dict[str, Example] = {
    "mask-nobody": (SNP.but(zero={"compatibility_mask": 0}), set()),
    "mask-unknown-platform": (SNP.but(zero={"compatibility_mask": 0x81}), set()),
}

DATA: dict[str, Example] = {
    "data-range": (
        SNP.but(page={"file_offset": at("vmsa", 1)}),
        {"data-unreferenced", "data-overlap"},
    ),
    "data-in-headers": (SNP.but(page={"file_offset": 64}), {"data-unreferenced"}),
    "data-missing": (
        SNP.but(context={"file_offset": 0}),
        {"data-unreferenced"},
    ),
    "data-none": (
        raw.Raw(raw.platform(3) + raw.page(0x1000)).file(),
        set(),
    ),
    "data-unreferenced": (SNP.data(more=b"hidden"), set()),
    "data-gap": (SNP.data(more=bytes(512)), set()),
    "data-overlap": (
        SNP.but(more=igvm.PageData(gpa=0x7000, compatibility_mask=1, file_offset=at("page", 512))),
        set(),
    ),
}

EXAMPLES = FIXED | SECTION | RESERVED | PLATFORM | MASK | DATA
