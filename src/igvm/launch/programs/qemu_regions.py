"""An exact model of what QEMU does where a file wants memory: in a region, in a new one, or never.

QEMU prepares each run of pages, each insert and each piece of required memory (backends/igvm.c,
qigvm_prepare_memory): it takes the lowest region that the bytes touch, makes one of their size
where there is none, and ends where that is no RAM or does not hold all of them.
"""

from __future__ import annotations

import enum
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any

import msgspec

from igvm.launch.programs.qemu_machines import regions
from igvm.spec.enums import HeaderType
from igvm.spec.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.machine import Machine
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.programs.qemu_machines import Region

    Bools = NDArray[np.bool_]
    Rows = NDArray[np.void]

_LAST_BYTE = (1 << 64) - 1
_BUCKET_BITS = 10


class Fit(enum.IntEnum):
    """What becomes of one piece of memory that a file wants."""

    INSIDE = 0
    """It lies in one region of RAM or ROM."""
    MADE = 1
    """There is nothing, and QEMU makes a region of its size."""
    DEVICE = 2
    """The first region that it touches is a device: QEMU ends."""
    EDGE = 3
    """It does not lie in the first region that it touches: QEMU ends."""
    NOTHING = 4
    """It has no bytes, and there is nothing: QEMU aborts."""


def piece_dtype() -> np.dtype[np.void]:
    """The dtype of pieces of memory: where each starts and how many bytes it has, both u64."""
    import numpy as np

    return np.dtype([("header", "<i8"), ("start", "<u8"), ("size", "<u8"), ("type", "<u4")])


