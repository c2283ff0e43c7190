"""The firmware that lies just below 4 GiB: its pages in a plan, and its bytes as one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.launch.plan import MEMORY, PAGE
from igvm.sources.ovmf import SEV_ES_RESET, guid_table, number, sev_sections
from igvm.spec.directive import PageData
from igvm.spec.enums import HeaderType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.launch.plan import LaunchPlan
    from igvm.sources.ovmf import SectionType
    from igvm.spec.enums import PlatformType

FOUR_GIB = 1 << 32
MOST_FLASH = 32 << 20
"""Bytes of firmware that are looked at; QEMU takes 8 MiB unless told otherwise."""
_CONTENTS = (Operation.NORMAL, Operation.UNMEASURED, Operation.SHARED)


class Flash:
    """The pages of a plan that end at 4 GiB, one after the other, as the image that they are.

    Attributes:
        rows: the rows of the plan, in the order of their addresses, shape (n,); none where no
            page is at 4 GiB - 4 KiB.
        image: the bytes of all of them.
        gpa: where they start.
    """

    def __init__(self, plan: LaunchPlan) -> None:
        self.rows = plan.rows[_flash_rows(plan)]
        sources = self.rows["source"]
        self.gpa = FOUR_GIB - len(self.rows) * PAGE
        self._start = int(sources[0]) if len(sources) else 0
        self._is_whole = bool(
            self._start >= 0 and (sources[1:] - sources[:-1] == PAGE).all()
        )  # fmt: skip
        self.image: bytes | memoryview
        if self._is_whole:
            self.image = plan.content(self._start, len(self.rows) * PAGE)
        else:
            self.image = b"".join(plan.content(source) for source in sources.tolist())

    def source(self, offset: int) -> int | None:
        """The source of the bytes from `offset` of the image on, where the file has them in one."""
        return self._start + offset if self._is_whole else None

    def ap_start(self) -> int | None:
        """Where vCPUs other than the first start, by the firmware's SEV-ES reset block.

        Raises:
            FormatError: there is no table of GUIDs, or it is damaged.
        """
        return number(guid_table(self.image).get(SEV_ES_RESET, b"")) or None


def has_firmware(file: IgvmFile, platform: PlatformType) -> bool:
    """Whether a page of `platform` is where a processor starts, the last below 4 GiB."""
    pages = file.table(PageData)
    is_last = pages[PageData.gpa] == FOUR_GIB - PAGE
    masks = pages[PageData.compatibility_mask][is_last]
    return any(int(mask) & file.platform_masks[platform] for mask in masks)


def in_sections(plan: LaunchPlan, *types: SectionType) -> NDArray[np.bool_]:
    """Which rows of `plan` lie in sections of these `types` of its firmware's SEV metadata.

    Returns:
        Shape (n,); none where it has no firmware or that has no metadata.
    """
    import numpy as np

    rows = plan.rows
    result = np.zeros(len(rows), bool)
    try:
        sections = sev_sections(Flash(plan).image)
    except FormatError:
        return result
    for section in sections:
        if section.type in types:
            inside = (rows["gpa"] >= section.gpa) & (rows["gpa"] < section.gpa + section.size)
            result |= inside & plan.of(*MEMORY)
    return result


def _flash_rows(plan: LaunchPlan) -> NDArray[np.intp]:
    """Positions of the rows whose pages are the firmware, in the order of their addresses."""
    import numpy as np

    rows = plan.rows
    is_page = plan.from_headers(HeaderType.PAGE_DATA) & plan.of(*_CONTENTS)
    is_page &= (rows["loaded"] == 1) & (rows["pages"] == 1) & (rows["gpa"] < FOUR_GIB)
    is_page &= rows["gpa"] >= FOUR_GIB - MOST_FLASH
    index = np.flatnonzero(is_page)
    index = index[rows["gpa"][index].argsort(kind="stable")]
    gpas = rows["gpa"][index]
    # Of several pages at one address the last is there when the guest starts.
    index = index[np.append(gpas[1:] != gpas[:-1], np.ones(len(gpas[:1]), bool))]
    gpas = rows["gpa"][index]
    wanted = FOUR_GIB - PAGE * np.arange(len(gpas), 0, -1, dtype=np.uint64)
    astray = np.flatnonzero(gpas != wanted)
    start = int(astray[-1]) + 1 if len(astray) else 0
    found: NDArray[np.intp] = index[start:]
    return found
