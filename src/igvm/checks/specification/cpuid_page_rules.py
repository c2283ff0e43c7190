"""CPUID pages: the leaves that a guest asks the SNP firmware to vouch for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection import cpuid_pages
from igvm.checks.inspection.cpuid_pages import used_entries
from igvm.checks.inspection.record_fields import field_offset, not_zero
from igvm.checks.rule import Lazy, Place, rule
from igvm.spec.snp_structures import MOST_LEAVES, CPUIDPage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

WARNING, NOTE = Severity.WARNING, Severity.NOTE

_ABI = "SEV-SNP firmware ABI (AMD 56860), CPUID page"
_LINUX = "Linux, arch/x86/boot/startup/sev-shared.c"


@rule(
    "cpuid-count",
    WARNING,
    f"a CPUID page has room for {MOST_LEAVES} leaves",
    f"{_ABI}; {_LINUX}",
)
def cpuid_count(inspected: InspectedFile) -> Found:
    """Linux ends where the page counts more, and Cloud Hypervisor on MSHV crashes.

    QEMU, and OpenVMM and Cloud Hypervisor on KVM, write a table of their own over the page.
    """
    pages = inspected.cpuid_pages
    count = pages.counts
    rows = (count > MOST_LEAVES).nonzero()[0]

    def place(number: int) -> Place:
        row = int(rows[number])
        value = int(count[row])
        return Place(
            f"the page counts {value} leaves",
            int(pages.header[row]),
            field="count",
            offset=int(pages.offset[row]),
            value=value,
        )

    if len(rows):
        yield Lazy(len(rows), place)


@rule(
    "cpuid-leaf-twice",
    WARNING,
    "a CPUID page should have a leaf once",
    f"{_ABI}; {_LINUX}",
)
def cpuid_leaf_twice(inspected: InspectedFile) -> Found:
    """Linux takes the first of two leaves that are alike; the second takes room.

    A leaf is known by EAX, ECX, XCR0 and XSS. Pages whose count is too large are not looked at.
    QEMU, and OpenVMM and Cloud Hypervisor on KVM, write a table of their own over the page.
    """
    yield from cpuid_pages.repeated_leaves(inspected.cpuid_pages)


@rule(
    "cpuid-state",
    WARNING,
    "XCR0 and XSS should be zero for leaves other than 0xd",
    f"{_ABI}; Oak, CpuidInput",
)
def cpuid_state(inspected: InspectedFile) -> Found:
    """No other leaf depends on which processor state is enabled."""
    yield from cpuid_pages.stray_states(inspected.cpuid_pages)


@rule(
    "cpuid-xsave-state",
    NOTE,
    "leaf 0xd, subleaves 0 and 1, is looked for with XCR0 1 or 3 and XSS 0 by Linux",
    f"{_LINUX}; coconut-svsm pull 511 and issue 1057",
)
def cpuid_xsave_state(inspected: InspectedFile) -> Found:
    """Where the page is taken as a template, such a guest does not find the leaf.

    It then has a leaf of zeroes. COCONUT-SVSM looked for XCR0 1 for a while; now neither its
    builder nor its kernel goes by XCR0. On KVM loaders write a table of their own.
    """
    yield from cpuid_pages.unfound_states(inspected.cpuid_pages)


@rule(
    "cpuid-xsave-avx512",
    NOTE,
    "firmware was seen to refuse subleaves 5 to 7 of leaf 0xd where the host hides AVX-512",
    "igvm-tooling pull 58",
)
def cpuid_xsave_avx512(inspected: InspectedFile) -> Found:
    """On processors with AVX-512 the firmware does not let zeroes through for its state.

    A page without these subleaves was accepted there. Where the host offers AVX-512 a guest needs
    them. On KVM loaders write a table of their own.
    """
    yield from cpuid_pages.avx512_without_answer(inspected.cpuid_pages)


@rule(
    "cpuid-xsave-cet",
    NOTE,
    "without subleaves 11 and 12 of leaf 0xd Linux was seen to end on hosts with CET",
    f"igvm-tooling pull 60; {_LINUX}",
)
def cpuid_xsave_cet(inspected: InspectedFile) -> Found:
    """Subleaf 1 says which state there is, and Linux adds up the sizes of all that is enabled.

    Without a subleaf for one of them it ends the guest early. Where the host has no CET the
    firmware answers with zeroes. On KVM loaders write a table of their own.
    """
    yield from cpuid_pages.without_cet(inspected.cpuid_pages)


@rule(
    "cpuid-reserved",
    WARNING,
    "reserved bytes of a CPUID page and entries past its count should be zero",
    _ABI,
)
def cpuid_reserved(inspected: InspectedFile) -> Found:
    """The firmware may refuse the page, or give the bytes a meaning in a later revision.

    Pages whose count is too large are not looked at.
    """
    import numpy as np

    pages = inspected.cpuid_pages
    first = np.full(len(pages.offset), -1, np.int32)
    for rows, records in pages.batches():
        first[rows] = _first_stray(records)
    bad = np.flatnonzero(first >= 0)

    def place(number: int) -> Place:
        row = int(bad[number])
        within = int(first[row])
        offset = int(pages.offset[row]) + within
        value = inspected.file.buffer[offset]
        return Place(
            f"the byte at {within:#x} of the page is {value:#04x}",
            int(pages.header[row]),
            offset=offset,
            value=value,
        )

    if len(bad):
        yield Lazy(len(bad), place)


def _first_stray(pages: NDArray[np.void]) -> NDArray[np.int32]:
    """The first byte of each of `pages` that is not zero and should be, shape (b,); -1 for none."""
    import numpy as np

    octets = np.ascontiguousarray(pages).view(np.uint8).reshape(len(pages), -1)
    # What may be anything: the count, and all but the reserved bytes of the entries in use.
    is_free = np.zeros(octets.shape, bool)
    is_free[:, :4] = True
    start = field_offset(CPUIDPage, "entries")
    end = field_offset(CPUIDPage, "reserved2")
    entries = is_free[:, start:end].reshape(len(pages), MOST_LEAVES, -1)
    entries[:, :, :-8] = used_entries(pages)[:, :, None]
    is_stray = (octets != 0) & ~is_free & (pages["count"] <= MOST_LEAVES)[:, None]
    return np.where(not_zero(is_stray.view(np.uint8)), is_stray.argmax(axis=1), -1).astype(np.int32)
