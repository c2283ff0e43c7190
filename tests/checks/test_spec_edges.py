"""The last value that a rule takes and the first that it does not, and what it must tell apart."""

from __future__ import annotations

import pytest

import igvm
from tests.checks.small import (
    NATIVE,
    NATIVE_CONTEXT,
    REGISTERS,
    SNP,
    VBS,
    VMSA,
    X64,
    Small,
    at,
    page,
    vbs,
    word,
)


def broken(small: Small) -> set[str]:
    """The rules that `small` breaks."""
    return {finding.rule for finding in igvm.check(igvm.parse(small.file()))}


TDX = igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.TDX)
TWO = SNP.after("platform", tdx=TDX)
TOP = 1 << 64


def _page(gpa: int, mask: int = 1, flags: int = 0) -> igvm.PageData:
    return igvm.PageData(gpa=gpa, compatibility_mask=mask, flags=igvm.PageDataFlags(flags))


def _sparse(*registers: tuple[int, bytes], vtl: int = 2) -> bytes:
    return vbs(*REGISTERS, *registers, vtl=vtl)


EDGES: dict[str, tuple[Small, set[str]]] = {
    "a page for each of two platforms at one address": (
        TWO.but(more=_page(0x1000, 2), again=_page(0x2000, 2)),
        set(),
    ),
    "a page for both platforms where one of them has a page": (
        TWO.but(more=_page(0x1000, 3)),
        {"memory-overlap"},
    ),
    "pages that share only a bit of no platform": (
        SNP.but(zero={"compatibility_mask": 5}, more=_page(0x2000, 4)),
        {"mask-unknown-platform", "mask-nobody"},
    ),
    "a page right before a large page": (SNP.but(more=_page(0x1FF000)), set()),
    "the last page of a large page": (SNP.but(more=_page(0x3FF000)), {"memory-overlap"}),
    "the page after a large page": (SNP.but(more=_page(0x400000)), set()),
    "the last page of a parameter area": (SNP.but(more=_page(0x11000)), {"memory-overlap"}),
    "the page after a parameter area": (SNP.but(more=_page(0x12000)), set()),
    "the last page of all": (SNP.but(more=_page(TOP - 0x1000)), {"memory-width"}),
    "the last page that an address can have": (SNP.but(more=_page((1 << 52) - 0x1000)), set()),
    "a range up to 2^64": (
        VBS.but(errors={"gpa": TOP - 0x2000, "size_bytes": 0x2000}),
        {"memory-width"},
    ),
    "a range past 2^64": (
        VBS.but(errors={"gpa": TOP - 0x2000, "size_bytes": 0x3000}),
        {"memory-wraps"},
    ),
    "an area of nearly 2^64 bytes": (
        VBS.but(area={"number_of_bytes": TOP - 0x1000}, insert={"gpa": 0}),
        {"memory-width", "memory-overlap", "page-table-insert"},
    ),
    "a parameter that just fits": (SNP.but(memory_map={"byte_offset": 0x1FE8}), set()),
    "a parameter one byte too far": (
        SNP.but(memory_map={"byte_offset": 0x1FE9}),
        {"parameter-fit"},
    ),
    "an area that two platforms insert": (
        TWO.but(more=igvm.ParameterInsert(gpa=0, compatibility_mask=2, parameter_area_index=7)),
        {"area-inserted"},
    ),
    "an area that nobody inserts the first time": (
        SNP.after(
            "memory_map",
            more=igvm.ParameterInsert(gpa=0, compatibility_mask=0, parameter_area_index=7),
        ),
        {"mask-nobody"},
    ),
    "an area that is used before it is declared": (
        SNP.after("text", more=igvm.VPCount(parameter_area_index=7, byte_offset=64)),
        {"area-undeclared"},
    ),
    "an area whose insert ends at the page tables": (VBS.but(insert={"gpa": 0x7FF000}), set()),
    "an area whose insert runs into the page tables": (
        VBS.but(insert={"gpa": 0x7FF000}, area={"number_of_bytes": 0x2000}, table=None),
        {"page-table-insert"},
    ),
    "regions side by side": (VBS.but(region={"relocation_region_size": 0x600000}), set()),
    "a region that just fits its bounds": (
        VBS.but(region={"maximum_relocation_gpa": 0x400000}),
        set(),
    ),
    "a region that is larger than its bounds": (
        VBS.but(region={"maximum_relocation_gpa": 0x200000, "minimum_relocation_gpa": 0x200000}),
        {"relocation-room"},
    ),
    "a region that moves no registers and has no context": (
        VBS.but(region={"flags": igvm.RelocatableRegionFlags.IS_VTL2, "vp_index": 9}),
        set(),
    ),
    "page tables of a VTL without a context": (
        VBS.but(tables={"vtl": 0}),
        {"relocation-context"},
    ),
    "a root table at the end of its region": (
        VBS.data(vbs=vbs(REGISTERS[0], (X64.CR3, word(0x803018)))),
        set(),
    ),
    "the encryption bit in the root of an SNP guest": (
        SNP.after(
            "policy",
            tables=igvm.PageTableRelocation(
                compatibility_mask=1, gpa=0x800000, size=0x1000, used_size=0x1000
            ),
        ).data(vmsa=VMSA.replace(cr3=1 << 51 | 0x800000).pack()),
        set(),
    ),
    "two contexts of different VTLs": (
        VBS.but(
            more=igvm.VPContext(compatibility_mask=1, file_offset=at("vtl0")),
        ).data(vtl0=_sparse(vtl=0)),
        {"context-several"},
    ),
    "contexts of one VP for two platforms": (
        SNP.after(
            "platform",
            es=igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.SEV_ES),
        )
        .but(more=igvm.VPContext(gpa=0xFFFFFFFFF000, compatibility_mask=2, file_offset=at("es")))
        .data(es=VMSA.replace(sev_features=igvm.SEVFeatures(0)).pack()),
        set(),
    ),
    "PKRU and TSC_AUX in a VMSA": (
        SNP.data(vmsa=VMSA.pack()[:0x2E8] + b"\x55\0\0\0\1\0\0\0" + VMSA.pack()[0x2F0:]),
        set(),
    ),
    "a byte after PKRU and TSC_AUX": (
        SNP.data(vmsa=VMSA.pack()[:0x2F0] + b"\1" + VMSA.pack()[0x2F1:]),
        {"context-reserved"},
    ),
    "the virtual top of memory at the boundary": (
        SNP.but(platform={"shared_gpa_boundary": 1 << 46}).data(
            vmsa=VMSA.replace(sev_features=igvm.SEVFeatures(3), virtual_tom=1 << 46).pack()
        ),
        set(),
    ),
    "two native contexts in one page": (
        NATIVE.data(native=page(NATIVE_CONTEXT.pack() * 2)),
        {"context-tail"},
    ),
    "a document for each of two platforms": (
        TWO.after(
            "document",
            more=igvm.CorimDocument(compatibility_mask=2, file_offset=at("document"), size_bytes=8),
        ),
        set(),
    ),
    "a signature for a platform without a document": (
        TWO.but(signature={"compatibility_mask": 3}),
        {"corim-signature-order"},
    ),
    "a register list that ends past the file": (
        VBS.data(vbs=(4).to_bytes(4, "little") + _sparse()[4:]).but(region=None, tables=None),
        {"data-range"},
    ),
    "a register list of 2^32 registers": (
        VBS.data(vbs=b"\xff\xff\xff\xff" + _sparse()[4:]).but(region=None, tables=None),
        {"data-range"},
    ),
    "required memory for two platforms": (
        TWO.but(more=igvm.RequiredMemory(gpa=0, compatibility_mask=2, number_of_bytes=0x100000)),
        set(),
    ),
    "data that is shared by two headers": (
        SNP.but(more=igvm.PageData(gpa=0x7000, compatibility_mask=1, file_offset=at("page"))),
        set(),
    ),
    "an unknown header that may be skipped": (
        SNP.but(text=SNP.heads["text"]),
        set(),
    ),
}


@pytest.mark.parametrize("what", EDGES)
def test_what_a_rule_tells_apart(what: str) -> None:
    """Exactly the rules that are named speak up."""
    small, expected = EDGES[what]
    assert expected == broken(small)