class PreparedMemory(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of memory that a file wants, in QEMU's order, and what becomes of each.

    QEMU ends at the first that does not fit; the others are judged as if that one were not there.
    """

    pieces: Rows
    """Of `piece_dtype`, shape (n,); the header is the first of a run."""
    regions: list[Region]
    """Those of the machine at the first boot."""
    fits: NDArray[np.uint8]
    """A Fit each, at the first boot; shape (n,)."""
    reset_regions: list[Region]
    """Those of the machine when the guest is reset."""
    ends_at_reset: Bools
    """Which pieces end QEMU at the first reset, where they fit at the first boot; shape (n,)."""

    @property
    def fails(self) -> Bools:
        """Which pieces end QEMU at the first boot."""
        where: Bools = self.fits >= Fit.DEVICE
        return where


def pieces_of(plan: LaunchPlan) -> Rows:
    """What `plan`, one of QEMU's, wants memory for: runs, inserts and required memory in order."""
    import numpy as np

    rows = plan.rows
    is_page = plan.from_headers(HeaderType.PAGE_DATA)
    wants = is_page | plan.of(Operation.PARAMETER, Operation.REQUIRED_MEMORY)
    chosen, is_page = rows[wants], is_page[wants]
    pieces = np.zeros(0, piece_dtype())
    if not len(chosen):
        return pieces
    goes_on = is_page[1:] & is_page[:-1] & (chosen["batch"][1:] == chosen["batch"][:-1])
    starts = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    pieces = np.zeros(len(starts), piece_dtype())
    first = chosen[starts]
    pieces["header"], pieces["start"] = first["header"], first["gpa"]
    pieces["type"] = first["header_type"]
    pieces["size"] = np.add.reduceat(chosen["pages"], starts) << np.uint64(12)
    return pieces


def prepared_memory(plan: LaunchPlan, machine: Machine) -> PreparedMemory:
    """What becomes of the memory that `plan` wants on `machine`."""
    pieces = pieces_of(plan)
    at_first, at_reset = regions(machine), regions(machine, after_reset=True)
    fits, is_in_machine = first_boot(pieces, at_first)
    ends = _ends_at_reset(pieces, is_in_machine, at_reset)
    return PreparedMemory(
        pieces=pieces,
        regions=at_first,
        fits=fits,
        reset_regions=at_reset,
        ends_at_reset=ends & (fits < Fit.DEVICE),
    )


def first_boot(pieces: Rows, known: Sequence[Region]) -> tuple[NDArray[np.uint8], Bools]:
    """What becomes of `pieces`, and which of them touch one of the regions `known`.

    A piece that touches a region of the machine fits only inside that region, where no region of
    the file can be. So all others, in holes, are the only ones that depend on their order.

    Args:
        pieces: in QEMU's order, of `piece_dtype`, shape (n,).
        known: by address.

    Returns:
        A Fit each, shape (n,), uint8; shape (n,), bool.
    """
    import numpy as np

    fits, touches = _held_against(pieces, known)
    holes = np.flatnonzero(~touches)
    start, last = pieces["start"][holes], _last(pieces[holes])
    order = np.argsort(start, kind="stable")
    reach = np.maximum.accumulate(last[order]) if len(order) else last
    opens = np.ones(len(order), bool)
    opens[1:] = start[order][1:] > reach[:-1]
    # What meets nothing else in its hole needs no thought.
    alone = opens & np.append(opens[1:], True)[: len(opens)]
    lonely = holes[order[alone]]
    empty = pieces["size"][lonely] == 0
    fits[lonely] = np.where(empty, Fit.NOTHING, Fit.MADE).astype(np.uint8)
    crowd = np.sort(holes[order[~alone]])
    if len(crowd):
        fits[crowd] = _in_turn(pieces[crowd])
    return fits, touches


def _held_against(pieces: Rows, known: Sequence[Region]) -> tuple[NDArray[np.uint8], Bools]:
    """As `first_boot`, for the pieces that touch one of `known`; the others are MADE."""
    import numpy as np

    start, size, last = pieces["start"], pieces["size"], _last(pieces)
    starts = np.array([region.start for region in known], np.uint64)
    ends = np.array([region.end for region in known], np.uint64)
    is_ram = np.array([region.is_ram for region in known], bool)
    at = np.searchsorted(ends, start, side="right")
    is_before_end = at < len(ends)
    at = at.clip(max=len(ends) - 1)
    touches = is_before_end & np.where(size == 0, starts[at] < start, starts[at] <= last)
    inside = (starts[at] <= start) & ((last < ends[at]) | (size == 0)) & ~wraps(pieces)
    fits = np.where(inside, Fit.INSIDE, Fit.EDGE)
    fits[~is_ram[at]] = Fit.DEVICE
    fits[~touches] = Fit.MADE
    return fits.astype(np.uint8), touches


def _ends_at_reset(pieces: Rows, was_in_machine: Bools, known: Sequence[Region]) -> Bools:
    """Which pieces no longer fit when the file is processed again.

    The regions that it made are there then, and each piece that made one fits it, or lay in it
    before; unless it runs past the end of the address space, where its region was cut. A piece of
    no bytes at an edge is in no region at all.
    """
    fits, touches = _held_against(pieces, known)
    ends: Bools = (touches & (fits != Fit.INSIDE)) | (was_in_machine & ~touches) | wraps(pieces)
    return ends


def wraps(pieces: Rows) -> Bools:
    """Which pieces run past the end of the address space."""
    import numpy as np

    start, size = pieces["start"], pieces["size"]
    where: Bools = (size > 0) & (start + (size - np.uint64(1)) < start)
    return where


def _last(pieces: Rows) -> NDArray[np.uint64]:
    """The last byte of each piece, cut at the end of the address space; its start if empty."""
    import numpy as np

    start, size = pieces["start"], pieces["size"]
    last = start + (size - (size > 0).astype(np.uint64))
    last[wraps(pieces)] = _LAST_BYTE
    result: NDArray[np.uint64] = last
    return result


def _in_turn(pieces: Rows) -> list[int]:
    """What becomes of pieces that meet each other in holes, one after the other."""
    import numpy as np

    rank = np.unique(pieces["start"], return_inverse=True)[1]
    made = _MadeRegions()
    columns: Any = zip(
        pieces["start"].tolist(),
        _last(pieces).tolist(),
        (pieces["size"] == 0).tolist(),
        wraps(pieces).tolist(),
        (rank >> _BUCKET_BITS).tolist(),
        strict=True,
    )
    fits: list[int] = []
    for start, last, is_empty, is_cut, bucket in columns:
        before, after = made.around(start, bucket)
        reach = made.last[before] if before >= 0 else -1
        if is_empty:
            fits.append(Fit.INSIDE if before < start <= reach else Fit.NOTHING)
        elif reach >= start:
            fits.append(Fit.INSIDE if last <= reach and not is_cut else Fit.EDGE)
        elif 0 <= after <= last:
            fits.append(Fit.EDGE)
        else:
            made.add(start, last, bucket)
            fits.append(Fit.MADE)
    return fits


class _MadeRegions:
    """Regions that do not overlap, by where they start, in buckets so that adding one is quick.

    The bucket of a start is given with it: starts that are known beforehand are numbered in order,
    and so many go into one bucket.
    """

    def __init__(self) -> None:
        self.last: dict[int, int] = {}
        """The last byte of the region with each start."""
        self._buckets: dict[int, list[int]] = {}
        self._filled: list[int] = []
        """The buckets that have a region, ascending."""

    def around(self, start: int, bucket: int) -> tuple[int, int]:
        """The starts of the last region not after `start` and of the first after it; or -1."""
        starts = self._buckets.get(bucket, [])
        at = bisect_right(starts, start)
        before = starts[at - 1] if at else -1
        after = starts[at] if at < len(starts) else -1
        if before < 0:
            number = bisect_left(self._filled, bucket)
            before = self._buckets[self._filled[number - 1]][-1] if number else -1
        if after < 0:
            number = bisect_right(self._filled, bucket)
            is_there = number < len(self._filled)
            after = self._buckets[self._filled[number]][0] if is_there else -1
        return before, after

    def add(self, start: int, last: int, bucket: int) -> None:
        """A region from `start` to `last`."""
        if bucket not in self._buckets:
            self._buckets[bucket] = []
            insort(self._filled, bucket)
        insort(self._buckets[bucket], start)
        self.last[start] = last
