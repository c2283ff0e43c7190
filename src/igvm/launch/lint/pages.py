"""Pages whose flags or types a loader does not look at, changes or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    CH_KVM,
    CH_MSHV,
    IGVM_RUN,
    OPENVMM,
    OPENVMM_IGVM,
    OPENVMM_KVM,
    QEMU,
    QEMU_SNP,
    SEV_C,
    TCG,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

_MOST_LEAVES = 64


def _pages(facts: LoaderFacts) -> NDArray[np.void]:
    return facts.of(HeaderType.PAGE_DATA)


def _report(
    rows: NDArray[np.void], where: NDArray[np.bool_], field: str, text: str = "{field} is {shown}"
) -> Found:
    """The headers of `rows` at `where`."""
    if where.any():
        yield Many(rows["header"][where], field, text)


@loader_rule(
    "page-2mb",
    QEMU,
    WARNING,
    "{who} gets 4 KiB of data for a page of 2 MiB from libigvm, and fills the rest with zeroes",
    IGVM_RUN,
)
def qemu_2mb(facts: LoaderFacts) -> Found:
    """What the file has for the other 511 pages is not loaded. Write 512 pages of 4 KiB."""
    rows = _pages(facts)
    yield from _report(rows, (rows["pages"] == 512) & (rows["source"] >= 0), "flags")


@loader_rule("page-2mb", CH, WARNING, "{who} loads one page of 4 KiB for a page of 2 MiB", CH_IGVM)
@loader_rule(
    "page-2mb", OPENVMM, WARNING, "{who} loads one page of 4 KiB for a page of 2 MiB", OPENVMM_IGVM
)
def small_2mb(facts: LoaderFacts) -> Found:
    """The flag is not looked at, and the other 511 pages are not part of the launch."""
    rows = _pages(facts)
    yield from _report(rows, rows["pages"] == 512, "flags")


@loader_rule(
    "page-shared",
    QEMU_SNP,
    WARNING,
    "{who} does not look at the SHARED flag: the page is private and measured",
    SEV_C,
)
@loader_rule(
    "page-shared",
    CH,
    WARNING,
    "{who} does not look at the SHARED flag: the page is private and measured",
    CH_IGVM,
)
def page_shared(facts: LoaderFacts) -> Found:
    """A guest that expects to share the page with its host must change it itself first."""
    rows = _pages(facts)
    shared = rows["flags"] & int(PageDataFlags.SHARED) != 0
    yield from _report(rows, shared & (rows["data_type"] == PageDataType.NORMAL), "flags")


@loader_rule(
    "page-special",
    TCG,
    NOTE,
    "{who} copies pages of every type and flag alike into a NATIVE guest",
    IGVM_RUN,
)
def native_special(facts: LoaderFacts) -> Found:
    """Nobody fills in secrets or CPUID values there."""
    rows = _pages(facts)
    yield from _report(rows, rows["data_type"] != PageDataType.NORMAL, "data_type")


@loader_rule(
    "page-special",
    OPENVMM,
    NOTE,
    "{who} loads pages of every type alike into a guest of VSM_ISOLATION",
    OPENVMM_IGVM,
)
def vbs_special(facts: LoaderFacts) -> Found:
    """Nobody fills in secrets or CPUID values there. Such pages are for SEV-SNP."""
    rows = _pages(facts)
    if facts.platform == PlatformType.VSM_ISOLATION:
        yield from _report(rows, rows["data_type"] != PageDataType.NORMAL, "data_type")


@loader_rule("page-cpuid-xf", CH, ERROR, "{who} panics at a page of type CPUID_XF", CH_IGVM)
@loader_rule(
    "page-cpuid-xf",
    OPENVMM,
    ERROR,
    "for SEV_SNP {who} on KVM refuses a page of type CPUID_XF",
    "openvmm 1488a37, vmm_core/virt_kvm/src/arch/x86_64/snp.rs",
)
def cpuid_xf(facts: LoaderFacts) -> Found:
    """Use CPUID_DATA: the firmware treats both alike."""
    rows = _pages(facts)
    if facts.platform != PlatformType.SEV_SNP:
        return
    yield from _report(rows, rows["data_type"] == PageDataType.CPUID_XF, "data_type")


@loader_rule(
    "page-cpuid",
    QEMU_SNP,
    NOTE,
    "{who} puts its own table into CPUID pages, whatever the file has there",
    SEV_C,
)
@loader_rule(
    "page-cpuid",
    CH_KVM,
    NOTE,
    "{who} puts its own table into CPUID pages, whatever the file has there",
    CH_IGVM,
)
@loader_rule(
    "page-cpuid",
    OPENVMM,
    NOTE,
    "for SEV_SNP {who} puts its own table into CPUID pages, whatever the file has there",
    OPENVMM_KVM,
)
def cpuid_replaced(facts: LoaderFacts) -> Found:
    """The leaves that the file asks for do not matter. CPUID pages are not measured."""
    if facts.platform != PlatformType.SEV_SNP:
        return
    rows = _pages(facts)
    kinds = (rows["data_type"] == PageDataType.CPUID_DATA) | (
        rows["data_type"] == PageDataType.CPUID_XF
    )
    yield from _report(rows, kinds & (rows["source"] >= 0), "file_offset")


@loader_rule(
    "page-cpuid",
    CH_MSHV,
    ERROR,
    "{who} fills in the leaves of a CPUID page that has data and at most 64 of them, and crashes "
    "on others",
    CH_IGVM,
)
def cpuid_page(facts: LoaderFacts) -> Found:
    """It reads the count through a pointer to the data, which is nowhere for a page without.

    List the leaves that the guest needs.
    """
    import numpy as np

    rows = _pages(facts)
    rows = rows[rows["data_type"] == PageDataType.CPUID_DATA]
    if not len(rows):
        return
    source = rows["source"]
    empty = source < 0
    octets = facts.octets
    counts = np.zeros(len(rows), np.uint32)
    for byte in range(4):
        counts |= octets[np.where(empty, 0, source) + byte].astype(np.uint32) << np.uint32(8 * byte)
    bad = np.flatnonzero(empty | (counts > _MOST_LEAVES))

    def place(number: int) -> Place:
        at = int(bad[number])
        header = int(rows["header"][at])
        if empty[at]:
            return Place("the page has no data", header, field="file_offset")
        count = int(counts[at])
        offset = int(source[at])
        return Place(f"the page counts {count} leaves", header, None, "count", offset, count)

    if len(bad):
        yield Lazy(len(bad), place)
