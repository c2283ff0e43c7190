"""Finds the variable headers in their section, in runs where it can, and linear where it cannot."""

from __future__ import annotations

import struct
from array import array
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_prefix = struct.Struct("<II").unpack_from

# Equal headers in a row before the array comparison pays.
_WORTH_A_RUN = 12
_FIRST_WINDOW = 256
# A comparison that finds fewer headers than this did not pay.
_GOOD_RUN = 64
_MOST_PATIENCE = 1024
# Headers of a run that are written down at once.
_BLOCK = 1 << 16


class Walk(NamedTuple):
    """Where the headers of a section are."""

    offsets: NDArray[np.uint32]
    """Start of each header's type field, in bytes from the start of the section."""
    types: NDArray[np.uint32]
    """Each header's type field, optional bit included."""
    end: int
    """Bytes of the section that the headers take; what follows is not a header."""


def walk(section: memoryview) -> Walk:
    """Find every header in `section`, the variable headers of a file.

    Runs of equal type and length are found by comparing columns; elsewhere a plain loop goes
    header by header, so hostile alternation costs no more than a fraction of a microsecond each.
    The walk ends at the first header whose body would leave the section.
    """
    import numpy as np

    size = len(section)
    # Room for as many headers as there can be, which is given back at the end; what is never
    # written takes no memory meanwhile.
    most = size // 8
    all_offsets, all_types = np.empty(most, np.uint32), np.empty(most, np.uint32)
    done = 0
    offsets, types = array("I"), array("I")
    position = repeated = 0
    worth = _WORTH_A_RUN
    previous = (-1, -1)

    def flush() -> None:
        nonlocal done
        end = done + len(offsets)
        all_offsets[done:end], all_types[done:end] = offsets, types
        done = end
        del offsets[:], types[:]

    while position + 8 <= size:
        prefix = _prefix(section, position)
        kind, length = prefix
        if position + 8 + length > size:
            break
        offsets.append(position)
        types.append(kind)
        stride = 8 + (length + 7 & ~7)
        position += stride
        repeated = repeated + 1 if prefix == previous else 0
        previous = prefix
        if repeated == worth:
            flush()
            count = _run(section, position, kind, length, stride)
            all_types[done : done + count] = kind
            for start in range(0, count, _BLOCK):
                block = np.arange(min(_BLOCK, count - start), dtype=np.uint32)
                block *= np.uint32(stride)
                block += np.uint32(position + start * stride)
                all_offsets[done + start : done + start + len(block)] = block
            done += count
            position += count * stride
            repeated = 0
            # Where runs end soon after they were noticed, wait longer before the next comparison.
            worth = _WORTH_A_RUN if count >= _GOOD_RUN else min(2 * worth, _MOST_PATIENCE)
    flush()
    for column in (all_offsets, all_types):
        column.resize(done, refcheck=False)
    return Walk(all_offsets, all_types, min(position, size))


def _run(section: memoryview, position: int, kind: int, length: int, stride: int) -> int:
    """How many whole headers from `position` on have this type and length."""
    import numpy as np

    most = (len(section) - position) // stride
    if most <= 0:
        return 0
    wanted = kind | length << 32
    view = np.ndarray((most,), "<u8", np.frombuffer(section, np.uint8), position, (stride,))
    start, window = 0, _FIRST_WINDOW
    while start < most:
        different = view[start : start + window] != wanted
        first = int(different.argmax())
        if different[first]:
            return start + first
        start += window
        window = min(8 * window, _BLOCK)
    return most
