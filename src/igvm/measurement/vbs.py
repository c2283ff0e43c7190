"""VBS boot digest: a chain of SHA-256 over page and register chunks (Hyper-V, igvm crate)."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from igvm.errors import FormatError, MeasurementError
from igvm.launch.plan import NO_SOURCE, PAGE, Operation
from igvm.measurement.contents import windows
from igvm.spec.context import VBSContextHeader, VBSRegister
from igvm.spec.enums import Architecture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.cache import ContentCache

_PAGE_CHUNK = 0x20 + PAGE
_UNMEASURED = 4
_READ_WRITE = 3
# A processor has some hundred registers; a file may name one list as often as it likes.
_MOST_REGISTERS = 1 << 16

METADATA = {
    Operation.NORMAL: 0,
    Operation.UNMEASURED: _UNMEASURED,
    Operation.PARAMETER: _UNMEASURED,
    Operation.ERROR_RANGE: _UNMEASURED | _READ_WRITE,
}
"""VBS_VM_GPA_PAGE_BOOT_METADATA of each operation: acceptance, and whether data is unmeasured."""


def digest(plan: LaunchPlan, cache: ContentCache | None = None) -> bytes:
    """The boot digest, 32 bytes."""
    if cache is None:
        return _digest(plan)
    return cache.start("vbs", plan, _digest)


def _digest(plan: LaunchPlan) -> bytes:
    sha256, buffer, content = hashlib.sha256, plan.file.buffer, plan.content
    running = bytes(32)
    # This loop is where the time goes: it is chain() with everything taken out of the way.
    for heads, sources, ends in _chunks(plan):
        for head, source, end in zip(heads, sources, ends, strict=True):
            hasher = sha256(running + head)
            hasher.update(buffer[source:end] if source >= 0 else content(source))
            running = hasher.digest()
    for chunk in _register_chunks(plan):
        running = sha256(running + chunk).digest()
    return running


def chain(plan: LaunchPlan) -> Iterator[bytes]:
    """The running digest after each page, and after each register of each context at the end.

    32 bytes each.

    Raises:
        MeasurementError: the registers of a context are not in the file.
    """
    running = bytes(32)
    for heads, sources, _ in _chunks(plan):
        for head, source in zip(heads, sources, strict=True):
            running = hashlib.sha256(b"".join((running, head, plan.content(source)))).digest()
            yield running
    for chunk in _register_chunks(plan):
        running = hashlib.sha256(running + chunk).digest()
        yield running


def _chunks(plan: LaunchPlan) -> Iterator[tuple[list[bytes], list[int], list[int]]]:
    """Of many pages at a time: the 32 bytes before each page's contents, its source and its end."""
    import numpy as np

    known = np.zeros(256, bool)
    metadata = np.zeros(256, np.uint64)
    for operation, value in METADATA.items():
        known[operation], metadata[operation] = True, value
    kinds = plan.rows["operation"]
    numbers = [("size", "<u4"), ("type", "<u4"), ("reserved", "<u8")]
    layout = np.dtype([*numbers, ("metadata", "<u8"), ("page", "<u8")])
    for pages in windows(plan, known[kinds]):
        heads = np.zeros(len(pages.gpa), layout)
        heads["size"], heads["type"] = _PAGE_CHUNK, 2
        heads["metadata"] = metadata[kinds[pages.row]]
        heads["page"] = pages.gpa // np.uint64(PAGE)
        sources = np.where(heads["metadata"] == 0, pages.source, NO_SOURCE)
        yield heads.view("V32").tolist(), sources.tolist(), (sources + PAGE).tolist()


def _register_chunks(plan: LaunchPlan) -> Iterator[bytes]:
    """A chunk of 48 bytes for each register of each context, in file order.

    Raises:
        MeasurementError: the registers are not in the file, or are more than any guest has.
    """
    total = 0
    contexts = plan.rows[plan.rows["operation"] == Operation.VP_CONTEXT]
    for source, header in zip(
        contexts["source"].tolist(), contexts["header"].tolist(), strict=True
    ):
        found = registers(plan, source, header)
        total += len(found)
        if total > _MOST_REGISTERS:
            raise _wrong(plan, header, "there are more registers than in any guest")
        for register in found:
            yield struct.pack(
                "<IIQIBBHII16s", 0x30, 0, 0, 0, register.vtl, 0, 0, 0,
                register.register_name, _value(plan, register),
            )  # fmt: skip


def _value(plan: LaunchPlan, register: VBSRegister) -> bytes:
    """The 16 bytes of a value that count: loaders decode it, and what they drop is zero.

    Most registers have 8 bytes; of a table register the first 6 are padding (igvm 0.5.0,
    registers.rs).
    """
    from igvm.spec.hyperv import X64_SEGMENT_REGISTERS, X64_TABLE_REGISTERS, register_name

    value = register.register_value
    if plan.file.architecture == Architecture.X64:
        name = register_name(Architecture.X64, register.register_name)
        if name in X64_SEGMENT_REGISTERS:
            return value
        if name in X64_TABLE_REGISTERS:
            return value[6:].rjust(16, b"\0")
    return value[:8].ljust(16, b"\0")


def registers(plan: LaunchPlan, source: int, header: int) -> tuple[VBSRegister, ...]:
    """The registers of the context at `source`, which the header at index `header` names.

    Raises:
        MeasurementError: the list runs out of the file, or is longer than in any guest.
    """
    offset = source + VBSContextHeader.SIZE
    try:
        head = VBSContextHeader.unpack_from(plan.content(source, VBSContextHeader.SIZE))
        body = plan.content(offset, min(head.register_count, _MOST_REGISTERS) * VBSRegister.SIZE)
        found = tuple(VBSRegister.iter_unpack(body))
        if len(found) == head.register_count:
            return found
    except FormatError:
        pass
    raise _wrong(plan, header, "its registers are not in the file")


def _wrong(plan: LaunchPlan, header: int, message: str) -> MeasurementError:
    offset = plan.file.header(header).offset
    return MeasurementError(
        message, path=plan.file.path, offset=offset, header="VP_CONTEXT", field="file_offset"
    )
