"""The form in which the reference writes a file: the same meaning, and one sequence of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.file.data import context_format
from igvm.file.dedup import References
from igvm.file.join import join
from igvm.file.lift import Lifted
from igvm.file.read import parse
from igvm.file.write import write
from igvm.spec.context import VBSContextHeader, VBSRegister
from igvm.spec.directive import RequiredMemory, SNPIDBlock, VPContext
from igvm.spec.enums import Architecture, RelocatableRegionFlags, RequiredMemoryFlags, Section
from igvm.spec.hyperv import (
    ARM64_STORABLE,
    X64_SEGMENT_REGISTERS,
    X64_STORABLE,
    X64_TABLE_REGISTERS,
)
from igvm.spec.initialization import RelocatableRegion
from igvm.spec.registry import TYPE_OF
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile

_ALL_FLAGS = {
    RelocatableRegion: sum(RelocatableRegionFlags),
    RequiredMemory: sum(RequiredMemoryFlags),
}
"""Flags that the reference keeps; it keeps all bits of a page's."""


def canonical(file: IgvmFile) -> IgvmFile:
    """`file` as the igvm crate 0.5.0 writes what it has parsed, byte for byte.

    Headers with an empty mask go, reserved bits and padding become zero, and the data follows the
    headers in their order, equal blobs once. What the crate would not parse but can be written is
    kept: optional and unknown headers, a version string, pages of 2 MiB, further page sizes;
    headers in the wrong section are moved, bytes that are no header go.

    Raises:
        ValidationError: the data of a header is not in the file, or a fixed header cannot say
            what this file's says.
    """
    import numpy as np

    keep = (file.masks != 0) | (file.sections == Section.PLATFORM)
    lifted = Lifted(file, np.flatnonzero(keep))
    _clear_padding(lifted)
    _clear_reserved(lifted)
    _clear_contexts(lifted)
    parts = write(
        lifted.section,
        _with_clear_registers(lifted),
        revision=file.revision,
        architecture=file.architecture,
        page_size=file.page_size,
    )
    return parse(join(parts))


def _clear_padding(lifted: Lifted) -> None:
    """Zero the bytes between a body and the next multiple of eight."""
    import numpy as np

    rows = np.flatnonzero(lifted.lengths & 7)
    length = lifted.lengths[rows].astype(np.int64)
    last = (lifted.offset[rows] + 8 + length) // 8
    bits = (length & 7).astype(np.uint64) * np.uint64(8)
    lifted.section.view("<u8")[last] &= (np.uint64(1) << bits) - np.uint64(1)


def _clear_reserved(lifted: Lifted) -> None:
    """Zero reserved fields and flags; those of an ID block stay as they are."""
    for record in TYPE_OF:
        names = [item.name for item in record.FIELDS if item.is_reserved]
        if record is SNPIDBlock or not (names or record in _ALL_FLAGS):
            continue
        rows = lifted.rows(record)
        if not len(rows):
            continue
        for name in names:
            lifted.change(record, name, rows, 0)
        if record in _ALL_FLAGS:
            flags = lifted.column(record, "flags", rows)
            lifted.change(record, "flags", rows, flags & flags.dtype.type(_ALL_FLAGS[record]))


def _clear_contexts(lifted: Lifted) -> None:
    """Zero the gpa where it is not that of a VMSA."""
    import numpy as np

    file = lifted.file
    rows = lifted.rows(VPContext)
    plain = [context_format(file, file.header(int(i))) is not SEVVMSA for i in lifted.index[rows]]
    lifted.change(VPContext, "gpa", rows[np.array(plain, np.bool_)], 0)


def _with_clear_registers(lifted: Lifted) -> References:
    """The references, those to VBS registers leading to lists without bits that mean nothing."""
    import numpy as np

    old = lifted.references
    which, start = old.which.copy(), old.start.copy()
    buffers = list(old.buffers)
    done: dict[tuple[int, int], int] = {}
    for row in np.flatnonzero(lifted.registers).tolist():
        place = int(old.start[row]), int(old.size[row])
        if place not in done:
            done[place] = len(buffers)
            found = lifted.file.buffer[place[0] : place[0] + place[1]]
            buffers.append(memoryview(clear_registers(found, lifted.file.architecture)))
        which[row], start[row] = done[place], 0
    return References(buffers, old.at, which, start, old.size)


def clear_registers(data: bytes | memoryview, architecture: Architecture) -> bytes:
    """A VBS register list as the reference writes it.

    The bytes between name and value, the upper half of a 64 bit value and the padding of a table
    register become zero; registers that the reference does not know keep their whole value.
    """
    import numpy as np

    registers = np.frombuffer(data, VBSRegister.dtype(), offset=VBSContextHeader.SIZE).copy()
    registers["mbz"] = 0
    if architecture == Architecture.AARCH64:
        tables: frozenset[int] = frozenset()
        numbers: frozenset[int] = ARM64_STORABLE
    else:
        tables = X64_TABLE_REGISTERS
        numbers = X64_STORABLE - X64_TABLE_REGISTERS - X64_SEGMENT_REGISTERS
    names: NDArray[np.uint32] = registers["register_name"]
    values: NDArray[np.uint8] = registers["register_value"]
    values[np.isin(names, [int(name) for name in tables]), :6] = 0
    values[np.isin(names, [int(name) for name in numbers]), 8:] = 0
    return bytes(data[: VBSContextHeader.SIZE]) + registers.tobytes()
