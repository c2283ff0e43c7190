"""Columns: strided views where headers are evenly spaced, gathered elsewhere, always the values."""

from __future__ import annotations

import numpy as np
import pytest

import igvm
from tests.small_files import raw

LAYOUTS = {
    "none": [],
    "one": [0x1000],
    "even": [0x1000, 0x3000, 0x2000, 0x9000],
    "gaps": [0x1000, None, 0x2000, 0x3000, None, None, 0x4000],
    "alternating": [0x1000, None, 0x2000, None, 0x3000, None],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_columns_hold_the_values_of_the_headers(layout: list[int | None]) -> None:
    """A column is the field of each header of that type, in file order."""
    headers = [raw.area(0) if gpa is None else raw.page(gpa, kind=2) for gpa in layout]
    file = igvm.parse(raw.file(raw.platform(), *headers))
    table = file.table(igvm.PageData)
    assert [gpa for gpa in layout if gpa is not None] == table[igvm.PageData.gpa].tolist()
    records = file.all_of(igvm.PageData)
    assert [header.index for header in records] == table.index.tolist()
    assert [header.offset for header in records] == table.offset.tolist()
    assert [header.record.pack() for header in records] == [row.tobytes() for row in table.rows()]


def test_evenly_spaced_columns_are_views() -> None:
    """A run of equal headers is not copied."""
    file = igvm.parse(raw.file(raw.platform(), raw.page(0x1000) * 100))
    column = file.table(igvm.PageData)[igvm.PageData.gpa]
    assert ((32,), False) == (column.strides, bool(column.flags.owndata))


def test_columns_have_the_width_of_their_fields() -> None:
    """Each field's column has its own dtype."""
    table = igvm.parse(raw.file(raw.platform(), raw.page(0))).table(igvm.PageData)
    assert (np.dtype("<u8"), np.dtype("<u2")) == (
        table[igvm.PageData.gpa].dtype,
        table[igvm.PageData.data_type].dtype,
    )


def test_octets_are_rows_of_bytes() -> None:
    """A field of bytes is a two-dimensional column."""
    block = igvm.SNPIDBlock(compatibility_mask=1, ld=bytes(range(48)))
    file = igvm.parse(raw.file(raw.platform(2), raw.header(0x30B, block.pack()) * 2))
    column = file.table(igvm.SNPIDBlock)[igvm.SNPIDBlock.ld]
    assert ((2, 48), bytes(range(48))) == (column.shape, column[1].tobytes())


def test_parameter_types_have_their_own_tables() -> None:
    """Records that share a structure are told apart by type."""
    file = igvm.parse(
        raw.file(
            raw.platform(), raw.area(7), raw.parameter(0x307, 7, 8), raw.parameter(0x308, 7, 16)
        )
    )
    assert [8] == file.table(igvm.VPCount)[igvm.Parameter.byte_offset].tolist()
    assert [16] == file.table(igvm.SRAT)[igvm.Parameter.byte_offset].tolist()
    assert isinstance(file.directives[1].record, igvm.VPCount)


def test_columns_at_odd_places_are_right() -> None:
    """Variable headers that start off any alignment are read all the same."""
    file = igvm.parse(raw.file(raw.platform(), raw.page(0x123000) * 20, gap=b"xyz"))
    assert [0x123000] * 20 == file.table(igvm.PageData)[igvm.PageData.gpa].tolist()
