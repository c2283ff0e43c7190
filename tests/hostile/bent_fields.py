"""Files with a number of one header at the limits of its field, of pages or of address spaces."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.hostile.edge_numbers import NUMBERS_32, NUMBERS_64
from tests.small_files.raw import with_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.spec.registry import HeaderSpec


def bent_fields(data: bytes, spec: HeaderSpec, *, step: int = 1) -> Iterator[bytes]:
    """`data` with each number of its first header of a type at each limit, its checksum right.

    Args:
        data: a file; without a header of the type there is nothing to bend.
        spec: the type.
        step: takes every limit at 1, every second one at 2.
    """
    assert spec.record is not None
    start, size = struct.unpack_from("<II", data, 8)
    position = start
    while position < start + size:
        kind, length = struct.unpack_from("<II", data, position)
        if kind & 0x7FFFFFFF == spec.header_type:
            for item in spec.record.FIELDS:
                for value in (NUMBERS_64 if item.size == 8 else NUMBERS_32)[::step]:
                    if item.code and not value >> 8 * item.size:
                        bent = bytearray(data)
                        at = position + 8 + item.offset
                        bent[at : at + item.size] = value.to_bytes(item.size, "little")
                        yield with_checksum(bent)
            return
        position += 8 + (length + 7 & ~7)
