"""Hashes of kernel, initrd and command line in the table that OVMF and stage0 look for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.plan import PAGE, LaunchPlan, Operation, row_dtype

if TYPE_CHECKING:
    Data = bytes | bytearray | memoryview

_TABLE = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21")
_COMMAND_LINE = uuid.UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")
_INITRD = uuid.UUID("44baf731-3a2f-4bd7-9af1-41e29169781d")
_KERNEL = uuid.UUID("4de79437-abd2-427f-b835-d5b172d2045b")

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


def with_hashes(plan: LaunchPlan, hashes: KernelHashes) -> LaunchPlan:
    """`plan` with the table as Cloud Hypervisor puts it into the page at 0x10000.

    A page of the file there becomes a normal page with the table patched in, whatever its type
    and flags; without one, a page is added at the end (igvm_loader.rs).

    Raises:
        MeasurementError: a parameter area covers the page, or it is one for CPUID.
    """
    import numpy as np

    base = BLOCK_GPA // PAGE * PAGE
    rows = plan.rows.copy()
    sizes = rows["pages"] * np.uint64(PAGE)
    covers = (rows["gpa"] <= base) & (np.uint64(base) - rows["gpa"] < sizes)
    if (covers & (rows["operation"] == Operation.PARAMETER)).any():
        raise MeasurementError(
            f"a parameter area lies over the kernel hashes at {base:#x}", path=plan.file.path
        )
    if (covers & (rows["operation"] == Operation.CPUID)).any():
        raise MeasurementError(
            f"a CPUID page is where the kernel hashes go, at {base:#x}", path=plan.file.path
        )
    there = np.flatnonzero(covers)
    block = hashes.table().ljust(_BLOCK_SIZE, b"\0")
    blobs = list(plan.blobs)
    for index in there.tolist():
        page = bytearray(plan.content(int(rows["source"][index])))
        page[BLOCK_GPA - base :] = block
        rows["operation"][index], rows["source"][index] = Operation.NORMAL, -2 - len(blobs)
        blobs.append(bytes(page))
    if not len(there):
        added = np.zeros(1, row_dtype())
        added["operation"], added["gpa"], added["pages"] = Operation.NORMAL, base, 1
        added["source"], added["header"] = -2 - len(blobs), -1
        rows = np.concatenate([rows, added])
        blobs.append(block.rjust(PAGE, b"\0"))
    return plan.with_rows(rows, blobs=blobs)
