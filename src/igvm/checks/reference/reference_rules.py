"""Every way in which the reference crate refuses a file, as data, named by its error variants."""

from __future__ import annotations

import msgspec

from igvm.checks.finding import Severity
from igvm.checks.reference.release_types import RELEASES

CRASH_NAMES = "this crashes the reference, and with it every process that links libigvm"


class ReferenceRule(msgspec.Struct, frozen=True, gc=False):
    """One way in which the reference refuses a file."""

    name: str
    """The crate's error variants, outermost first: `InvalidBinaryDirectiveHeader.InvalidDataSize`.

    A place where the crate panics has a name of ours that starts with `panic.`.
    """
    words: str
    """The rule that the file breaks, in one sentence without a full stop."""
    source: str
    """Where the crate decides it: a function of its src/lib.rs."""
    releases: tuple[str, ...] = RELEASES
    """The releases that can give this answer."""
    crashes: bool = False
    """Whether the crate panics instead of returning an error."""
    severity: Severity = Severity.ERROR

    @property
    def result(self) -> int | None:
        """The IgvmResult that libigvm returns for it; None where the crate panics.

        It is all that QEMU shows: `Unable to parse IGVM file NAME: -16` (igvm, src/c_api.rs,
        translate_error).
        """
        if self.name == "corim-feature":
            return RESULTS["InvalidBinaryInitializationHeader"]
        return RESULTS.get(self.name.partition(".")[0])


RESULTS = {
    "NoPlatformHeaders": -5,
    "InvalidBinaryPlatformHeader": -9,
    "InvalidBinaryInitializationHeader": -10,
    "InvalidBinaryDirectiveHeader": -11,
    "MultiplePlatformHeadersWithSameIsolation": -12,
    "InvalidParameterAreaIndex": -13,
    "InvalidFixedHeader": -16,
    "InvalidBinaryVariableHeaderSection": -17,
    "InvalidChecksum": -18,
    "MultiplePageTableRelocationHeaders": -19,
    "RelocationRegionsOverlap": -20,
    "ParameterInsertInsidePageTableRegion": -21,
    "NoMatchingVpContext": -22,
    "PlatformArchUnsupported": -23,
    "InvalidHeaderArch": -24,
    "UnsupportedPageSize": -25,
    "InvalidFixedHeaderArch": -26,
    "InvalidCcaPolicyCompatibilityMask": -28,
}
"""The IgvmResult of libigvm for an error of the crate, by the name of its outermost variant."""


REFERENCE_RULES: dict[str, ReferenceRule] = {}
"""Every rule of the reference by its name, in the order in which a file meets them."""


def _declare(source: str, *rules: tuple[str, str], releases: tuple[str, ...] = RELEASES) -> None:
    """Add rules that the same function of the crate decides."""
    for name, words in rules:
        REFERENCE_RULES[name] = ReferenceRule(
            name=name,
            words=words,
            source=source,
            releases=releases,
            crashes=name.startswith("panic."),
        )


_declare(
    "IgvmFile::new_from_binary",
    (
        "InvalidFixedHeader",
        (
            "the fixed header needs the magic, version 1 or 2, architecture 0 or 1, the length of "
            "the file, and variable headers that end before the file does"
        ),
    ),
    ("UnsupportedPageSize", "the page size must be 4096"),
    (
        "panic.variable-header-size",
        (
            "the variable headers must end inside the file; the crate adds their offset and size "
            "in 32 bits, so a huge size passes its check"
        ),
    ),
    (
        "InvalidChecksum",
        "the checksum must be the CRC-32 of the fixed header and the variable headers",
    ),
    (
        "InvalidBinaryVariableHeaderSection",
        (
            "headers are whole, of a type in one of the three ranges, without the optional bit, "
            "and stand in the order platform, initialization, directive"
        ),
    ),
)

