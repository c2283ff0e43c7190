"""The leaves of CPUID pages, for loaders that take the file's list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.inspection import cpuid_pages
from igvm.spec.enums import HeaderType, PageDataType

if TYPE_CHECKING:
    from igvm.checks.inspection.cpuid_pages import CPUIDPages
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch


def _pages(inspected: InspectedLaunch) -> CPUIDPages:
    """The CPUID pages that the platform loads."""
    rows = inspected.of(HeaderType.PAGE_DATA)
    rows = rows[rows["data_type"] == PageDataType.CPUID_DATA]
    return cpuid_pages.pages_at(inspected, rows["header"], rows["source"])


def leaf_twice(inspected: InspectedLaunch) -> Found:
    """Linux takes the first of two that are alike. Leave the other out."""
    yield from cpuid_pages.repeated_leaves(_pages(inspected))


def xsave_state(inspected: InspectedLaunch) -> Found:
    """A guest that looks for XCR0 1 or 3, as Linux does, has zeroes for the leaf."""
    yield from cpuid_pages.unfound_states(_pages(inspected))


def xsave_avx512(inspected: InspectedLaunch) -> Found:
    """Seen on hosts whose processor has AVX-512 and whose guests do not.

    Leave the subleaves out for such hosts; guests that have AVX-512 need them.
    """
    yield from cpuid_pages.avx512_without_answer(_pages(inspected))


def xsave_cet(inspected: InspectedLaunch) -> Found:
    """Subleaf 1 names the state of CET there, and Linux ends where its size is not to be found.

    Add both subleaves: on other hosts the answer is zeroes.
    """
    yield from cpuid_pages.without_cet(_pages(inspected))
