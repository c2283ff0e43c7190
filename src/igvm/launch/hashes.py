"""Hashes of kernel, initrd and command line in the table that OVMF and stage0 look for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.plan import PAGE, LaunchPlan, Operation, row_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Data = bytes | bytearray | memoryview

_TABLE = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21")
_COMMAND_LINE = uuid.UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")
_INITRD = uuid.UUID("44baf731-3a2f-4bd7-9af1-41e29169781d")
_KERNEL = uuid.UUID("4de79437-abd2-427f-b835-d5b172d2045b")
_FOOTER = uuid.UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
_AREA = uuid.UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
_LAST_PAGE = 0xFFFFF000
_RESET_VECTOR = 32
"""Bytes of firmware after its table of GUIDs."""
_ENTRY = 18
"""Bytes of an entry's size and GUID, which stand behind its data."""
_PLAIN = (Operation.NORMAL, Operation.ZERO)

BLOCK_GPA = 0x10C00
"""Where Cloud Hypervisor puts the table: 0x400 bytes in the page at 0x10000."""
_BLOCK_SIZE = 0x400


class KernelHashes(msgspec.Struct, frozen=True):
    """SHA-256 of what a measured direct boot passes to its firmware."""

    kernel: bytes
    initrd: bytes
    command_line: bytes

    @classmethod
    def of(cls, kernel: Data, initrd: Data = b"", command_line: str = "") -> KernelHashes:
        """The hashes of a kernel, an initrd (empty for none) and a command line without NUL."""
        sha256 = hashlib.sha256
        text = command_line.encode() + b"\0"
        return cls(sha256(kernel).digest(), sha256(initrd).digest(), sha256(text).digest())

    def table(self) -> bytes:
        """The table, 176 bytes (QEMU, target/i386/sev.c, SevHashTable; padded to 16)."""
        entries = b"".join(
            guid.bytes_le + (50).to_bytes(2, "little") + digest
            for guid, digest in (
                (_COMMAND_LINE, self.command_line),
                (_INITRD, self.initrd),
                (_KERNEL, self.kernel),
            )
        )
        head = _TABLE.bytes_le + (18 + len(entries)).to_bytes(2, "little")
        return (head + entries).ljust(176, b"\0")


def with_hashes(plan: LaunchPlan, hashes: KernelHashes, gpa: int = BLOCK_GPA) -> LaunchPlan:
    """`plan` with the table at `gpa`, as Cloud Hypervisor puts it into the page at 0x10000.

    A page of the file there becomes a normal page with the table patched in, whatever its type
    and flags; without one, a page is added at the end (igvm_loader.rs).

    Raises:
        MeasurementError: a parameter area covers the page, or it is one for CPUID.
    """
    import numpy as np

    base, offset = gpa // PAGE * PAGE, gpa % PAGE
    rows = plan.rows.copy()
    covers = _covering(rows, base)
    if (covers & (rows["operation"] == Operation.PARAMETER)).any():
        raise MeasurementError(
            f"a parameter area lies over the kernel hashes at {base:#x}", path=plan.file.path
        )
    if (covers & (rows["operation"] == Operation.CPUID)).any():
        raise MeasurementError(
            f"a CPUID page is where the kernel hashes go, at {base:#x}", path=plan.file.path
        )
    there = np.flatnonzero(covers)
    block = hashes.table().ljust(_BLOCK_SIZE, b"\0")[: PAGE - offset]
    blobs = list(plan.blobs)
    patched: dict[int, int] = {}
    for index, source in zip(there.tolist(), rows["source"][there].tolist(), strict=True):
        if source not in patched:
            page = bytearray(plan.content(source))
            page[offset : offset + len(block)] = block
            patched[source] = -2 - len(blobs)
            blobs.append(bytes(page))
        rows["operation"][index], rows["source"][index] = Operation.NORMAL, patched[source]
    if not len(there):
        added = np.zeros(1, row_dtype())
        added["operation"], added["gpa"], added["pages"] = Operation.NORMAL, base, 1
        added["source"], added["header"] = -2 - len(blobs), -1
        rows = np.concatenate([rows, added])
        blobs.append((bytes(offset) + block).ljust(PAGE, b"\0"))
    return plan.with_rows(rows, blobs=blobs)


def firmware_area(plan: LaunchPlan) -> int | None:
    """Where OVMF below 4 GiB wants the table, if `plan` has one normal or zero page for it.

    OVMF says so in the table of GUIDs at its end (edk2, OvmfPkg/ResetVector/Ia16,
    ResetVectorVtf0.asm), and QEMU goes by it when it loads the firmware itself.
    """
    rows = plan.rows
    last = rows[_covering(rows, _LAST_PAGE) & (rows["source"] >= 0)]
    if len(last) != 1:
        return None
    start = int(last["source"][0]) + _LAST_PAGE - int(last["gpa"][0])
    page = bytes(plan.content(start))[:-_RESET_VECTOR]
    guid, size = page[-16:], int.from_bytes(page[-_ENTRY:-16], "little")
    if guid != _FOOTER.bytes_le or not _ENTRY <= size <= len(page):
        return None
    entries = page[-size:-_ENTRY]
    while len(entries) >= _ENTRY:
        size = int.from_bytes(entries[-_ENTRY:-16], "little")
        if not _ENTRY <= size <= len(entries):
            return None
        if entries[-16:] == _AREA.bytes_le and size >= _ENTRY + 4:
            gpa = int.from_bytes(entries[-size:-_ENTRY][:4], "little")
            there = rows[_covering(rows, gpa // PAGE * PAGE)]
            fit = there["pages"].tolist() == [1] and there["operation"][0] in _PLAIN
            return gpa if fit else None
        entries = entries[:-size]
    return None


def _covering(rows: NDArray[np.void], gpa: int) -> NDArray[np.bool_]:
    """Which rows have the page at `gpa`."""
    import numpy as np

    sizes = rows["pages"] * np.uint64(PAGE)
    found: NDArray[np.bool_] = (rows["gpa"] <= gpa) & (np.uint64(gpa) - rows["gpa"] < sizes)
    return found
