"""Filters, and pages that go on from the page before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import igvm
from igvm.report.header_selection import Selection, select
from igvm.report.page_runs import page_runs
from tests.report.printed import every_header
from tests.small_files import raw
from tests.small_files.samples import runs_of_pages


def test_runs() -> None:
    """Adjacent data, the same data and no data each make a run; the odd page is alone."""
    file = igvm.parse(runs_of_pages())
    runs = [(run.index, run.count, run.gpa, run.file_offset) for run in page_runs(file, file.index)]
    assert [
        (0, 1, 0, 0),
        (1, 5, 4096, 4096),
        (6, 5, 4096, 0),
        (11, 5, 4096, 0),
        (16, 1, 0, 0),
    ] == runs


def test_nothing_is_joined_when_not_asked() -> None:
    """Without joining, each header is alone."""
    file = igvm.parse(runs_of_pages())
    assert [1] * 17 == [run.count for run in page_runs(file, file.index, join=False)]


def test_a_gap_in_the_choice_ends_a_run() -> None:
    """Headers that are left out are not part of a run."""
    file = igvm.parse(runs_of_pages())
    chosen = np.array([1, 2, 4, 5, 11])
    assert [(1, 2), (4, 2), (11, 1)] == [(run.index, run.count) for run in page_runs(file, chosen)]
    assert [] == list(page_runs(file, chosen[:0]))


def test_a_wrapping_address_ends_a_run() -> None:
    """Memory does not go on from the last page at address 0."""
    heads = raw.platform(2) + raw.page((1 << 64) - 4096) + raw.page(0)
    file = igvm.parse(raw.file(heads))
    assert [1, 1, 1] == [run.count for run in page_runs(file, file.index)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0x1000, 0x2000, 0x3000, 0x200000]),
            st.sampled_from([0, 0x1000, 0x2000, 0x3000]),
            st.sampled_from([1, 2]),
            st.sampled_from([0, 1, 4]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_runs_say_all(rows: list[tuple[int, int, int, int, bool]]) -> None:
    """Every header is in one run, and its fields are those that the run says."""
    heads = raw.platform(2) + b"".join(
        raw.page(gpa, offset, mask=mask, flags=flags) if page else raw.insert(1, gpa, mask)
        for gpa, offset, mask, flags, page in rows
    )
    file = igvm.parse(raw.file(heads))
    position = 0
    for run in page_runs(file, file.index):
        first = file.header(run.index).record
        for i in range(run.count):
            assert position == run.index + i
            record = file.header(position).record
            if run.count > 1:
                assert isinstance(first, igvm.PageData)
                assert record == first.replace(
                    gpa=first.gpa + i * run.gpa, file_offset=first.file_offset + i * run.file_offset
                )
            position += 1
    assert position == len(rows) + 1


def names(selection: Selection) -> set[str]:
    """The names of the headers that a selection of the sample takes."""
    file = every_header()
    return {file.header(int(index)).name for index in select(file, selection)}


@pytest.mark.parametrize(
    ("wanted", "selection"),
    [
        ({"SUPPORTED_PLATFORM"}, Selection(sections=(igvm.Section.PLATFORM,))),
        ({"SRAT", "MADT"}, Selection(types=(igvm.HeaderType.SRAT, igvm.HeaderType.MADT))),
        ({"SUPPORTED_PLATFORM", "GUEST_POLICY"}, Selection(indexes=((0, 1), (3, 4)))),
        (set(), Selection(indexes=((10**6, 1 << 32), (5, 5)))),
        ({"PAGE_DATA"}, Selection(addresses=((0x1FFF, 0x2000),))),
        ({"PAGE_DATA", "RELOCATABLE_REGION"}, Selection(addresses=((0x2000, 0x10001),))),
        ({"PARAMETER_INSERT"}, Selection(addresses=((0x30FFF, 0x31000),))),
        ({"VP_CONTEXT"}, Selection(addresses=((0xFFFFFFFFF800, 1 << 70),))),
        ({"REQUIRED_MEMORY"}, Selection(addresses=((0x10FFFF, 0x110000),))),
        ({"ERROR_RANGE"}, Selection(addresses=((0x50000, 0x50001),))),
        ({"PAGE_TABLE_RELOCATION_REGION"}, Selection(addresses=((0x20000, 0x20001),))),
        ({"PAGE_DATA"}, Selection(addresses=((0x3FFFFF, 0x400000),))),
        (set(), Selection(addresses=((1 << 64, 1 << 65), (9, 9)))),
    ],
)
def test_select(wanted: set[str], selection: Selection) -> None:
    """A filter takes the headers that it names."""
    assert wanted == names(selection)


def test_select_by_platform() -> None:
    """A platform takes its own platform header and what its mask names."""
    file = every_header()
    for index in select(file, Selection(platforms=(igvm.PlatformType.NATIVE,))):
        mask = file.header(int(index)).compatibility_mask
        assert mask is None or mask & 4
    with pytest.raises(igvm.ValidationError, match="not for TDX"):
        select(file, Selection(platforms=(igvm.PlatformType.TDX,)))


def test_everything_is_selected_by_default() -> None:
    """Without a filter, nothing is left out."""
    file = every_header()
    assert Selection().everything
    assert len(file.headers) == len(select(file, Selection()))


def test_an_insert_without_area_has_its_address() -> None:
    """An insert of an area that there is not takes one address."""
    file = igvm.parse(raw.file(raw.platform(), raw.insert(3, 0x1000)))
    assert [1] == select(file, Selection(addresses=((0x1000, 0x1001),))).tolist()
    assert [] == select(file, Selection(addresses=((0x1001, 0x2000),))).tolist()
