"""How a range of RAM becomes entries of a Realm's tables, each of which RMM 1.x measures."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.measurement.rmm import ripas_entries

KIB4, MIB2, GIB, GIB512 = 1 << 12, 1 << 21, 1 << 30, 1 << 39

widths = st.integers(32, 52)


@pytest.mark.parametrize(
    ("base", "top", "s2sz", "sizes"),
    [
        (0x1000, 0x2000, 40, [KIB4]),
        (0x1000, 0x4000, 40, [KIB4] * 3),
        (0, MIB2, 40, [MIB2]),
        (0, MIB2 - KIB4, 40, [KIB4] * 511),
        (0x1FF000, 0x402000, 40, [KIB4, MIB2, KIB4, KIB4]),
        (GIB, 2 * GIB, 40, [GIB]),
        (GIB, 3 * GIB + MIB2 + KIB4, 40, [GIB, GIB, MIB2, KIB4]),
        (GIB, 2 * GIB, 34, [MIB2] * 512),
        (GIB, 2 * GIB, 35, [GIB]),
        (0, GIB512, 43, [GIB] * 512),
        (0, GIB512, 44, [GIB512]),
        (0, 2 * GIB512 + GIB, 52, [GIB512, GIB512, GIB]),
    ],
)
def test_largest_blocks(base: int, top: int, s2sz: int, sizes: list[int]) -> None:
    """Each entry is the largest aligned block that fits, as far as the IPA space has such."""
    assert sizes == [end - start for start, end in ripas_entries(base, top, s2sz)]


@given(widths, st.data())
def test_what_is_one_entry_stays_one(s2sz: int, data: st.DataObject) -> None:
    """A range that is one entry, given by itself, is that entry."""
    base = data.draw(st.integers(0, (1 << s2sz - 1) // KIB4 - 1)) * KIB4
    top = base + data.draw(st.sampled_from([KIB4, MIB2, GIB, GIB512]))
    for entry in list(ripas_entries(base, top, s2sz))[:20]:
        assert [entry] == list(ripas_entries(*entry, s2sz))


@given(widths, st.data())
def test_entries_cover_the_range(s2sz: int, data: st.DataObject) -> None:
    """They follow each other from its base to its top, each at a multiple of its size."""
    pages = st.integers(0, (1 << s2sz - 1) // KIB4)
    base, top = sorted(data.draw(st.tuples(pages, pages).filter(lambda ends: ends[0] != ends[1])))
    entries = list(ripas_entries(base * KIB4, top * KIB4, s2sz))
    assert (base * KIB4, top * KIB4) == (entries[0][0], entries[-1][1])
    assert all(entry[1] == following[0] for entry, following in pairwise(entries))
    assert all(start % (end - start) == 0 for start, end in entries)


@pytest.mark.parametrize("s2sz", range(32, 53))
def test_how_many_there_are(s2sz: int) -> None:
    """The worst range of the protected half is a few thousand entries, whatever its size."""
    worst = ripas_entries(KIB4, (1 << s2sz - 1) - KIB4, s2sz)
    assert 7160 >= sum(1 for _ in worst)


def test_one_by_one() -> None:
    """They are made when they are asked for, so that no range costs memory."""
    assert (KIB4, 2 * KIB4) == next(ripas_entries(KIB4, 1 << 5000, 48))
