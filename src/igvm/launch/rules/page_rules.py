"""Pages whose flags or types a loader does not look at, changes or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Many, Place
from igvm.spec.enums import HeaderType, PageDataFlags, PageDataType, PlatformType
from igvm.spec.snp_structures import MOST_LEAVES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch


def _pages(inspected: InspectedLaunch) -> NDArray[np.void]:
    return inspected.of(HeaderType.PAGE_DATA)


def _report(
    rows: NDArray[np.void], where: NDArray[np.bool_], field: str, text: str = "{field} is {shown}"
) -> Found:
    """The headers of `rows` at `where`."""
    if where.any():
        yield Many(rows["header"][where], field, text)


def qemu_2mb(inspected: InspectedLaunch) -> Found:
    """What the file has for the other 511 pages is not loaded. Write 512 pages of 4 KiB."""
    rows = _pages(inspected)
    yield from _report(rows, (rows["pages"] == 512) & (rows["source"] >= 0), "flags")


def small_2mb(inspected: InspectedLaunch) -> Found:
    """The flag is not looked at, and the other 511 pages are not part of the launch."""
    rows = _pages(inspected)
    yield from _report(rows, rows["pages"] == 512, "flags")


def page_shared(inspected: InspectedLaunch) -> Found:
    """A guest that expects to share the page with its host must change it itself first."""
    rows = _pages(inspected)
    shared = rows["flags"] & int(PageDataFlags.SHARED) != 0
    yield from _report(rows, shared & (rows["data_type"] == PageDataType.NORMAL), "flags")


def native_special(inspected: InspectedLaunch) -> Found:
    """Nobody fills in secrets or CPUID values there."""
    rows = _pages(inspected)
    yield from _report(rows, rows["data_type"] != PageDataType.NORMAL, "data_type")


def vbs_special(inspected: InspectedLaunch) -> Found:
    """Nobody fills in secrets or CPUID values there. Such pages are for SEV-SNP."""
    rows = _pages(inspected)
    if inspected.platform == PlatformType.VSM_ISOLATION:
        yield from _report(rows, rows["data_type"] != PageDataType.NORMAL, "data_type")


def cpuid_xf(inspected: InspectedLaunch) -> Found:
    """Use CPUID_DATA, for which the firmware has a type of page."""
    rows = _pages(inspected)
    if inspected.platform != PlatformType.SEV_SNP:
        return
    yield from _report(rows, rows["data_type"] == PageDataType.CPUID_XF, "data_type")


def cpuid_replaced(inspected: InspectedLaunch) -> Found:
    """The leaves that the file asks for do not matter. CPUID pages are not measured."""
    if inspected.platform != PlatformType.SEV_SNP:
        return
    rows = _pages(inspected)
    kinds = (rows["data_type"] == PageDataType.CPUID_DATA) | (
        rows["data_type"] == PageDataType.CPUID_XF
    )
    yield from _report(rows, kinds & (rows["source"] >= 0), "file_offset")


def cpuid_page(inspected: InspectedLaunch) -> Found:
    """It reads the count through a pointer to the data, which is nowhere for a page without.

    List the leaves that the guest needs.
    """
    import numpy as np

    rows = _pages(inspected)
    rows = rows[rows["data_type"] == PageDataType.CPUID_DATA]
    if not len(rows):
        return
    source = rows["source"]
    empty = source < 0
    octets = inspected.octets
    counts = np.zeros(len(rows), np.uint32)
    for byte in range(4):
        counts |= octets[np.where(empty, 0, source) + byte].astype(np.uint32) << np.uint32(8 * byte)
    bad = np.flatnonzero(empty | (counts > MOST_LEAVES))

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
