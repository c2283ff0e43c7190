"""Parameter areas, followed by sorting, fare as they do when followed one by one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.checks.inspection.inspected_file import InspectedFile
from tests.small_files import raw
from tests.small_files.sound_files import packed

if TYPE_CHECKING:
    from igvm.wire.record import Record

_COUNT = 14


def _headers(seed: int) -> list[Record]:
    """Declarations, uses and insertions of three areas in any order."""
    rng = random.Random(seed)
    headers: list[Record] = []
    for _ in range(rng.randrange(_COUNT)):
        number, act = rng.randrange(3), rng.randrange(4)
        if act == 0:
            headers.append(igvm.ParameterArea(number_of_bytes=4096, parameter_area_index=number))
        elif act == 1:
            headers.append(igvm.VPCount(parameter_area_index=number))
        elif act == 2:
            headers.append(igvm.SRAT(parameter_area_index=number))
        else:
            mask = rng.choice((0, 1, 1))
            headers.append(
                igvm.ParameterInsert(gpa=0, compatibility_mask=mask, parameter_area_index=number)
            )
    return headers


def _followed(headers: list[Record]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Headers that declare again, use what is not there, come too late, or are never inserted."""
    declared: dict[int, int] = {}
    inserted: set[int] = set()
    again: list[int] = []
    undeclared: list[int] = []
    late: list[int] = []
    for index, header in enumerate(headers, 1):
        number: int = getattr(header, "parameter_area_index")  # noqa: B009 - of any type
        if isinstance(header, igvm.ParameterArea):
            if number in declared:
                again.append(index)
            else:
                declared[number] = index
            continue
        if isinstance(header, igvm.ParameterInsert) and header.compatibility_mask == 0:
            continue
        if number not in declared:
            undeclared.append(index)
        elif number in inserted:
            late.append(index)
        if isinstance(header, igvm.ParameterInsert):
            inserted.add(number)
    never = sorted(index for number, index in declared.items() if number not in inserted)
    return again, undeclared, late, never


@pytest.mark.parametrize("seed", range(400))
def test_areas_are_followed(seed: int) -> None:
    """Sorting all headers by area finds what a loop over the headers finds."""
    headers = _headers(seed)
    heads = raw.platform() + b"".join(map(packed, headers))
    areas = InspectedFile(igvm.parse(raw.file(heads))).areas
    columns = (areas.redeclared, areas.undeclared, areas.after_insertion, areas.never_inserted)
    assert _followed(headers) == tuple(column.tolist() for column in columns)
