"""Files that break the rules about initialization headers, by the rule they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import igvm
from tests import raw
from tests.checks.small import CCA, NATIVE, REGISTERS, SNP, VBS, X64, vbs, word

if TYPE_CHECKING:
    from tests.checks.examples_file import Example

POLICY: dict[str, Example] = {
    "policy-snp-bit-17": (SNP.but(policy={"policy": 0x10000}), set()),
    "policy-snp-reserved": (SNP.but(policy={"policy": 1 << 63 | 0x30000}), set()),
    "policy-snp-newer": (SNP.but(policy={"policy": 1 << 21 | 0x30000}), set()),
    "policy-tdx-reserved": (NATIVE.but(policy={"policy": 8}), set()),
    "policy-debug": (SNP.but(policy={"policy": 0xB0000}), set()),
    "policy-platform": (NATIVE.but(policy={"compatibility_mask": 1}), set()),
    "policy-twice": (SNP.after("policy", more=SNP.heads["policy"]), set()),
    "policy-missing": (SNP.but(policy=None), set()),
    "policy-cca-architecture": (
        CCA.with_fixed(architecture=0),
        {"platform-architecture"},
    ),
    "policy-cca-platform": (
        CCA.after(
            "platform",
            vbs=igvm.SupportedPlatform(
                compatibility_mask=2, platform_type=igvm.PlatformType.VSM_ISOLATION
            ),
        ).but(policy={"compatibility_mask": 3}),
        {"context-missing"},
    ),
    "policy-cca-conflict": (CCA.but(policy={"attributes_required_ones": 3}), {"policy-debug"}),
    "policy-cca-attributes": (CCA.but(policy={"attributes_required_ones": 4}), set()),
    "policy-cca-values": (
        CCA.but(policy={"hash_algorithm": igvm.CCAHashAlgorithm(3)}),
        set(),
    ),
}

CORIM: dict[str, Example] = {
    "corim-twice": (SNP.after("document", more=SNP.heads["document"]), set()),
    "corim-signature-order": (SNP.but(document=None), {"data-unreferenced"}),
    "corim-empty": (SNP.but(signature={"size_bytes": 0}), {"data-unreferenced"}),
    "corim-tag": (SNP.data(document=b"\xd9\x01\xf6\xa0\0\0\0\0"), set()),
    "version-string-twice": (SNP.after("text", more=raw.header(0x107, b"")), set()),
    "version-string-utf8": (SNP.but(text=raw.header(0x80000107, b"1.\xff.3")), set()),
}

RELOCATION: dict[str, Example] = {
    "relocation-architecture": (
        VBS.with_fixed(version=2, architecture=1),
        {"vbs-register-unknown", "vbs-register-unsupported"},
    ),
    "relocation-alignment": (VBS.but(region={"relocation_alignment": 0}), set()),
    "relocation-alignment-power": (
        VBS.but(
            region={
                "relocation_alignment": 0x3000,
                "relocation_region_gpa": 0x300000,
                "maximum_relocation_gpa": 0x30000000,
            }
        ),
        set(),
    ),
    "relocation-addresses": (VBS.but(region={"minimum_relocation_gpa": 0x1000}), set()),
    "relocation-size": (VBS.but(tables={"size": 0x4001}), set()),
    "relocation-bounds": (
        VBS.but(
            region={
                "minimum_relocation_gpa": 0x40000000,
                "maximum_relocation_gpa": 0x200000,
            }
        ),
        set(),
    ),
    "relocation-room": (
        VBS.but(region={"minimum_relocation_gpa": 0x40000000}),
        set(),
    ),
    "relocation-home": (VBS.but(region={"minimum_relocation_gpa": 0x10000000}), set()),
    "relocation-overlap": (
        VBS.but(region={"relocation_region_size": 0x601000}),
        set(),
    ),
    "relocation-vtl": (
        VBS.but(region={"vtl": 3, "flags": igvm.RelocatableRegionFlags(0)}),
        set(),
    ),
    "relocation-context": (VBS.but(region={"vp_index": 1}), set()),
}

PAGE_TABLE: dict[str, Example] = {
    "page-table-alignment": (VBS.but(tables={"used_size": 0x2001}), set()),
    "page-table-used": (VBS.but(tables={"used_size": 0x5000}), set()),
    "page-table-twice": (
        VBS.after(
            "tables",
            more=igvm.PageTableRelocation(
                compatibility_mask=1, vtl=2, gpa=0xC00000, size=0x1000, used_size=0x1000
            ),
        ),
        set(),
    ),
    "page-table-insert": (VBS.but(insert={"gpa": 0x802000}), set()),
    "page-table-root": (
        VBS.data(vbs=vbs(REGISTERS[0], (X64.CR3, word(0x804000)))),
        set(),
    ),
}

AREA: dict[str, Example] = {
    "area-size": (VBS.but(area={"number_of_bytes": 0x1001}), set()),
    "area-twice": (VBS.after("area", more=VBS.heads["area"]), set()),
    "area-undeclared": (VBS.but(area=None), set()),
    "area-inserted": (
        SNP.but(vp_count=None, late=igvm.VPCount(parameter_area_index=7)),
        set(),
    ),
    "area-never-inserted": (SNP.but(insert=None), set()),
    "parameter-fit": (SNP.but(memory_map={"byte_offset": 0x1FF0}), set()),
    "parameter-same-place": (SNP.but(memory_map={"byte_offset": 0}), set()),
    "insert-alignment": (SNP.but(insert={"gpa": 0x10800}), set()),
}

EXAMPLES = POLICY | CORIM | RELOCATION | PAGE_TABLE | AREA
