"""VP contexts as arrays: which format each has, and the registers of all VBS contexts in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.file.context_columns import context_columns
from igvm.spec.context import VBSContextHeader, VBSRegister
from igvm.spec.isolation import CONTEXT_FORMATS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.wire.record import Record

    Bools = NDArray[np.bool_]
    Positions = NDArray[np.intp]

ANY_VTL = 0xFF
"""The VTL of a context whose format does not name one."""

FORMATS = tuple(context.record for context in CONTEXT_FORMATS)
"""What a context may be."""


class RegisterColumns(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Every register of every VBS context, in the order of the file data; m registers."""

    owner: Positions
    """Position in the file of the first header that refers to the register's list; shape (m,),
    intp."""
    list_number: Positions
    """Which of the lists the register is in, shape (m,), intp."""
    row: NDArray[np.int64]
    """Its place in the list, shape (m,), int64."""
    at: NDArray[np.int64]
    """Its byte offset in the file, shape (m,), int64."""
    values: NDArray[np.void]
    """The VBSRegister records, shape (m,), structured."""


class InspectedContexts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The VP contexts of a file, in file order; n contexts."""

    index: Positions
    """Position of each header in the file, shape (n,), intp."""
    mask: NDArray[np.uint32]
    """Compatibility masks, shape (n,), uint32."""
    gpa: NDArray[np.uint64]
    """Guest addresses, shape (n,), uint64."""
    offset: NDArray[np.int64]
    """Byte offsets of the file data, shape (n,), int64."""
    vp_index: NDArray[np.uint16]
    """Shape (n,), uint16."""
    format: NDArray[np.int8]
    """Position in FORMATS; -1 where the mask does not decide it. Shape (n,), int8."""
    ambiguous: Bools
    """Whether the mask names platforms with different formats, shape (n,), bool."""
    size: NDArray[np.int64]
    """Bytes of file data; 0 where they cannot be known. Shape (n,), int64."""
    inside: Bools
    """Whether those bytes are in the file data, shape (n,), bool."""
    count: NDArray[np.int64]
    """Registers of a VBS context, as the file says; -1 elsewhere. Shape (n,), int64."""
    vtl: NDArray[np.uint8]
    """VTL of the first register; ANY_VTL elsewhere. Shape (n,), uint8."""
    list_number: Positions
    """Which of the register lists a VBS context refers to; -1 elsewhere. Shape (n,), intp."""
    registers: RegisterColumns
    unread: Positions
    """Headers whose register lists overlap others so much that they were left out; shape (k,),
    intp."""

    def of(self, *formats: type[Record]) -> Bools:
        """Which contexts have one of `formats`, shape (n,), bool."""
        import numpy as np

        is_chosen = np.zeros(len(FORMATS) + 1, bool)  # the last is for -1
        is_chosen[[FORMATS.index(record) for record in formats]] = True
        return is_chosen[self.format]

    def pages(self, record: type[Record]) -> tuple[Positions, NDArray[np.int64]]:
        """The different pages of contexts of format `record` that are in the file.

        Returns:
            Positions of the headers, shape (p,), intp, and byte offsets of the pages, shape (p,),
            int64.
        """
        import numpy as np

        rows = np.flatnonzero((self.format == FORMATS.index(record)) & self.inside)
        offsets, first = np.unique(self.offset[rows], return_index=True)
        return self.index[rows[first]], offsets


def read_contexts(inspected: InspectedFile) -> InspectedContexts:
    """Find out about every VP_CONTEXT of a file."""
    import numpy as np

    columns = context_columns(inspected.file)
    offset = columns.offset
    formats = np.where(columns.ambiguous, np.int8(-1), columns.format)
    after_headers = offset >= inspected.file.data_offset
    is_vbs = formats == FORMATS.index(VBSContextHeader)
    # A count that is not in the file data is none.
    count = np.where(is_vbs & after_headers, columns.count, -1)
    size = np.where(formats >= 0, columns.size, 0)
    size[is_vbs & ~after_headers] = VBSContextHeader.SIZE
    inside = (formats >= 0) & after_headers & (offset + size <= inspected.file_size)

    # Lists that do not overlap fit the file together; more is not read.
    with_list = np.flatnonzero(is_vbs & inside)
    starts, first, list_of_row = np.unique(
        offset[with_list], return_index=True, return_inverse=True
    )
    lengths = count[with_list[first]]
    is_read = np.cumsum(lengths) <= inspected.file_size // VBSRegister.SIZE
    list_number = np.full(len(offset), -1, np.intp)
    list_number[with_list] = np.where(is_read[list_of_row], list_of_row, -1)
    starts, lengths = starts[is_read], lengths[is_read]
    owners = columns.index[with_list[first[is_read]]]
    registers = _read_registers(inspected, starts, lengths, owners)
    vtl = np.full(len(offset), ANY_VTL, np.uint8)
    with_registers = np.flatnonzero((list_number >= 0) & (count > 0))
    first_registers = np.cumsum(lengths) - lengths
    vtl[with_registers] = registers.values["vtl"][first_registers[list_number[with_registers]]]
    return InspectedContexts(
        index=columns.index,
        mask=columns.mask,
        gpa=columns.gpa,
        offset=offset,
        vp_index=columns.vp_index,
        format=formats,
        ambiguous=columns.ambiguous,
        size=size,
        inside=inside,
        count=count,
        vtl=vtl,
        list_number=list_number,
        registers=registers,
        unread=columns.index[with_list[~is_read[list_of_row]]],
    )


def _read_registers(
    inspected: InspectedFile,
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    owners: Positions,
) -> RegisterColumns:
    """The registers of some lists.

    Args:
        inspected: the file, which has every register.
        starts: byte offset of each list, shape (k,), int64.
        lengths: registers of each, shape (k,), int64.
        owners: position of a header that refers to each, shape (k,), intp.
    """
    import numpy as np

    list_number = np.repeat(np.arange(len(starts)), lengths)
    row = np.arange(len(list_number)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at = starts[list_number] + VBSContextHeader.SIZE + row * VBSRegister.SIZE
    return RegisterColumns(
        owner=owners[list_number],
        list_number=list_number,
        row=row,
        at=at,
        values=inspected.payloads(VBSRegister)[at],
    )
