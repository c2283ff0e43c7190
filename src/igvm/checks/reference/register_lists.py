"""Many VBS register lists at once, in time linear in the file however they overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from igvm.spec.context import VBSContextHeader, VBSRegister

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Octets = NDArray[np.uint8]

_HEAD = VBSContextHeader.SIZE
_STEP = VBSRegister.SIZE

# Registers looked at in one go: what is allocated for them stays small.
_CHUNK = 1 << 15


class RegisterLists(NamedTuple):
    """What is known of the register list of each of some contexts."""

    said: Ints
    """The register count that the list says; zero where it does not start in the data."""
    whole: Ints
    """How many of the registers are in the data."""
    vtl: Ints
    """The VTL of the first register; zero where there is none."""
    mixed: NDArray[np.bool_]
    """Whether the registers in the data are of more than one VTL."""
    unsupported: Ints
    """Position in the data of the first register that cannot be stored, or -1."""


def u32_at(octets: Octets, where: Ints) -> Ints:
    """The 32-bit numbers at `where`, which need not be aligned."""
    import numpy as np

    result = octets[where + 3].astype(np.int64)
    for i in (2, 1, 0):
        result <<= 8
        result |= octets[where + i]
    return result


def register_lists(octets: Octets, start: Ints, storable: Ints) -> RegisterLists:
    """Look at the lists that begin at `start` in the file data `octets`.

    Args:
        octets: the file data.
        start: positions in it; what is not in the data has no registers.
        storable: the register names that can be stored, ascending.
    """
    import numpy as np

    size = len(octets)
    count = np.zeros(len(start), np.int64)
    readable = np.flatnonzero(start + _HEAD <= size)
    count[readable] = u32_at(octets, start[readable])
    whole = np.minimum(count, np.maximum(size - start - _HEAD, 0) // _STEP)

    some = np.flatnonzero(whole)
    first = start[some] + _HEAD
    vtl = np.zeros(len(start), np.int64)
    vtl[some] = octets[first]
    mixed = np.zeros(len(start), bool)
    unsupported = np.full(len(start), -1, np.int64)
    if len(some):
        # Registers of the same remainder by 32 are neighbours; lists that overlap become one.
        column = size // _STEP + 1
        begin = first % _STEP * column + first // _STEP
        end = begin + whole[some]
        changes, strangers = _scan(octets, begin, end, column, storable)
        mixed[some] = _next(changes, begin + 1) < end
        found = _next(strangers, begin)
        bad = found < end
        unsupported[some[bad]] = found[bad] // column + found[bad] % column * _STEP
    return RegisterLists(count, whole, vtl, mixed, unsupported)


def _next(positions: Ints, begin: Ints) -> Ints:
    """The first of the ascending `positions` at or after each `begin`; huge where there is none."""
    import numpy as np

    padded = np.append(positions, np.iinfo(np.int64).max)
    return padded[np.searchsorted(positions, begin)]


def _scan(octets: Octets, begin: Ints, end: Ints, column: int, storable: Ints) -> tuple[Ints, Ints]:
    """Look once at every register in the union of the ranges from `begin` to `end`.

    Returns:
        The registers whose VTL differs from the one before, and those that cannot be stored. Of
        several between two beginnings only the first is given.
    """
    import numpy as np

    order = np.argsort(begin)
    low, high = begin[order], np.maximum.accumulate(end[order])
    fresh = np.append(True, low[1:] > high[:-1])
    low, high = low[fresh], high[np.append(np.flatnonzero(fresh)[1:] - 1, len(high) - 1)]
    past = np.cumsum(high - low)  # registers in the ranges up to and with each
    shift = high - past  # from the number of a register to its position
    begins = np.unique(begin)

    changes: list[Ints] = []
    strangers: list[Ints] = []
    last = 0
    for at in range(0, int(past[-1]), _CHUNK):
        number = np.arange(at, min(at + _CHUNK, int(past[-1])))
        position = number + shift[np.searchsorted(past, number, side="right")]
        where = position // column + position % column * _STEP
        vtl = octets[where]
        changes.append(_firsts(position[vtl != np.append(np.uint8(last), vtl[:-1])], begins, 1))
        last = int(vtl[-1])
        name = u32_at(octets, where + 1)
        known = storable[np.minimum(np.searchsorted(storable, name), len(storable) - 1)] == name
        strangers.append(_firsts(position[~known], begins, 0))
    return np.concatenate(changes), np.concatenate(strangers)


def _firsts(positions: Ints, begins: Ints, least: int) -> Ints:
    """The first of `positions` at least `least` after each of `begins`, if before the next."""
    import numpy as np

    group = np.searchsorted(begins, positions - least, side="right")
    first: Ints = positions[np.append(True, group[1:] != group[:-1])[: len(group)]]
    return first
