"""Hashes of kernel, initrd and command line in the table that OVMF and stage0 look for."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import msgspec

from igvm.errors import FormatError
from igvm.launch.plan import MEMORY, PAGE, LaunchPlan, blank_rows, made_source
from igvm.launch.shaping import appended
from igvm.sources.ovmf import SEV_HASH_TABLE, guid_table, number
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Data = bytes | bytearray | memoryview

_TABLE = uuid.UUID("9438d606-4f22-4cc9-b479-a793d411fd21")
_COMMAND_LINE = uuid.UUID("97d02dd8-bd20-4c94-aa78-e7714d36ab2a")
_INITRD = uuid.UUID("44baf731-3a2f-4bd7-9af1-41e29169781d")
_KERNEL = uuid.UUID("4de79437-abd2-427f-b835-d5b172d2045b")
_LAST_PAGE = 0xFFFFF000
_PLAIN = (Operation.NORMAL, Operation.ZERO)

HASH_TABLE_SIZE = 176
"""Bytes of the table, padded."""

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
        return (head + entries).ljust(HASH_TABLE_SIZE, b"\0")


def with_hashes(plan: LaunchPlan, hashes: KernelHashes, gpa: int = BLOCK_GPA) -> LaunchPlan:
    """`plan` with the table at `gpa`, as Cloud Hypervisor puts it into the page at 0x10000.

    A page of the file covering becomes a normal page with the table patched in, whatever its type
    and flags; without one, a page is added at the end (igvm_loader.rs). Refused is a parameter
    area that covers the page, or a page for CPUID there.
    """
    import numpy as np

    base, offset = gpa // PAGE * PAGE, gpa % PAGE
    covers = _covering(plan, base)
    areas = covers & plan.of(Operation.PARAMETER)
    plan = plan.refused(areas, f"a parameter area lies over the kernel hashes at {base:#x}")
    cpuid = covers & plan.of(Operation.CPUID)
    plan = plan.refused(cpuid, f"a CPUID page is where the kernel hashes go, at {base:#x}")
    if plan.refusals:
        return plan
    covering = np.flatnonzero(covers)
    block = hashes.table().ljust(_BLOCK_SIZE, b"\0")[: PAGE - offset]
    if not len(covering):
        added = blank_rows(1)
        added["operation"], added["gpa"], added["measured"] = Operation.NORMAL, base, True
        added["pages"], added["loaded"], added["source"] = 1, 1, made_source(plan, 0)
        return appended(plan, added, ((bytes(offset) + block).ljust(PAGE, b"\0"),))
    rows = plan.rows.copy()
    blobs: list[bytes] = []
    patched: dict[int, int] = {}
    for index, source in zip(covering.tolist(), rows["source"][covering].tolist(), strict=True):
        if source not in patched:
            page = bytearray(plan.content(source))
            page[offset : offset + len(block)] = block
            patched[source] = made_source(plan, len(blobs))
            blobs.append(bytes(page))
        rows["source"][index] = patched[source]
    rows["operation"][covering], rows["measured"][covering] = Operation.NORMAL, True
    return plan.with_rows(rows, blobs=(*plan.blobs, *blobs))


def patched_page(table: bytes, offset: int) -> bytes:
    """Pages of zeroes with `table` at `offset`: one, or two where it does not fit the first."""
    content = bytes(offset) + table
    return content.ljust(-(-len(content) // PAGE) * PAGE, b"\0")


def firmware_area(plan: LaunchPlan) -> int | None:
    """Where OVMF below 4 GiB wants the table, if `plan` has one normal or zero page for it.

    OVMF says so in the table of GUIDs at its end (edk2, OvmfPkg/ResetVector/Ia16,
    ResetVectorVtf0.asm), and QEMU goes by it when it loads the firmware itself.
    """
    rows = plan.rows
    last = rows[_covering(plan, _LAST_PAGE) & (rows["source"] >= 0)]
    if len(last) != 1:
        return None
    start = int(last["source"][0]) + _LAST_PAGE - int(last["gpa"][0])
    try:
        entries = guid_table(plan.content(start))
    except FormatError:
        return None
    gpa = number(entries.get(SEV_HASH_TABLE, b""))
    if gpa is None:
        return None
    covering = rows[_covering(plan, gpa // PAGE * PAGE)]
    fits = covering["loaded"].tolist() == [1] and covering["operation"][0] in _PLAIN
    return gpa if fits else None


def _covering(plan: LaunchPlan, gpa: int) -> NDArray[np.bool_]:
    """Which rows put something into the page at `gpa`."""
    import numpy as np

    rows = plan.rows
    sizes = rows["loaded"] * np.uint64(PAGE)
    covers: NDArray[np.bool_] = (rows["gpa"] <= gpa) & (np.uint64(gpa) - rows["gpa"] < sizes)
    return covers & plan.of(*MEMORY, Operation.VP_CONTEXT)
