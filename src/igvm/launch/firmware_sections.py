"""What OVMF's SEV metadata says of the pages of a plan: which are the calling area of an SVSM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.launch.plan import MEMORY, PAGE
from igvm.sources.ovmf import SectionType, sev_sections

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.plan import LaunchPlan

_LAST_PAGE = 0xFFFFF000


def calling_areas(plan: LaunchPlan) -> NDArray[np.bool_]:
    """Which rows of `plan` lie in a calling area that firmware below 4 GiB has, shape (n,).

    The metadata is looked for in the firmware's last page, where OVMF has it.
    """
    import numpy as np

    rows = plan.rows
    result = np.zeros(len(rows), bool)
    sizes = rows["loaded"] * np.uint64(PAGE)
    covers = (rows["gpa"] <= _LAST_PAGE) & (np.uint64(_LAST_PAGE) - rows["gpa"] < sizes)
    last = rows[covers & plan.of(*MEMORY) & (rows["source"] >= 0)]
    if len(last) != 1:
        return result
    start = int(last["source"][0]) + _LAST_PAGE - int(last["gpa"][0])
    try:
        sections = sev_sections(plan.content(start))
    except FormatError:
        return result
    for section in sections:
        if section.type == SectionType.SVSM_CAA:
            inside = (rows["gpa"] >= section.gpa) & (rows["gpa"] < section.gpa + section.size)
            result |= inside & plan.of(*MEMORY)
    return result
