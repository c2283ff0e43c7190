"""VBS boot digest: a chain of SHA-256 over page and register chunks (Hyper-V, igvm crate)."""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from typing import TYPE_CHECKING

from igvm.errors import FormatError, MeasurementError
from igvm.launch.plan import PAGE, Operation
from igvm.measure.contents import pages_of
from igvm.spec.context import VBSContextHeader, VBSRegister

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.plan import LaunchPlan

_PAGE_CHUNK = 0x20 + PAGE
_UNMEASURED = 4
_READ_WRITE = 3

METADATA = {
    Operation.NORMAL: 0,
    Operation.UNMEASURED: _UNMEASURED,
    Operation.PARAMETER: _UNMEASURED,
    Operation.ERROR_RANGE: _UNMEASURED | _READ_WRITE,
}
"""VBS_VM_GPA_PAGE_BOOT_METADATA of each operation: acceptance, and whether data is unmeasured."""


def digest(plan: LaunchPlan) -> bytes:
    """The boot digest, 32 bytes."""
    last = deque(chain(plan), maxlen=1)
    return last[0] if last else bytes(32)


def chain(plan: LaunchPlan) -> Iterator[bytes]:
    """The running digest after each page, and after each register of each context at the end."""
    import numpy as np

    known = np.zeros(256, bool)
    metadata = np.zeros(256, np.uint64)
    for operation, value in METADATA.items():
        known[operation], metadata[operation] = True, value
    kinds = plan.rows["operation"]
    pages = pages_of(plan, known[kinds])
    numbers = (("size", "<u4"), ("type", "<u4"), ("reserved", "<u8"))
    layout = [*numbers, ("metadata", "<u8"), ("page", "<u8")]
    heads = np.zeros(len(pages.gpa), np.dtype(layout))
    heads["size"], heads["type"] = _PAGE_CHUNK, 2
    heads["metadata"] = metadata[kinds[pages.row]]
    heads["page"] = pages.gpa // np.uint64(PAGE)
    sources = np.where(heads["metadata"] == 0, pages.source, -1)
    sha256, buffer = hashlib.sha256, plan.file.buffer
    running = bytes(32)
    parts = zip(struct.iter_unpack("32s", heads.tobytes()), sources.tolist(), strict=True)
    for (head,), source in parts:
        hasher = sha256(running + head)
        hasher.update(buffer[source : source + PAGE] if source >= 0 else plan.content(source))
        running = hasher.digest()
        yield running
    for row in plan:
        if row.operation == Operation.VP_CONTEXT:
            for register in registers(plan, row.source, row.header):
                chunk = struct.pack(
                    "<IIQIBBHII16s", 0x30, 0, 0, 0, register.vtl, 0, 0, 0,
                    register.register_name, register.register_value,
                )  # fmt: skip
                running = sha256(running + chunk).digest()
                yield running


def registers(plan: LaunchPlan, source: int, header: int) -> tuple[VBSRegister, ...]:
    """The registers of the context at `source`.

    Raises:
        MeasurementError: the list runs out of the file.
    """
    offset = source + VBSContextHeader.SIZE
    try:
        head = VBSContextHeader.unpack_from(plan.content(source, VBSContextHeader.SIZE))
        body = plan.content(offset, head.register_count * VBSRegister.SIZE)
        found = tuple(VBSRegister.iter_unpack(body))
        if len(found) == head.register_count:
            return found
    except FormatError:
        pass
    raise MeasurementError(
        "its registers are not in the file",
        path=plan.file.path,
        offset=plan.file.header(header).offset,
        header="VP_CONTEXT",
        field="file_offset",
    )