for _section in ("Platform", "Initialization", "Directive"):
    _declare(
        f"Igvm{_section}Header::new_from_binary_split",
        (
            f"InvalidBinary{_section}Header.InvalidVariableHeaderType",
            (
                "the type must be one that the release knows and the length exactly that of its "
                "structure"
            ),
        ),
        (
            f"InvalidBinary{_section}Header.InvalidVariableHeaderSize",
            "the whole structure, padding included, must be inside the variable headers",
        ),
    )

_declare(
    "IgvmPlatformHeader::validate",
    (
        "InvalidBinaryPlatformHeader.InvalidCompatibilityMask",
        "a platform's mask must have exactly one bit",
    ),
    ("InvalidBinaryPlatformHeader.InvalidVtl", "the highest VTL must be 0 or 2"),
    (
        "InvalidBinaryPlatformHeader.InvalidPlatformType",
        "the platform must be one that the release knows: 0 to 5, and in 0.5.0 also 6 (CCA)",
    ),
    ("InvalidBinaryPlatformHeader.InvalidPlatformVersion", "the platform version must be 1"),
    (
        "InvalidBinaryPlatformHeader.InvalidSharedGpaBoundary",
        "NATIVE and VSM_ISOLATION have no shared gpa boundary",
    ),
)

_declare(
    "IgvmInitializationHeader::new_from_binary_split",
    ("InvalidBinaryInitializationHeader.ReservedNotZero", "reserved fields must be zero"),
    ("InvalidBinaryInitializationHeader.InvalidVtl", "the VTL of a region must be 0, 1 or 2"),
)
_declare(
    "IgvmInitializationHeader::new_from_binary_split",
    (
        "InvalidBinaryInitializationHeader.InvalidDataSize",
        "the document or signature must lie wholly in the file data",
    ),
    releases=("0.5",),
)
_declare(
    "IgvmInitializationHeader::validate",
    (
        "InvalidBinaryInitializationHeader.InvalidOnesZeroesMasks",
        "no attribute may be required to be both zero and one",
    ),
    releases=("0.5",),
)
_declare(
    "IgvmInitializationHeader::validate",
    (
        "InvalidBinaryInitializationHeader.RelocationSize",
        "the size of a relocatable region must be a multiple of 4 KiB",
    ),
    (
        "InvalidBinaryInitializationHeader.RelocationAlignment",
        "the alignment of a relocatable region must be a multiple of 4 KiB",
    ),
    (
        "panic.relocation-alignment-zero",
        "the alignment of a relocatable region must not be zero, by which the crate divides",
    ),
    (
        "InvalidBinaryInitializationHeader.RelocationAddress",
        (
            "a relocatable region, its lowest start and its highest end must be multiples of its "
            "alignment"
        ),
    ),
    (
        "InvalidBinaryInitializationHeader.UnalignedAddress",
        "a page table region must start at a multiple of 4 KiB",
    ),
    (
        "InvalidBinaryInitializationHeader.UnalignedSize",
        "the size and the used size of a page table region must be multiples of 4 KiB",
    ),
    (
        "InvalidBinaryInitializationHeader.InvalidPageTableRegionSize",
        "no more of a page table region can be used than there is",
    ),
)

