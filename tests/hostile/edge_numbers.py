"""Numbers at the limits of fields, of pages and of address spaces."""

from __future__ import annotations

NUMBERS_32 = (
    0,
    1,
    7,
    8,
    0xFF,
    0xFFF,
    0x1000,
    0x1001,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFF000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
NUMBERS_64 = (
    *NUMBERS_32,
    1 << 32,
    (1 << 32) - 4096,
    1 << 47,
    (1 << 52) - 4096,
    1 << 63,
    (1 << 63) - 1,
    (1 << 64) - 8192,
    (1 << 64) - 4096,
    (1 << 64) - 1,
)
