"""The types and lengths that releases of the crate read, against the crate itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from igvm.checks.reference.release_types import HEADER_TYPES, SECTIONS
from tests.small_files import raw

if TYPE_CHECKING:
    from tests.oracle.client import Oracle, Release

LENGTHS = (0, 4, 8, 16, 20, 24, 32, 48, 64, 696, 864)
"""Lengths that structures have, and some that none has."""

OUTSIDE = "InvalidBinaryVariableHeaderSection"
UNKNOWN = "InvalidVariableHeaderType"


def _expected(number: int, length: int, release: str) -> str:
    """What the crate must say to a header's type and length; empty where it reads the header."""
    if not any(number in types for types in SECTIONS.values()):
        return OUTSIDE
    pairs = {(row.number, row.length) for row in HEADER_TYPES[release]}
    return "" if (number, length) in pairs else UNKNOWN


@pytest.mark.parametrize("release", ["0.4", "0.5"])
def test_types_and_lengths(oracle: Oracle, release: Release) -> None:
    """Of all types up to past the last section, with all lengths, the crate reads those listed."""
    pairs = [(number, length) for number in range(0x403) for length in LENGTHS]
    pairs += [
        (row.number, row.length + change) for row in HEADER_TYPES["0.5"] for change in (-1, 1)
    ]
    files = [raw.file(raw.header(number, bytes(length)), data=b"data") for number, length in pairs]
    # What a header of zeroes breaks after its type and length were taken is of no concern here.
    answers = [
        next((error for error in (OUTSIDE, UNKNOWN) if error in verdict.error), "")
        for verdict in oracle.parse_many(files, release=release)
    ]
    assert {} == {
        pair: answer
        for pair, answer in zip(pairs, answers, strict=True)
        if answer != _expected(*pair, release)
    }
