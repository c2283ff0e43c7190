"""VP contexts as columns: the format that each has, and where its registers lie in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.spec.directive import VPContext
from igvm.spec.enums import PAGE_SIZE_4K
from igvm.spec.isolation import CONTEXT_FORMATS, ISOLATIONS
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.spec.isolation import ContextFormat


class ContextColumns(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The VP_CONTEXT headers of a file, in file order; every array has shape (n,)."""

    index: NDArray[np.intp]
    """Position of each header in the file."""
    mask: NDArray[np.uint32]
    gpa: NDArray[np.uint64]
    vp_index: NDArray[np.uint16]
    offset: NDArray[np.int64]
    """Where the registers start in the file."""
    format: NDArray[np.int8]
    """Position in CONTEXT_FORMATS; -1 where the mask does not decide it."""
    ambiguous: NDArray[np.bool_]
    """Whether the mask names platforms with different formats, one of which may count."""
    size: NDArray[np.int64]
    """Bytes of the registers; 0 where they cannot be known."""
    count: NDArray[np.int64]
    """Elements of a counted list, as the file says; -1 elsewhere."""

    def of(self, *formats: ContextFormat) -> NDArray[np.bool_]:
        """Which contexts have one of `formats`."""
        import numpy as np

        chosen = np.zeros(len(CONTEXT_FORMATS) + 1, bool)  # the last is for -1
        chosen[[CONTEXT_FORMATS.index(context) for context in formats]] = True
        return chosen[self.format]


def context_columns(file: IgvmFile) -> ContextColumns:
    """Every VP_CONTEXT of `file`, whatever is wrong with it."""
    import numpy as np

    table = file.table(VPContext)
    mask = table[VPContext.compatibility_mask]
    offset = table[VPContext.file_offset].astype(np.int64)
    formats, ambiguous = context_formats(file, mask)
    size = np.where(formats >= 0, PAGE_SIZE_4K, 0).astype(np.int64)
    count = np.full(len(table), -1, np.int64)
    for number, context in enumerate(CONTEXT_FORMATS):
        if context.element is None:
            continue
        counted = formats == number
        size[counted] = context.record.SIZE
        known = counted & (offset + context.record.SIZE <= len(file.buffer))
        count[known] = _counts(file, offset[known])
        size[known] += count[known] * context.element.SIZE
    return ContextColumns(
        index=table.index,
        mask=mask,
        gpa=table[VPContext.gpa],
        vp_index=table[VPContext.vp_index],
        offset=offset,
        format=formats,
        ambiguous=ambiguous,
        size=size,
        count=count,
    )


def context_formats(
    file: IgvmFile, masks: NDArray[np.uint32]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Which of CONTEXT_FORMATS contexts with `masks` have; -1 where that cannot be known.

    The platforms of a mask must agree. Of platforms that share one mask bit the last counts, as
    for the igvm crate.

    Returns:
        Positions in CONTEXT_FORMATS, and where platforms of one mask have different formats; both
        of shape (n,).
    """
    import numpy as np

    formats = np.full(len(masks), -1, np.int8)
    named = np.zeros(len(masks), np.int8)
    for number, context in enumerate(CONTEXT_FORMATS):
        bits = 0
        for kind, isolation in ISOLATIONS.items():
            if isolation.context is context:
                bits |= file.platform_masks.get(kind, 0)
        has_format = masks & np.uint32(bits) != 0
        formats[has_format] = number
        named += has_format
    ambiguous = named > 1
    if ambiguous.any():
        formats[ambiguous] = _formats_of_last(file, masks[ambiguous])
    return formats, ambiguous


def _formats_of_last(file: IgvmFile, masks: NDArray[np.uint32]) -> NDArray[np.int8]:
    """Which of CONTEXT_FORMATS the last platform with exactly each of `masks` has, else -1."""
    import numpy as np

    table = file.table(SupportedPlatform)
    known, at_end = np.unique(table[SupportedPlatform.compatibility_mask][::-1], return_index=True)
    types = table[SupportedPlatform.platform_type][::-1][at_end]
    of_type = np.full(256, -1, np.int8)
    for kind, isolation in ISOLATIONS.items():
        if isolation.context is not None:
            of_type[kind] = CONTEXT_FORMATS.index(isolation.context)
    at = np.searchsorted(known, masks).clip(max=len(known) - 1)
    return np.where(known[at] == masks, of_type[types[at]], -1).astype(np.int8)


def _counts(file: IgvmFile, offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 32-bit numbers at `offsets` of the file, which need not be aligned."""
    import numpy as np

    octets = np.frombuffer(file.buffer, np.uint8)
    counts = np.zeros(len(offsets), np.int64)
    for byte in range(4):
        counts |= octets[offsets + byte].astype(np.int64) << (8 * byte)
    return counts
