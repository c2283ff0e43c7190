"""The form in which the reference writes a file: the same meaning, and one sequence of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import ValidationError
from igvm.file.argument_kinds import require_file
from igvm.file.context_columns import context_columns
from igvm.file.read import parse
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
from igvm.spec.isolation import CONTEXT_FORMATS
from igvm.spec.registry import TYPE_OF
from igvm.storage.join import join
from igvm.write.deduplication import References
from igvm.write.editable_headers import EditableHeaders
from igvm.write.writer import write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile

_ALL_FLAGS = {
    RelocatableRegion: sum(RelocatableRegionFlags),
    RequiredMemory: sum(RequiredMemoryFlags),
}
"""Flags that the reference keeps; it keeps all bits of a page's."""


MOST_BARE_HEADERS = 10 << 20
"""Bytes of headers that are written anew where the file has less data than that: 64 MiB of work."""


def canonical(file: IgvmFile) -> IgvmFile:
    """`file` as the igvm crate 0.5.0 writes what it has parsed, byte for byte.

    Headers with an empty mask go, reserved bits and padding become zero, and the data follows the
    headers in their order, equal blobs once. What the crate would not parse but can be written is
    kept: optional and unknown headers, a version string, pages of 2 MiB, further page sizes;
    headers in the wrong section are moved, bytes that are no header go.

    Raises:
        ValidationError: the data of a header is not in the file, a fixed header cannot say what
            this file's says, or there are more than 10 MiB of headers and less data.
    """
    import numpy as np

    require_file(file)
    size = len(file.section)
    if size > MOST_BARE_HEADERS and len(file.buffer) - file.data_offset < size:
        message = (
            f"the file has {size:,} bytes of headers and less data; of such a file at most "
            f"{MOST_BARE_HEADERS:,} are written anew"
        )
        raise ValidationError(message, path=file.path)
    keep = (file.masks != 0) | (file.sections == Section.PLATFORM)
    headers = EditableHeaders(file, None if keep.all() else np.flatnonzero(keep))
    _clear_padding(headers)
    _clear_reserved(headers)
    _clear_contexts(headers)
    parts = write(
        headers.section,
        _with_clear_registers(headers),
        revision=file.revision,
        architecture=file.architecture,
        page_size=file.page_size,
    )
    return parse(join(parts))


def _clear_padding(headers: EditableHeaders) -> None:
    """Zero the bytes between a body and the next multiple of eight."""
    import numpy as np

    rows = np.flatnonzero(headers.lengths & 7)
    length = headers.lengths[rows].astype(np.int64)
    last = (headers.offset[rows].astype(np.int64) + 8 + length) // 8
    bits = (length & 7).astype(np.uint64) * np.uint64(8)
    headers.section.view("<u8")[last] &= (np.uint64(1) << bits) - np.uint64(1)


def _clear_reserved(headers: EditableHeaders) -> None:
    """Zero reserved fields and flags; those of an ID block stay as they are."""
    for record in TYPE_OF:
        names = [item.name for item in record.FIELDS if item.is_reserved]
        if record is SNPIDBlock or not (names or record in _ALL_FLAGS):
            continue
        rows = headers.rows(record)
        if not len(rows):
            continue
        for name in names:
            headers.change(record, name, rows, 0)
        if record in _ALL_FLAGS:
            flags = headers.column(record, "flags", rows)
            headers.change(record, "flags", rows, flags & flags.dtype.type(_ALL_FLAGS[record]))


def _clear_contexts(headers: EditableHeaders) -> None:
    """Zero the gpa where it is not that of a VMSA."""
    import numpy as np

    rows = headers.rows(VPContext)
    contexts = context_columns(headers.file)
    formats = contexts.format[np.searchsorted(contexts.index, headers.index[rows])]
    in_memory = np.array([context.in_memory for context in CONTEXT_FORMATS])
    headers.change(VPContext, "gpa", rows[~in_memory[formats]], 0)


def _with_clear_registers(headers: EditableHeaders) -> References:
    """The references, those to VBS registers leading to lists without bits that mean nothing."""
    import numpy as np

    old = headers.references
    if not headers.counted.any():
        return old
    which, start = old.which.copy(), old.start.copy()
    buffers = list(old.buffers)
    done: dict[tuple[int, int], int] = {}
    for row in np.flatnonzero(headers.counted).tolist():
        place = int(old.start[row]), int(old.size[row])
        if place not in done:
            done[place] = len(buffers)
            content = headers.file.buffer[place[0] : place[0] + place[1]]
            buffers.append(memoryview(clear_registers(content, headers.file.architecture)))
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
