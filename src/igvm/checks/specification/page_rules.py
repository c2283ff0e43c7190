"""Pages: where they go, and how they are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import headers, rule
from igvm.spec.directive import PageData
from igvm.spec.enums import PAGE_SIZE_2M, PageDataFlags, PageDataType
from igvm.spec.isolation import platforms_with

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_WITH_SPECIAL_PAGES = platforms_with(lambda isolation: isolation.has_special_pages)


def _has_any(inspected: InspectedFile, flags: PageDataFlags) -> NDArray[np.bool_]:
    """Which pages have one of `flags`, shape (n,), bool."""
    import numpy as np

    has_any: NDArray[np.bool_]
    has_any = inspected.table(PageData)[PageData.flags] & np.uint32(flags) != 0
    return has_any


@rule(
    "page-alignment",
    ERROR,
    "the gpa of a PAGE_DATA must be a multiple of the page size",
    "IGVM_VHS_PAGE_DATA.gpa",
)
def page_alignment(inspected: InspectedFile) -> Found:
    """Memory is assigned to a guest in pages; the reference crate refuses other addresses."""
    table = inspected.table(PageData)
    yield from headers(table.index, table[PageData.gpa] % inspected.page_size != 0, "gpa")


@rule(
    "page-2mb-alignment",
    ERROR,
    "the gpa of a PAGE_DATA with IS_2MB_PAGE must be a multiple of 2 MiB",
    "IgvmPageDataFlags.is_2mb_page",
)
def page_2mb_alignment(inspected: InspectedFile) -> Found:
    """A large page lies at a multiple of its size in hardware, and the specification says so.

    Neither the reference crate nor QEMU looks. Clear the flag, or move the page.
    """
    table = inspected.table(PageData)
    is_large = _has_any(inspected, PageDataFlags.IS_2MB_PAGE)
    yield from headers(table.index, is_large & (table[PageData.gpa] % PAGE_SIZE_2M != 0), "gpa")


@rule(
    "page-2mb-data",
    WARNING,
    "a PAGE_DATA with IS_2MB_PAGE should have no file data",
    "IgvmPageDataFlags.is_2mb_page",
)
def page_2mb_data(inspected: InspectedFile) -> Found:
    """Readers disagree about its contents, and so about the measurement.

    The specification does not say how much data there is. The reference crate and QEMU read
    4 KiB, QEMU fills the rest with zeroes, and the crate measures one page of 4 KiB. 512 pages of
    4 KiB mean the same everywhere.
    """
    table = inspected.table(PageData)
    is_large = _has_any(inspected, PageDataFlags.IS_2MB_PAGE)
    yield from headers(table.index, is_large & (table[PageData.file_offset] != 0), "file_offset")


@rule(
    "page-type",
    ERROR,
    "data_type must be one that the specification defines",
    "IGVM_VHS_PAGE_DATA.data_type, IgvmPageDataType",
)
def page_type(inspected: InspectedFile) -> Found:
    """There is no telling how to import the page; the reference crate refuses the file."""
    table = inspected.table(PageData)
    yield from headers(table.index, table[PageData.data_type] > max(PageDataType), "data_type")


@rule(
    "page-type-platform",
    WARNING,
    "SECRETS, CPUID_DATA and CPUID_XF should be for SEV_SNP alone",
    "IgvmPageDataType",
)
def page_type_platform(inspected: InspectedFile) -> Found:
    """Only the SNP firmware has such pages; the specification still asks itself about others.

    QEMU refuses them on SEV and SEV-ES, the reference crate crashes when it measures them for
    VBS, and on TDX they are measured as if they were normal.
    """
    import numpy as np

    table = inspected.table(PageData)
    is_special = table[PageData.data_type] != PageDataType.NORMAL
    others = np.uint32(inspected.declared_mask & ~inspected.mask_of(*_WITH_SPECIAL_PAGES))
    is_for_others = table[PageData.compatibility_mask] & others != 0
    yield from headers(table.index, is_special & is_for_others, "data_type")


@rule(
    "page-secrets-data",
    WARNING,
    "a SECRETS page should have no file data",
    "IgvmPageDataType.SECRETS; SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE",
)
def page_secrets_data(inspected: InspectedFile) -> Found:
    """The firmware fills the page; what the file has for it reaches nobody and is not measured."""
    table = inspected.table(PageData)
    is_secrets = table[PageData.data_type] == PageDataType.SECRETS
    yield from headers(table.index, is_secrets & (table[PageData.file_offset] != 0), "file_offset")


@rule(
    "page-unmeasured-shared",
    WARNING,
    "UNMEASURED and SHARED should not be set together",
    "IgvmPageDataFlags.unmeasured, shared",
)
def page_unmeasured_shared(inspected: InspectedFile) -> Found:
    """By the specification a shared page is not part of the measurement, with either flag.

    Together they leave open whether the page is private to the guest: QEMU and Cloud Hypervisor
    do not look at SHARED and import an unmeasured private page. Keep the one that is meant.
    """
    table = inspected.table(PageData)
    is_unmeasured = _has_any(inspected, PageDataFlags.UNMEASURED)
    is_shared = _has_any(inspected, PageDataFlags.SHARED)
    yield from headers(table.index, is_unmeasured & is_shared, "flags")


@rule(
    "page-special-flags",
    WARNING,
    "UNMEASURED and SHARED should be set for NORMAL pages only",
    "IgvmPageDataFlags.unmeasured, shared; IgvmPageDataType",
)
def page_special_flags(inspected: InspectedFile) -> Found:
    """The type of a secrets or CPUID page decides how it is imported, and the flag is lost.

    With SHARED, the reference crate leaves the page out of the measurement and others do not.
    """
    table = inspected.table(PageData)
    is_flagged = _has_any(inspected, PageDataFlags.UNMEASURED | PageDataFlags.SHARED)
    is_special = table[PageData.data_type] != PageDataType.NORMAL
    yield from headers(table.index, is_special & is_flagged, "flags")
