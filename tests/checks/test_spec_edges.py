"""The last value that a rule takes and the first that it does not, and what it must tell apart."""

from __future__ import annotations

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.contents import RESET_VMSA, padded
from tests.small_files.sound_files import (
    NATIVE_CONTEXT,
    NATIVE_GUEST,
    REGISTERS,
    SNP_GUEST,
    VBS_GUEST,
    X64,
    NamedFile,
    at,
)


def broken(file: NamedFile) -> set[str]:
    """The rules that `file` breaks."""
    return {finding.rule for finding in igvm.check(file.parsed())}


TDX_PLATFORM = igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.TDX)
TWO_PLATFORMS = SNP_GUEST.after("platform", tdx=TDX_PLATFORM)
TOP = 1 << 64


def _page(gpa: int, mask: int = 1, flags: int = 0) -> igvm.PageData:
    return igvm.PageData(gpa=gpa, compatibility_mask=mask, flags=igvm.PageDataFlags(flags))


def _sparse(*registers: tuple[int, bytes], vtl: int = 2) -> bytes:
    return raw.register_list(*REGISTERS, *registers, vtl=vtl)


EDGES: dict[str, tuple[NamedFile, set[str]]] = {
    "a page for each of two platforms at one address": (
        TWO_PLATFORMS.but(more=_page(0x1000, 2), again=_page(0x2000, 2)),
        set(),
    ),
    "a page for both platforms where one of them has a page": (
        TWO_PLATFORMS.but(more=_page(0x1000, 3)),
        {"memory-overlap"},
    ),
    "pages that share only a bit of no platform": (
        SNP_GUEST.but(zero={"compatibility_mask": 5}, more=_page(0x2000, 4)),
        {"mask-unknown-platform", "mask-nobody"},
    ),
    "a page right before a large page": (SNP_GUEST.but(more=_page(0x1FF000)), set()),
    "the last page of a large page": (SNP_GUEST.but(more=_page(0x3FF000)), {"memory-overlap"}),
    "the page after a large page": (SNP_GUEST.but(more=_page(0x400000)), set()),
    "the last page of a parameter area": (SNP_GUEST.but(more=_page(0x11000)), {"memory-overlap"}),
    "the page after a parameter area": (SNP_GUEST.but(more=_page(0x12000)), set()),
    "the last page of all": (SNP_GUEST.but(more=_page(TOP - 0x1000)), {"memory-width"}),
    "the last page that an address can have": (
        SNP_GUEST.but(more=_page((1 << 52) - 0x1000)),
        set(),
    ),
    "a range up to 2^64": (
        VBS_GUEST.but(errors={"gpa": TOP - 0x2000, "size_bytes": 0x2000}),
        {"memory-width"},
    ),
    "a range past 2^64": (
        VBS_GUEST.but(errors={"gpa": TOP - 0x2000, "size_bytes": 0x3000}),
        {"memory-wraps"},
    ),
    "an area of nearly 2^64 bytes": (
        VBS_GUEST.but(area={"number_of_bytes": TOP - 0x1000}, insert={"gpa": 0}),
        {"memory-width", "memory-overlap", "page-table-insert"},
    ),
    "a parameter that just fits": (SNP_GUEST.but(memory_map={"byte_offset": 0x1FE8}), set()),
    "a parameter one byte too far": (
        SNP_GUEST.but(memory_map={"byte_offset": 0x1FE9}),
        {"parameter-fit"},
    ),
    "an area that two platforms insert": (
        TWO_PLATFORMS.but(
            more=igvm.ParameterInsert(gpa=0, compatibility_mask=2, parameter_area_index=7)
        ),
        {"area-inserted"},
    ),
    "an area that nobody inserts the first time": (
        SNP_GUEST.after(
            "memory_map",
            more=igvm.ParameterInsert(gpa=0, compatibility_mask=0, parameter_area_index=7),
        ),
        {"mask-nobody"},
    ),
    "an area that is used before it is declared": (
        SNP_GUEST.after("text", more=igvm.VPCount(parameter_area_index=7, byte_offset=64)),
        {"area-undeclared"},
    ),
    "an area whose insert ends at the page tables": (
        VBS_GUEST.but(insert={"gpa": 0x800000}),
        set(),
    ),
    "an area whose insert runs into the page tables": (
        VBS_GUEST.but(insert={"gpa": 0x800000}, area={"number_of_bytes": 0x2000}, table=None),
        {"page-table-insert"},
    ),
    "regions side by side": (VBS_GUEST.but(region={"relocation_region_size": 0x601000}), set()),
    "a region that just fits its bounds": (
        VBS_GUEST.but(region={"maximum_relocation_gpa": 0x400000}),
        set(),
    ),
    "a region that is larger than its bounds": (
        VBS_GUEST.but(
            region={"maximum_relocation_gpa": 0x200000, "minimum_relocation_gpa": 0x200000}
        ),
        {"relocation-room"},
    ),
    "a region that moves no registers and has no context": (
        VBS_GUEST.but(region={"flags": igvm.RelocatableRegionFlags.IS_VTL2, "vp_index": 9}),
        set(),
    ),
    "page tables of a VTL without a context": (
        VBS_GUEST.but(tables={"vtl": 0}),
        {"relocation-context"},
    ),
    "a root table at the end of its region": (
        VBS_GUEST.data(vbs=raw.register_list(REGISTERS[0], (X64.CR3, 0x803018), vtl=2)),
        set(),
    ),
    "the encryption bit in the root of an SNP_GUEST guest": (
        SNP_GUEST.after(
            "policy",
            tables=igvm.PageTableRelocation(
                compatibility_mask=1, gpa=0x800000, size=0x1000, used_size=0x1000
            ),
        ).data(vmsa=RESET_VMSA.replace(cr3=1 << 51 | 0x800000).pack()),
        set(),
    ),
    "two contexts of different VTLs": (
        VBS_GUEST.but(
            more=igvm.VPContext(compatibility_mask=1, file_offset=at("vtl0")),
        ).data(vtl0=_sparse(vtl=0)),
        {"context-several"},
    ),
    "contexts of one VP for two platforms": (
        SNP_GUEST.after(
            "platform",
            es=igvm.SupportedPlatform(compatibility_mask=2, platform_type=igvm.PlatformType.SEV_ES),
        )
        .but(more=igvm.VPContext(gpa=0xFFFFFFFFF000, compatibility_mask=2, file_offset=at("es")))
        .data(es=RESET_VMSA.replace(sev_features=igvm.SEVFeatures(0)).pack()),
        set(),
    ),
    "PKRU and TSC_AUX in a VMSA": (
        SNP_GUEST.data(
            vmsa=RESET_VMSA.pack()[:0x2E8] + b"\x55\0\0\0\1\0\0\0" + RESET_VMSA.pack()[0x2F0:]
        ),
        set(),
    ),
    "a byte after PKRU and TSC_AUX": (
        SNP_GUEST.data(vmsa=RESET_VMSA.pack()[:0x2F0] + b"\1" + RESET_VMSA.pack()[0x2F1:]),
        {"context-reserved"},
    ),
    "the virtual top of memory at the boundary": (
        SNP_GUEST.but(platform={"shared_gpa_boundary": 1 << 46}).data(
            vmsa=RESET_VMSA.replace(sev_features=igvm.SEVFeatures(3), virtual_tom=1 << 46).pack()
        ),
        set(),
    ),
    "two native contexts in one page": (
        NATIVE_GUEST.data(native=padded(NATIVE_CONTEXT.pack() * 2)),
        {"context-tail"},
    ),
    "a document for each of two platforms": (
        TWO_PLATFORMS.after(
            "document",
            more=igvm.CorimDocument(compatibility_mask=2, file_offset=at("document"), size_bytes=8),
        ),
        set(),
    ),
    "a signature for a platform without a document": (
        TWO_PLATFORMS.but(signature={"compatibility_mask": 3}),
        {"corim-signature-order"},
    ),
    "a register list that ends past the file": (
        VBS_GUEST.data(vbs=(4).to_bytes(4, "little") + _sparse()[4:]).but(region=None, tables=None),
        {"data-range"},
    ),
    "a register list of 2^32 registers": (
        VBS_GUEST.data(vbs=b"\xff\xff\xff\xff" + _sparse()[4:]).but(region=None, tables=None),
        {"data-range"},
    ),
    "required memory for two platforms": (
        TWO_PLATFORMS.but(
            more=igvm.RequiredMemory(gpa=0, compatibility_mask=2, number_of_bytes=0x100000)
        ),
        set(),
    ),
    "data that is shared by two headers": (
        SNP_GUEST.but(more=igvm.PageData(gpa=0x7000, compatibility_mask=1, file_offset=at("page"))),
        set(),
    ),
    "an unknown header that may be skipped": (
        SNP_GUEST.but(text=SNP_GUEST.headers["text"]),
        set(),
    ),
}


@pytest.mark.parametrize("case", EDGES)
def test_what_a_rule_tells_apart(case: str) -> None:
    """Exactly the rules that are named speak up."""
    file, expected = EDGES[case]
    assert expected == broken(file)
