"""Many VBS register lists at once, in time linear in the file however they overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.checks.reference.release_types import VBS_HEAD_SIZE, VBS_REGISTER_SIZE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Octets = NDArray[np.uint8]

# Registers looked at in one go: what is allocated for them stays small.
_CHUNK = 1 << 15


class RegisterLists(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known of the register list of each of some contexts; n contexts."""

    count: Ints
    """The register count that the list says; zero where it does not start in the data. Shape
    (n,), int64."""
    present: Ints
    """How many of the registers are in the data, shape (n,), int64."""
    vtl: Ints
    """The VTL of the first register; zero where there is none. Shape (n,), int64."""
    is_mixed: NDArray[np.bool_]
    """Whether the registers in the data are of more than one VTL, shape (n,), bool."""
    unsupported_at: Ints
    """Position in the data of the first register that cannot be stored, or -1; shape (n,),
    int64."""


def u32_at(octets: Octets, positions: Ints) -> Ints:
    """The 32-bit numbers at `positions`, which need not be aligned.

    Args:
        octets: shape (size,), uint8.
        positions: shape (n,), int64.

    Returns:
        Shape (n,), int64.
    """
    import numpy as np

    numbers = octets[positions + 3].astype(np.int64)
    for byte in (2, 1, 0):
        numbers <<= 8
        numbers |= octets[positions + byte]
    return numbers


def register_lists(octets: Octets, start: Ints, storable: Ints) -> RegisterLists:
    """Look at the lists that begin at `start` in the file data `octets`.

    Args:
        octets: the file data, shape (size,), uint8.
        start: positions in it, shape (n,), int64; what is not in the data has no registers.
        storable: the register names that can be stored, ascending, shape (k,), int64.
    """
    import numpy as np

    size = len(octets)
    count = np.zeros(len(start), np.int64)
    has_count = np.flatnonzero(start + VBS_HEAD_SIZE <= size)
    count[has_count] = u32_at(octets, start[has_count])
    room = np.maximum(size - start - VBS_HEAD_SIZE, 0)
    present = np.minimum(count, room // VBS_REGISTER_SIZE)

    with_registers = np.flatnonzero(present)
    first = start[with_registers] + VBS_HEAD_SIZE
    vtl = np.zeros(len(start), np.int64)
    vtl[with_registers] = octets[first]
    is_mixed = np.zeros(len(start), bool)
    unsupported_at = np.full(len(start), -1, np.int64)
    if len(with_registers):
        # Registers of the same remainder by 32 are neighbours; lists that overlap become one.
        column = size // VBS_REGISTER_SIZE + 1
        begin = first % VBS_REGISTER_SIZE * column + first // VBS_REGISTER_SIZE
        end = begin + present[with_registers]
        changes, strangers = _scan(octets, begin, end, column, storable)
        is_mixed[with_registers] = _next(changes, begin + 1) < end
        stranger = _next(strangers, begin)
        has_stranger = stranger < end
        unsupported_at[with_registers[has_stranger]] = _position(stranger[has_stranger], column)
    return RegisterLists(
        count=count, present=present, vtl=vtl, is_mixed=is_mixed, unsupported_at=unsupported_at
    )


def _position(numbers: Ints, column: int) -> Ints:
    """Where registers begin in the data, from their numbers by remainder; shape (n,), int64."""
    return numbers // column + numbers % column * VBS_REGISTER_SIZE


def _next(numbers: Ints, begin: Ints) -> Ints:
    """The first of the ascending `numbers` at or after each `begin`; huge where there is none.

    Args:
        numbers: shape (k,), int64.
        begin: shape (n,), int64.

    Returns:
        Shape (n,), int64.
    """
    import numpy as np

    padded = np.append(numbers, np.iinfo(np.int64).max)
    return padded[np.searchsorted(numbers, begin)]


def _scan(octets: Octets, begin: Ints, end: Ints, column: int, storable: Ints) -> tuple[Ints, Ints]:
    """Look once at every register in the union of the ranges from `begin` to `end`.

    Args:
        octets: the file data, shape (size,), uint8.
        begin: number of the first register of each list, shape (n,), int64.
        end: number after the last of each, shape (n,), int64.
        column: numbers for each remainder.
        storable: as for `register_lists`.

    Returns:
        The registers whose VTL differs from the one before, and those that cannot be stored, each
        of shape (m,), int64. Of several between two beginnings only the first is given.
    """
    import numpy as np

    order = np.argsort(begin)
    low, high = begin[order], np.maximum.accumulate(end[order])
    is_apart = np.append(True, low[1:] > high[:-1])
    last_of_range = np.append(np.flatnonzero(is_apart)[1:] - 1, len(high) - 1)
    low, high = low[is_apart], high[last_of_range]
    count_up_to = np.cumsum(high - low)  # registers in the ranges up to and with each
    shift = high - count_up_to  # from the how-manieth register to its number
    begins = np.unique(begin)

    changes: list[Ints] = []
    strangers: list[Ints] = []
    vtl_before = 0
    total = int(count_up_to[-1])
    for at in range(0, total, _CHUNK):
        ordinal = np.arange(at, min(at + _CHUNK, total))
        number = ordinal + shift[np.searchsorted(count_up_to, ordinal, side="right")]
        position = _position(number, column)
        vtl = octets[position]
        is_change = vtl != np.append(np.uint8(vtl_before), vtl[:-1])
        changes.append(_firsts(number[is_change], begins, 1))
        vtl_before = int(vtl[-1])
        name = u32_at(octets, position + 1)
        nearest = storable[np.minimum(np.searchsorted(storable, name), len(storable) - 1)]
        strangers.append(_firsts(number[nearest != name], begins, 0))
    return np.concatenate(changes), np.concatenate(strangers)


def _firsts(numbers: Ints, begins: Ints, least: int) -> Ints:
    """The first of `numbers` at least `least` after each of `begins`, if before the next.

    Args:
        numbers: ascending, shape (k,), int64.
        begins: ascending, shape (n,), int64.
        least: how far after.

    Returns:
        Shape (m,), int64.
    """
    import numpy as np

    group = np.searchsorted(begins, numbers - least, side="right")
    is_first = np.append(True, group[1:] != group[:-1])[: len(group)]
    firsts: Ints = numbers[is_first]
    return firsts
