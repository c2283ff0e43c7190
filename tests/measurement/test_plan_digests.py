"""A plan's digest depends on nothing but its operations."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import igvm
from igvm.launch.plan import MEMORY, blank_rows
from igvm.measurement import page_digests, parallel
from igvm.measurement.measure import measure_plans
from igvm.measurement.page_cache import ContentCache
from igvm.measurement.technologies import snp, vbs
from igvm.spec.isolation import isolation_of
from tests.small_files import raw
from tests.small_files.contents import OTHER_PAGE, PAGE
from tests.small_files.guests import CCA, SEV, SEV_ES, SNP, TDX, VBS

if TYPE_CHECKING:
    from pathlib import Path

REALM = igvm.RealmParameters(s2sz=52, flags=1)
PLATFORMS = (SNP, TDX, VBS, CCA, SEV, SEV_ES)
OPERATIONS = [*MEMORY, igvm.Operation.ERROR_RANGE]
DATA = PAGE + OTHER_PAGE + bytes(8192) + bytes(range(1, 256)) * 100
FILE = igvm.parse(raw.file(raw.platform(), data=DATA))
START = len(FILE.buffer) - len(DATA)

rows = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 1 << 40).map(lambda page: page * 4096),
        st.integers(0, 4),
        st.one_of(st.just(-1), st.integers(START, START + len(DATA) - 4 * 4096)),
    ),
    max_size=8,
)


def plan_of(
    drawn: list[tuple[igvm.Operation, int, int, int]],
    platform: igvm.PlatformType,
    file: igvm.IgvmFile = FILE,
) -> igvm.LaunchPlan:
    """A plan of rows of operation, gpa, pages and source."""
    table = blank_rows(len(drawn))
    for row, (operation, gpa, pages, source) in zip(table, drawn, strict=True):
        row["operation"], row["gpa"], row["source"] = operation, gpa, source
        row["pages"] = row["loaded"] = pages
        row["measured"] = operation in isolation_of(platform).measured
    return igvm.LaunchPlan(file=file, platform=platform, mask=1, loader="made", rows=table)


def digest(plan: igvm.LaunchPlan, cache: ContentCache | None = None) -> bytes:
    """The measurement of `plan`."""
    return igvm.measure_plan(plan, realm=REALM, contents=cache).digest


def outcome(plan: igvm.LaunchPlan, cache: ContentCache | None = None) -> bytes | str:
    """The measurement of `plan`, or why there is none: a Realm has no page twice."""
    try:
        return digest(plan, cache)
    except igvm.MeasurementError as error:
        return error.message


@settings(max_examples=60)
@given(rows, st.sampled_from(PLATFORMS))
def test_runs_are_as_good_as_their_pages(
    drawn: list[tuple[igvm.Operation, int, int, int]], platform: igvm.PlatformType
) -> None:
    """A run of pages counts as its pages one by one, or is refused like them."""
    single = [
        (operation, gpa + 4096 * page, 1, source if source < 0 else source + 4096 * page)
        for operation, gpa, pages, source in drawn
        for page in range(pages)
    ]
    assert outcome(plan_of(single, platform)) == outcome(plan_of(drawn, platform))


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=4), st.sampled_from(PLATFORMS))
def test_a_cache_changes_nothing(
    plans: list[list[tuple[igvm.Operation, int, int, int]]], platform: igvm.PlatformType
) -> None:
    """With digests kept from other plans, or from itself, a plan has the digest it has alone."""
    cache = ContentCache(FILE)
    every = [plan_of(drawn, platform) for drawn in plans]
    every.append(plan_of([row for drawn in plans for row in drawn], platform))
    alone = [outcome(plan) for plan in every]
    assert alone == [outcome(plan, cache) for plan in every]
    assert alone == [outcome(plan, cache) for plan in every]


def test_a_cache_is_of_one_file() -> None:
    """Offsets mean nothing in another file, so its plans are refused."""
    other = igvm.parse(bytes(FILE.buffer))
    with pytest.raises(igvm.MeasurementError, match="not of the file whose digests are kept"):
        igvm.measure_plan(plan_of([], SNP), contents=ContentCache(other))


def large_file(pages: int = 3000) -> bytes:
    """A file with enough distinct pages for a second process, some zero and some repeated."""
    heads = raw.platform(2) + raw.platform(3, 2) + raw.platform(1, 4)
    start = 24 + len(heads) + 32 * pages
    index = [number % 2500 for number in range(pages)]
    heads += b"".join(
        raw.page(number * 4096, start + 4096 * place, mask=7, flags=2 if number % 11 == 0 else 0)
        for number, place in enumerate(index)
    )
    data = b"".join(
        (number * (number % 7 != 0)).to_bytes(2, "little") * 2048 for number in range(2500)
    )
    return raw.file(heads, data=data)


LARGE = large_file()


def plans_of(file: igvm.IgvmFile) -> list[igvm.LaunchPlan]:
    """The plans of every platform."""
    return [
        igvm.plan(file, SNP, loader="igvmmeasure"), igvm.plan(file, TDX), igvm.plan(file, VBS)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def alone() -> list[bytes]:
    """The digests of LARGE, each plan cut into pieces too small for a second process."""
    result = []
    for plan in plans_of(igvm.parse(LARGE)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(page_digests, "may_fork", lambda: False)
            result.append(digest(plan))
    return result


@pytest.mark.parametrize("fork", [True, False])
def test_a_second_process_changes_nothing(
    *, fork: bool, alone: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page digests from a second process, and whole measurements, are the same."""
    monkeypatch.setattr(page_digests, "may_fork", lambda: fork)
    monkeypatch.setattr(parallel, "may_fork", lambda: fork)
    plans = plans_of(igvm.parse(LARGE))
    assert alone == [digest(plan) for plan in plans]
    for order in itertools.permutations(range(3)):
        together = measure_plans([plans[at] for at in order])
        assert [alone[at] for at in order] == [measurement.digest for measurement in together]
    cache = ContentCache(plans[0].file)
    assert alone == [measurement.digest for measurement in measure_plans(plans, contents=cache)]
    assert alone == [digest(plan, cache) for plan in plans]


