"""OVMF in a file: pages that its SEV metadata wants, and that no header loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Lazy, Place
from igvm.errors import FormatError
from igvm.launch.flash import Flash
from igvm.launch.plan import PAGE
from igvm.launch.rules.start_rules import RESET_PAGE
from igvm.launch.rules.vmsa_rules import vmsas
from igvm.sources.ovmf import sev_sections
from igvm.spec.enums import HeaderType, PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch


def uncovered(inspected: InspectedLaunch) -> Found:
    """Firmware that reads such a page gets an exception that it does not expect, and ends.

    edk2 takes memory from 0x800000 to 0x82ffff for validated, all but the page of its GHCB, and
    its build for AMD SEV looks for the hashes of a kernel at the section for them. buildigvm
    leaves that section out. Load the page, of zeroes where the file has nothing for it.

    Looked at is OVMF below 4 GiB in which the guest starts: an SVSM prepares the pages itself.
    """
    import numpy as np

    if inspected.platform != PlatformType.SEV_SNP or not _starts_in_firmware(inspected):
        return
    if inspected.asked_for is None:
        return
    flash = Flash(inspected.asked_for)
    try:
        sections = sev_sections(flash.image)
    except FormatError:
        return
    header = int(flash.rows["header"][-1])
    starts, ends = _loaded(inspected)
    found: list[tuple[int, int, str]] = []
    for section in sections:
        first, end = section.gpa // PAGE, -(-(section.gpa + section.size) // PAGE)
        while section.size and first < end:
            at = int(np.searchsorted(starts, first, side="right")) - 1
            if at >= 0 and int(ends[at]) > first:
                first = int(ends[at])
                continue
            following = int(starts[at + 1]) if at + 1 < len(starts) else end
            found.append((first * PAGE, min(following, end) * PAGE, section.type.name))
            break

    def place(number: int) -> Place:
        start, end, name = found[number]
        message = f"no header loads [{start:#x}, {end:#x}), which its metadata has as {name}"
        return Place(message, header, field="gpa", value=start)

    if found:
        yield Lazy(len(found), place)


def _starts_in_firmware(inspected: InspectedLaunch) -> bool:
    """Whether vCPU 0 starts in the last page below 4 GiB, as it does without a context."""
    contexts = vmsas(inspected)
    first = (contexts.vp_index == 0).nonzero()[0]
    if not len(first):
        return inspected.is_readable and not len(contexts.header)
    row = int(first[0])
    base, rip = int(contexts.column("cs")["base"][row]), int(contexts.column("rip")[row])
    return (base + rip) // PAGE == RESET_PAGE // PAGE


def _loaded(inspected: InspectedLaunch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pages that the file loads as runs that do not touch, each from a number to another.

    Returns:
        First pages, ascending, shape (n,), int64; and the pages after the last, shape (n,), int64.
    """
    import numpy as np

    rows = inspected.of(HeaderType.PAGE_DATA, HeaderType.PARAMETER_INSERT)
    rows = rows[rows["pages"] > 0]
    rows = rows[rows["gpa"].argsort(kind="stable")]
    first = (rows["gpa"] >> np.uint64(12)).astype(np.int64)
    end = np.maximum.accumulate(first + rows["pages"].astype(np.int64)) if len(rows) else first
    opens = np.ones(len(rows), bool)
    opens[1:] = first[1:] > end[:-1]
    closes = np.append(opens[1:], True)[: len(opens)]
    return first[opens], end[closes]
