"""Files that break the rules about initialization headers, by the rule they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import igvm
from tests.small_files import raw
from tests.small_files.sound_files import NATIVE_GUEST, REALM, REGISTERS, SNP_GUEST, VBS_GUEST, X64

if TYPE_CHECKING:
    from tests.checks.examples_file import Example

POLICY: dict[str, Example] = {
    "policy-snp-bit-17": (SNP_GUEST.but(policy={"policy": 0x10000}), set()),
    "policy-snp-reserved": (SNP_GUEST.but(policy={"policy": 1 << 63 | 0x30000}), set()),
    "policy-snp-newer": (SNP_GUEST.but(policy={"policy": 1 << 21 | 0x30000}), set()),
    "policy-tdx-reserved": (NATIVE_GUEST.but(policy={"policy": 8}), set()),
    "policy-debug": (SNP_GUEST.but(policy={"policy": 0xB0000}), set()),
    "policy-platform": (NATIVE_GUEST.but(policy={"compatibility_mask": 1}), set()),
    "policy-twice": (SNP_GUEST.after("policy", more=SNP_GUEST.headers["policy"]), set()),
    "policy-missing": (SNP_GUEST.but(policy=None), set()),
    "policy-cca-architecture": (
        REALM.with_fixed(architecture=0),
        {"platform-architecture"},
    ),
    "policy-cca-platform": (
        REALM.after(
            "platform",
            vbs=igvm.SupportedPlatform(
                compatibility_mask=2, platform_type=igvm.PlatformType.VSM_ISOLATION
            ),
        ).but(policy={"compatibility_mask": 3}),
        {"context-missing"},
    ),
    "policy-cca-conflict": (REALM.but(policy={"attributes_required_ones": 3}), {"policy-debug"}),
    "policy-cca-attributes": (REALM.but(policy={"attributes_required_ones": 4}), set()),
    "policy-cca-values": (
        REALM.but(policy={"hash_algorithm": igvm.CCAHashAlgorithm(3)}),
        set(),
    ),
}

CORIM: dict[str, Example] = {
    "corim-twice": (SNP_GUEST.after("document", more=SNP_GUEST.headers["document"]), set()),
    "corim-signature-order": (SNP_GUEST.but(document=None), {"data-unreferenced"}),
    "corim-empty": (SNP_GUEST.but(signature={"size_bytes": 0}), {"data-unreferenced"}),
    "corim-cbor": (SNP_GUEST.data(document=b"\xd9\x01\xf5\xa1\x00\x60\0\0"), set()),
    "corim-tag": (SNP_GUEST.data(document=b"\xd9\x01\xf7\xa1\x00\x62no"), set()),
    "corim-older-form": (SNP_GUEST.data(document=b"\xd9\x01\xf6\xa1\x00\x62no"), set()),
    "corim-profile": (SNP_GUEST.data(document=b"\xd9\x01\xf5\xa1\x03\x62no"), set()),
    "version-string-twice": (SNP_GUEST.after("text", more=raw.header(0x107, b"")), set()),
    "version-string-utf8": (SNP_GUEST.but(text=raw.header(0x80000107, b"1.\xff.3")), set()),
}

RELOCATION: dict[str, Example] = {
    "relocation-architecture": (
        VBS_GUEST.with_fixed(version=2, architecture=1),
        {"vbs-register-unknown", "vbs-register-unsupported"},
    ),
    "relocation-alignment": (VBS_GUEST.but(region={"relocation_alignment": 0}), set()),
    "relocation-alignment-power": (
        VBS_GUEST.but(
            region={
                "relocation_alignment": 0x3000,
                "relocation_region_gpa": 0x300000,
                "maximum_relocation_gpa": 0x30000000,
            }
        ),
        set(),
    ),
    "relocation-addresses": (VBS_GUEST.but(region={"minimum_relocation_gpa": 0x1000}), set()),
    "relocation-size": (VBS_GUEST.but(tables={"size": 0x4001}), set()),
    "relocation-bounds": (
        VBS_GUEST.but(
            region={
                "minimum_relocation_gpa": 0x40000000,
                "maximum_relocation_gpa": 0x200000,
            }
        ),
        set(),
    ),
    "relocation-room": (
        VBS_GUEST.but(region={"minimum_relocation_gpa": 0x40000000}),
        set(),
    ),
    "relocation-home": (VBS_GUEST.but(region={"minimum_relocation_gpa": 0x10000000}), set()),
    "relocation-overlap": (
        VBS_GUEST.but(region={"relocation_region_size": 0x602000}),
        set(),
    ),
    "relocation-vtl": (
        VBS_GUEST.but(region={"vtl": 3, "flags": igvm.RelocatableRegionFlags(0)}),
        set(),
    ),
    "relocation-context": (VBS_GUEST.but(region={"vp_index": 1}), set()),
}

PAGE_TABLE: dict[str, Example] = {
    "page-table-alignment": (VBS_GUEST.but(tables={"used_size": 0x2001}), set()),
    "page-table-used": (VBS_GUEST.but(tables={"used_size": 0x5000}), set()),
    "page-table-twice": (
        VBS_GUEST.after(
            "tables",
            more=igvm.PageTableRelocation(
                compatibility_mask=1, vtl=2, gpa=0xC01000, size=0x1000, used_size=0x1000
            ),
        ),
        set(),
    ),
    "page-table-insert": (VBS_GUEST.but(insert={"gpa": 0x802000}), set()),
    "page-table-boundary": (
        VBS_GUEST.but(tables={"gpa": 0x800000, "used_size": 0x3000}),
        set(),
    ),
    "page-table-root": (
        VBS_GUEST.data(vbs=raw.register_list(REGISTERS[0], (X64.CR3, 0x805000), vtl=2)),
        set(),
    ),
}

AREA: dict[str, Example] = {
    "area-size": (VBS_GUEST.but(area={"number_of_bytes": 0x1001}), set()),
    "area-twice": (VBS_GUEST.after("area", more=VBS_GUEST.headers["area"]), set()),
    "area-undeclared": (VBS_GUEST.but(area=None), set()),
    "area-inserted": (
        SNP_GUEST.but(vp_count=None, late=igvm.VPCount(parameter_area_index=7)),
        set(),
    ),
    "area-never-inserted": (SNP_GUEST.but(insert=None), set()),
    "parameter-fit": (SNP_GUEST.but(memory_map={"byte_offset": 0x1FF0}), set()),
    "parameter-same-place": (SNP_GUEST.but(memory_map={"byte_offset": 0}), set()),
    "insert-alignment": (SNP_GUEST.but(insert={"gpa": 0x10800}), set()),
}

EXAMPLES = POLICY | CORIM | RELOCATION | PAGE_TABLE | AREA