def test_a_mapping_is_as_good_as_a_copy(alone: list[bytes], tmp_path: Path) -> None:
    """A mapped file has the digests of its bytes."""
    path = tmp_path / "large.igvm"
    path.write_bytes(LARGE)
    assert alone == [digest(plan) for plan in plans_of(igvm.open(path))]
    assert alone == [digest(plan) for plan in plans_of(igvm.open(path, copy=True))]


def test_windows_of_any_size(alone: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """How many pages are written out at a time does not show."""
    monkeypatch.setattr(page_digests, "WINDOW", 7)
    assert alone == [digest(plan) for plan in plans_of(igvm.parse(LARGE))]


def test_no_other_file_matters() -> None:
    """Files measured in any order have the digests that each has alone."""
    pages = [bytes([number]) * 4096 for number in range(1, 4)]
    files = [
        igvm.parse(raw.file(raw.platform(3), raw.page(0x1000, 24 + 24 + 32), data=page))
        for page in pages
    ]
    first = [igvm.measure(file, TDX).digest for file in files]
    assert len(set(first)) == 3
    for order in itertools.permutations(range(3)):
        assert [first[at] for at in order] == [igvm.measure(files[at], TDX).digest for at in order]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_order_matters(platform: igvm.PlatformType) -> None:
    """Two pages the other way round have another digest: it does depend on the operations."""
    normal = igvm.Operation.NORMAL
    in_order = [(normal, 0x1000, 1, START), (normal, 0x2000, 1, START + 4096)]
    assert digest(plan_of(in_order, platform)) != digest(plan_of(in_order[::-1], platform))


def test_a_chain_ends_with_the_digest(alone: list[bytes]) -> None:
    """The running digests that explain a measurement come to the same end."""
    snp_plan, _, vbs_plan = plans_of(igvm.parse(LARGE))
    assert alone[0] == deque(snp.chain(snp_plan.measured_part()), maxlen=1)[0]
    assert alone[2] == deque(vbs.chain(vbs_plan.measured_part()), maxlen=1)[0]


def test_a_cache_tells_what_a_loader_made_apart() -> None:
    """Pages that are not in the file count by their bytes, not by their numbers."""
    cache = ContentCache(FILE)
    normal, secrets = igvm.Operation.NORMAL, igvm.Operation.SECRETS
    plan = plan_of([(normal, 0x1000, 1, -2), (secrets, 0x2000, 1, -1)], SNP)
    digests = set()
    for page in (PAGE, OTHER_PAGE):
        changed = plan.with_rows(plan.rows, blobs=[page])
        digests.add(digest(changed, cache))
        assert digest(changed) == digest(changed, cache)
    assert 2 == len(digests)


def test_every_page_of_a_plan() -> None:
    """All pages in order, of all rows or of some, however long the runs."""
    normal = igvm.Operation.NORMAL
    plan = plan_of([(normal, 0, 40000, -1), (normal, 1 << 40, 2, START)], SNP)
    pages = list(page_digests.windows(plan, np.array([True, True])))
    assert 40002 == sum(len(window.gpa) for window in pages)
    assert (1 << 40) + 4096 == int(pages[-1].gpa[-1])
    assert [START, START + 4096] == pages[-1].source[-2:].tolist()
    (window,) = page_digests.windows(plan, np.array([False, True]))
    assert [1, 1] == window.row.tolist()
    assert not list(page_digests.windows(plan, np.array([False, False])))
