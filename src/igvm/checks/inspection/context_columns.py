"""VP contexts as arrays: which format each has, and the registers of all VBS contexts in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.data import CONTEXT_FORMAT
from igvm.spec.context import CCAContext, NativeContextX64, VBSContextHeader, VBSRegister
from igvm.spec.directive import VPContext
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.wire.record import Record

    Bools = NDArray[np.bool_]
    Positions = NDArray[np.intp]

ANY_VTL = 0xFF
"""The VTL of a context whose format does not name one."""

FORMATS = (NativeContextX64, VBSContextHeader, SEVVMSA, CCAContext)
"""What a context may be."""


class Registers(msgspec.Struct, frozen=True, gc=False):
    """Every register of every VBS context, in the order of the file data."""

    owner: Positions
    """Position in the file of the first header that refers to the register's list."""
    which: Positions
    """Which of the lists the register is in."""
    row: NDArray[np.int64]
    """Its place in the list."""
    at: NDArray[np.int64]
    """Its byte offset in the file."""
    values: NDArray[np.void]
    """The VBSRegister records."""


class Contexts(msgspec.Struct, frozen=True, gc=False):
    """The VP contexts of a file, in file order."""

    index: Positions
    mask: NDArray[np.uint32]
    gpa: NDArray[np.uint64]
    offset: NDArray[np.int64]
    vp: NDArray[np.uint16]
    format: NDArray[np.int8]
    """Position in FORMATS; -1 where the mask does not decide it."""
    ambiguous: Bools
    """Whether the mask names platforms with different formats."""
    size: NDArray[np.int64]
    """Bytes of file data; 0 where they cannot be known."""
    inside: Bools
    """Whether those bytes are in the file data."""
    count: NDArray[np.int64]
    """Registers of a VBS context, as the file says; -1 elsewhere."""
    vtl: NDArray[np.uint8]
    """VTL of the first register; ANY_VTL elsewhere."""
    registers_at: Positions
    """Which of the register lists a VBS context refers to; -1 elsewhere."""
    registers: Registers
    unread: Positions
    """Headers whose register lists overlap others so much that they were left out."""

    def of(self, *formats: type[Record]) -> Bools:
        """Which contexts have one of `formats`."""
        import numpy as np

        chosen = np.zeros(len(FORMATS) + 1, bool)  # the last is for -1
        chosen[[FORMATS.index(one) for one in formats]] = True
        return chosen[self.format]

    def pages(self, one: type[Record]) -> tuple[Positions, NDArray[np.int64]]:
        """The different pages of contexts of format `one` in the file: header and offset."""
        import numpy as np

        rows = np.flatnonzero((self.format == FORMATS.index(one)) & self.inside)
        offsets, first = np.unique(self.offset[rows], return_index=True)
        return self.index[rows[first]], offsets


def read_contexts(facts: Facts) -> Contexts:
    """Find out about every VP_CONTEXT of a file."""
    import numpy as np

    table = facts.table(VPContext)
    mask = table[VPContext.compatibility_mask]
    offset = table[VPContext.file_offset].astype(np.int64)
    form = np.full(len(table), -1, np.int8)
    formats = np.zeros(len(table), np.int8)
    for number, one in enumerate(FORMATS):
        kinds = [PlatformType(kind) for kind, form_ in CONTEXT_FORMAT.items() if form_ is one]
        named = (mask & np.uint32(facts.bits(*kinds))) != 0
        form[named] = number
        formats += named
    form[formats > 1] = -1

    size = np.where(form >= 0, PAGE_SIZE_4K, 0).astype(np.int64)
    vbs = form == FORMATS.index(VBSContextHeader)
    size[vbs] = VBSContextHeader.SIZE
    start = offset >= facts.data_start
    count = np.full(len(table), -1, np.int64)
    known = vbs & start & (offset + VBSContextHeader.SIZE <= facts.size)
    count[known] = facts.payloads(VBSContextHeader)["register_count"][offset[known]]
    size[known] += count[known] * VBSRegister.SIZE
    inside = (form >= 0) & start & (offset + size <= facts.size)

    # Lists that do not overlap fit the file together; more is not read.
    wanted = np.flatnonzero(vbs & inside)
    starts, first, which = np.unique(offset[wanted], return_index=True, return_inverse=True)
    lengths = count[wanted[first]]
    read = np.cumsum(lengths) <= facts.size // VBSRegister.SIZE
    rows = np.full(len(table), -1, np.intp)
    rows[wanted] = np.where(read[which], which, -1)
    starts, lengths, owners = starts[read], lengths[read], table.index[wanted[first[read]]]
    registers = _registers(facts, starts, lengths, owners)
    vtl = np.full(len(table), ANY_VTL, np.uint8)
    filled = np.flatnonzero((rows >= 0) & (count > 0))
    heads = np.cumsum(lengths) - lengths
    vtl[filled] = registers.values["vtl"][heads[rows[filled]]]
    return Contexts(
        table.index,
        mask,
        table[VPContext.gpa],
        offset,
        table[VPContext.vp_index],
        form,
        formats > 1,
        size,
        inside,
        count,
        vtl,
        rows,
        registers,
        table.index[wanted[~read[which]]],
    )


def _registers(
    facts: Facts, starts: NDArray[np.int64], lengths: NDArray[np.int64], owners: Positions
) -> Registers:
    """The registers of lists at `starts` with so many registers each."""
    import numpy as np

    which = np.repeat(np.arange(len(starts)), lengths)
    row = np.arange(len(which)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = starts[which] + VBSContextHeader.SIZE + row * VBSRegister.SIZE
    return Registers(owners[which], which, row, at, facts.payloads(VBSRegister)[at])
