"""Files that cost the most for their size: what every verb has to stay within its bounds on.

Each is a few lines of repeated headers, in a size that the caller chooses.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.small_files import raw

if TYPE_CHECKING:
    from collections.abc import Callable

    Bomb = Callable[[int], bytes]

VBS, SNP, TDX, SEV, SEV_ES, CCA = 1, 2, 3, 4, 5, 6
PLATFORMS = b"".join(raw.platform(kind, 1 << kind) for kind in (VBS, SNP, TDX, SEV, SEV_ES, CCA))
EVERY = sum(1 << kind for kind in (VBS, SNP, TDX, SEV, SEV_ES, CCA))
PAGE = bytes(range(256)) * 16
_LARGE = 1


def _file(headers: bytes, data: bytes = PAGE, kinds: bytes = PLATFORMS) -> bytes:
    return raw.file(kinds + raw.policy(mask=1 << SNP), headers, data=data)


def _numbered(header: bytes, count: int, **fields: tuple[int, str, range]) -> bytes:
    """`count` times `header`, with numbers put into it: their place, their form and the numbers."""
    import numpy as np

    rows = np.frombuffer(header * count, np.uint8).reshape(count, len(header)).copy()
    for at, form, numbers in fields.values():
        column = np.asarray(numbers, np.dtype(form))
        rows[:, at : at + column.itemsize] = column.view(np.uint8).reshape(count, -1)
    return rows.tobytes()


def vmsas(count: int) -> bytes:
    """Contexts of one VMSA, for one vCPU after the other."""
    header = raw.context(raw.at(0), mask=1 << SNP | 1 << SEV_ES)
    numbers = range(count)
    return _file(_numbered(header, count, index=(24, "<u2", _wrapped(numbers, 1 << 16))))


def vmsas_apart(count: int) -> bytes:
    """Contexts whose VMSAs begin one byte after the other."""
    start = 24 + len(PLATFORMS) + len(raw.policy()) + 32 * count
    header = raw.context(1, mask=1 << SNP)
    headers = _numbered(
        header, count,
        offset=(20, "<u4", range(start, start + count)),
        index=(24, "<u2", _wrapped(range(count), 1 << 16)),
    )  # fmt: skip
    return _file(headers, bytes(count + 4096))


def pages_of_one_address(count: int) -> bytes:
    """A page, again and again."""
    return _file(raw.page(0x100000, raw.at(0), mask=EVERY) * count)


def pages_descending(count: int) -> bytes:
    """Pages from the last to the first, so that nothing goes on."""
    header = raw.page(0, raw.at(0), mask=EVERY)
    gpas = range(4096 * count, 0, -4096)
    return _file(_numbered(header, count, gpa=(8, "<u8", gpas)))


def pages_ascending(count: int) -> bytes:
    """Pages one after the other, all with the same data."""
    header = raw.page(0, raw.at(0), mask=EVERY)
    return _file(_numbered(header, count, gpa=(8, "<u8", range(0, 4096 * count, 4096))))


def pages_apart(count: int) -> bytes:
    """Pages whose data begins one byte after the other's, so that no two are the same."""
    start = 24 + len(PLATFORMS) + len(raw.policy()) + 32 * count
    header = raw.page(0, 1, mask=EVERY)
    headers = _numbered(
        header, count,
        gpa=(8, "<u8", range(0, 4096 * count, 4096)),
        offset=(20, "<u4", range(start, start + count)),
    )  # fmt: skip
    return _file(headers, (PAGE * (count // 4096 + 2))[: count + 4096])


def large_pages(count: int) -> bytes:
    """Pages of 2 MiB that share the bytes of one."""
    header = raw.page(0, raw.at(0), mask=EVERY, flags=_LARGE)
    gpas = range(0, count << 21, 1 << 21)
    return _file(_numbered(header, count, gpa=(8, "<u8", gpas)), bytes(4095) + b"\1" * (2 << 20))


def large_pages_without_data(count: int) -> bytes:
    """Pages of 2 MiB of zeroes."""
    header = raw.page(0, mask=EVERY, flags=_LARGE)
    return _file(_numbered(header, count, gpa=(8, "<u8", range(0, count << 21, 1 << 21))))


def empty_headers(count: int) -> bytes:
    """Headers of eight bytes, of a type that nobody knows."""
    return _file(raw.header(0x800003FF, b"") * count, b"")


def alternating_headers(count: int) -> bytes:
    """Headers of two types in turn, so that no run is found."""
    pair = raw.header(0x800003FE, bytes(16)) + raw.page(0x100000, raw.at(0), mask=EVERY)
    return _file(pair * (count // 2))


def platforms(count: int) -> bytes:
    """Platform headers, for all types and masks."""
    header = raw.platform(0, 1)
    return raw.file(
        _numbered(
            header, count,
            mask=(8, "<u4", range(count)),
            kind=(13, "u1", _wrapped(range(count), 256)),
        )
    )  # fmt: skip


def wrong_pages(count: int) -> bytes:
    """Pages with nothing right about them."""
    body = struct.pack("<QIIIHH", 0x1001, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF, 9, 9)
    return _file(raw.header(0x302, body) * count)


def areas(count: int) -> bytes:
    """Parameter areas of a GiB, declared and inserted again and again."""
    pair = raw.area(0, 1 << 30) + raw.insert(0, 0x100000, mask=EVERY)
    return _file(pair * (count // 2))


def error_ranges(count: int) -> bytes:
    """Error ranges of four GiB."""
    return _file(raw.error_range(0, 0xFFFFF000, mask=EVERY) * count)


def registers(count: int) -> bytes:
    """VBS contexts that share a list of registers."""
    listed = raw.register_list(*[0x20010] * 1000)
    return _file(raw.context(raw.at(0), mask=1 << VBS) * count, listed.ljust(4096, b"\0"))


def _wrapped(numbers: range, end: int) -> range:
    """`numbers` modulo `end`, as an array."""
    import numpy as np

    return np.asarray(numbers) % end  # type: ignore[return-value]


BOMBS: dict[str, Bomb] = {
    make.__name__: make
    for make in (
        vmsas,
        vmsas_apart,
        pages_of_one_address,
        pages_descending,
        pages_ascending,
        pages_apart,
        large_pages,
        large_pages_without_data,
        empty_headers,
        alternating_headers,
        platforms,
        wrong_pages,
        areas,
        error_ranges,
        registers,
    )
}
"""What makes each, by its name: from a number of headers to a file."""