_declare(
    "IgvmDirectiveHeader::new_from_binary_split",
    (
        "InvalidBinaryDirectiveHeader.InvalidDataSize",
        "data that a header refers to must lie wholly in the file data, after the variable headers",
    ),
    ("InvalidBinaryDirectiveHeader.ReservedNotZero", "reserved fields must be zero"),
    (
        "InvalidBinaryDirectiveHeader.InvalidVpContextPlatformType",
        "the mask of a VP_CONTEXT must be exactly the mask of one platform, and not of TDX",
    ),
    (
        "panic.vbs-data-outside",
        "the registers of a VBS context must start in the file data, after the variable headers",
    ),
    ("panic.vbs-mixed-vtl", "all registers of a VBS context must have the same VTL"),
    ("panic.vbs-vp-index", "a VBS context must be for VP 0"),
    (
        "InvalidBinaryDirectiveHeader.NoVbsVpContextRegisters",
        "a VBS context must have at least one register",
    ),
    ("InvalidBinaryDirectiveHeader.InvalidVtl", "the VTL of a VBS context must be 0, 1 or 2"),
    (
        "InvalidBinaryDirectiveHeader.UnsupportedX64Register",
        "a VBS context of an X64 file may hold only the registers that the crate can store",
    ),
    (
        "InvalidBinaryDirectiveHeader.UnsupportedAArch64Register",
        "a VBS context of an AArch64 file may hold only the registers that the release can store",
    ),
)
_declare(
    "IgvmDirectiveHeader::new_from_binary_split",
    (
        "InvalidBinaryDirectiveHeader.InvalidVmsa",
        "the bytes of a VMSA from 0x670 to the end of its page must be zero",
    ),
    releases=("0.4",),
)
_declare(
    "IgvmDirectiveHeader::new_from_binary_split",
    (
        "InvalidBinaryDirectiveHeader.InvalidContext",
        "the bytes between a native or CCA context and the end of its page must be zero",
    ),
)
_declare(
    "IgvmDirectiveHeader::validate",
    (
        "InvalidBinaryDirectiveHeader.UnalignedAddress",
        "guest addresses must be multiples of 4 KiB",
    ),
    ("InvalidBinaryDirectiveHeader.UnalignedSize", "sizes must be multiples of 4 KiB"),
    ("InvalidBinaryDirectiveHeader.InvalidPageDataType", "the page data type must be 0 to 3"),
)

_declare(
    "IgvmFile::validate_platform_headers",
    ("NoPlatformHeaders", "a file must have a platform header"),
    (
        "PlatformArchUnsupported",
        "CCA needs an AArch64 file and every other platform but VSM_ISOLATION an X64 file",
    ),
    (
        "MultiplePlatformHeadersWithSameIsolation",
        "every platform type may have only one header",
    ),
)

_declare(
    "IgvmFile::validate_initialization_headers",
    ("InvalidHeaderArch", "a CCA_POLICY needs an AArch64 file"),
    (
        "InvalidCcaPolicyCompatibilityMask",
        "every mask bit of a CCA_POLICY must be that of a CCA platform",
    ),
    releases=("0.5",),
)
_declare(
    "IgvmFile::validate_initialization_headers",
    (
        "MultiplePageTableRelocationHeaders",
        "a mask bit may have only one page table region",
    ),
    (
        "panic.empty-region",
        (
            "a relocatable or page table region must not be empty (unless at gpa 0) and must end "
            "inside 64 bits"
        ),
    ),
    (
        "RelocationRegionsOverlap",
        "relocatable and page table regions of one mask bit must not overlap",
    ),
)
_declare(
    "IgvmFile::validate_initialization_headers",
    (
        "InvalidBinaryInitializationHeader.MultipleCorimDocuments",
        "a mask bit may have only one CoRIM document",
    ),
    (
        "InvalidBinaryInitializationHeader.MultipleCorimSignatures",
        "a mask bit may have only one CoRIM signature",
    ),
    (
        "InvalidBinaryInitializationHeader.MissingCorimDocument",
        "a CoRIM signature must follow the document of the same mask bit",
    ),
    releases=("0.5",),
)

_declare(
    "IgvmFile::validate_directive_headers",
    (
        "InvalidParameterAreaIndex",
        "a parameter area is declared once, before its use, and not used after it was inserted",
    ),
    (
        "ParameterInsertInsidePageTableRegion",
        "no parameter area may be inserted into a page table region of the same mask bit",
    ),
    (
        "NoMatchingVpContext",
        (
            "the VP and VTL of a relocatable or page table region must have a VBS context of a "
            "common mask bit, and those are for VP 0 only"
        ),
    ),
)

REFERENCE_RULES["corim-feature"] = ReferenceRule(
    name="corim-feature",
    words="a libigvm that was built without its corim feature refuses CoRIM headers (result -10)",
    source="IgvmInitializationHeader::new_from_binary_split",
    releases=("0.5",),
    severity=Severity.NOTE,
)
