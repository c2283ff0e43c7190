"""The leaves of CPUID pages as columns: which pages there are, and the first bad leaf of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from igvm.checks.inspection.record_fields import field_offset
from igvm.checks.rule import Lazy, Place
from igvm.spec.directive import PageData
from igvm.spec.enums import PageDataType
from igvm.spec.isolation import platforms_with
from igvm.spec.snp_structures import INDEXED_BY_XSAVE, MOST_LEAVES, CPUIDEntry, CPUIDPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

    Bools = NDArray[np.bool_]
    Test = Callable[[NDArray[np.void], Bools], Bools]

_BATCH = 1024
"""Pages that are looked at together: 4 MiB, whatever there is in the file."""

LEGACY_STATES = (1, 3)
"""XCR0 of the versions of leaf 0xd, subleaves 0 and 1, that Linux takes (sev-shared.c)."""
AVX512 = (5, 6, 7)
"""The subleaves of leaf 0xd with the state of AVX-512."""
CET = (11, 12)
"""The subleaves of leaf 0xd with the state of CET, for the user and the supervisor."""


class CPUIDPages(NamedTuple):
    """CPUID pages whose data is in the file, each place of the file once; n pages."""

    header: NDArray[np.intp]
    """Position of the first header that refers to each, shape (n,), intp."""
    offset: NDArray[np.int64]
    """Where its bytes start in the file, shape (n,), int64."""
    payloads: NDArray[np.void]
    """The file as a CPUIDPage at each byte."""

    def batches(self) -> Iterator[tuple[slice, NDArray[np.void]]]:
        """Some pages after the other: which they are, and their records, shape (b,)."""
        for start in range(0, len(self.offset), _BATCH):
            rows = slice(start, start + _BATCH)
            yield rows, self.payloads[self.offset[rows]]

    @property
    def counts(self) -> NDArray[np.uint32]:
        """How many leaves each page says it has, shape (n,), uint32."""
        counts: NDArray[np.uint32] = self.payloads["count"][self.offset]
        return counts


def pages_at(
    inspected: InspectedFile, header: NDArray[Any], offset: NDArray[np.int64]
) -> CPUIDPages:
    """The pages at byte offsets `offset` of the file, those that are whole."""
    import numpy as np

    payloads = inspected.payloads(CPUIDPage)
    is_whole = (offset > 0) & (offset < len(payloads))
    distinct, first = np.unique(offset[is_whole], return_index=True)
    return CPUIDPages(header[is_whole][first].astype(np.intp), distinct, payloads)


def read_cpuid_pages(inspected: InspectedFile) -> CPUIDPages:
    """The CPUID pages of a file that are for a platform with such pages."""
    import numpy as np

    table = inspected.table(PageData)
    kinds = (PageDataType.CPUID_DATA, PageDataType.CPUID_XF)
    rows = np.isin(table[PageData.data_type], kinds)
    mask = inspected.mask_of(*platforms_with(lambda isolation: isolation.has_special_pages))
    rows &= table[PageData.compatibility_mask] & np.uint32(mask) != 0
    return pages_at(
        inspected, table.index[rows], table[PageData.file_offset][rows].astype(np.int64)
    )


def used_entries(pages: NDArray[np.void]) -> Bools:
    """Which entries of `pages` hold a leaf, shape (b, 64); none where the count is too large."""
    import numpy as np

    count = pages["count"][:, None]
    used: Bools = (np.arange(MOST_LEAVES) < count) & (count <= MOST_LEAVES)
    return used


def bad_leaves(pages: CPUIDPages, test: Test, describe: Callable[[Any], str]) -> Found:
    """The first leaf of each page at which `test` holds.

    Args:
        pages: what to look at.
        test: from entries, shape (b, 64), and which of them hold a leaf, shape (b, 64), bool, to
            which of them are bad, shape (b, 64), bool.
        describe: from one entry to what was found.
    """
    import numpy as np

    first = np.full(len(pages.offset), -1, np.int16)
    count = np.zeros(len(pages.offset), np.int16)
    for rows, records in pages.batches():
        is_bad = test(records["entries"], used_entries(records))
        first[rows] = np.where(is_bad.any(axis=1), is_bad.argmax(axis=1), -1)
        count[rows] = is_bad.sum(axis=1)
    bad = np.flatnonzero(first >= 0)

    def place(number: int) -> Place:
        row = int(bad[number])
        at = int(first[row])
        entry = pages.payloads["entries"][pages.offset[row]][at]
        offset = int(pages.offset[row]) + field_offset(CPUIDPage, "entries") + at * CPUIDEntry.SIZE
        others = int(count[row]) - 1
        more = f", and {others} more of the page" if others else ""
        return Place(
            f"{describe(entry)}{more}",
            int(pages.header[row]),
            field=f"entries[{at}].eax_in",
            offset=offset,
            value=int(entry["eax_in"]),
        )

    if len(bad):
        yield Lazy(len(bad), place)


def leaf_name(entry: Any) -> str:
    """A leaf in words: `leaf 0xd, subleaf 0x1`."""
    return f"leaf {int(entry['eax_in']):#x}, subleaf {int(entry['ecx_in']):#x}"


def _state(entry: Any) -> str:
    return f"XCR0 {int(entry['xcr0_in']):#x} and XSS {int(entry['xss_in']):#x}"


def _xsave(entries: NDArray[np.void], used: Bools, *subleaves: int) -> Bools:
    """Which leaves are one of `subleaves` of leaf 0xd."""
    import numpy as np

    result: Bools = used & (entries["eax_in"] == INDEXED_BY_XSAVE)
    return result & np.isin(entries["ecx_in"], subleaves)


def repeated_leaves(pages: CPUIDPages) -> Found:
    """Leaves that come a second time, with the same subleaf, XCR0 and XSS."""

    def test(entries: NDArray[np.void], used: Bools) -> Bools:
        import numpy as np

        leaf = entries["eax_in"].astype(np.uint64) << np.uint64(32) | entries["ecx_in"]
        keys = (entries["xss_in"], entries["xcr0_in"], leaf, ~used)
        order = np.lexsort(keys, axis=-1)
        again = np.zeros(used.shape, bool)
        again[:, 1:] = True
        for key in keys:
            in_order = np.take_along_axis(key, order, axis=-1)
            again[:, 1:] &= in_order[:, 1:] == in_order[:, :-1]
        is_repeated = np.zeros(used.shape, bool)
        np.put_along_axis(is_repeated, order, again, axis=-1)
        return is_repeated & used

    yield from bad_leaves(
        pages, test, lambda entry: f"{leaf_name(entry)} with {_state(entry)} is there twice"
    )


def stray_states(pages: CPUIDPages) -> Found:
    """Leaves other than 0xd that name XCR0 or XSS."""

    def test(entries: NDArray[np.void], used: Bools) -> Bools:
        has_state = (entries["xcr0_in"] != 0) | (entries["xss_in"] != 0)
        result: Bools = used & has_state & (entries["eax_in"] != INDEXED_BY_XSAVE)
        return result

    yield from bad_leaves(pages, test, lambda entry: f"{leaf_name(entry)} has {_state(entry)}")


def unfound_states(pages: CPUIDPages) -> Found:
    """Leaf 0xd, subleaves 0 and 1, that is there without a version that guests look for."""

    def test(entries: NDArray[np.void], used: Bools) -> Bools:
        import numpy as np

        is_legacy = np.isin(entries["xcr0_in"], LEGACY_STATES) & (entries["xss_in"] == 0)
        result = np.zeros(used.shape, bool)
        for subleaf in (0, 1):
            mine = _xsave(entries, used, subleaf)
            result |= mine & ~(mine & is_legacy).any(axis=1)[:, None]
        return result

    yield from bad_leaves(
        pages, test, lambda entry: f"{leaf_name(entry)} is there with {_state(entry)} only"
    )


def avx512_without_answer(pages: CPUIDPages) -> Found:
    """Subleaves 5 to 7 of leaf 0xd whose answer is zero."""

    def test(entries: NDArray[np.void], used: Bools) -> Bools:
        import numpy as np

        has_answer = np.zeros(used.shape, bool)
        for name in ("eax", "ebx", "ecx", "edx"):
            has_answer |= entries[name] != 0
        return _xsave(entries, used, *AVX512) & ~has_answer

    yield from bad_leaves(pages, test, lambda entry: f"{leaf_name(entry)} is there")


def without_cet(pages: CPUIDPages) -> Found:
    """Leaf 0xd, subleaf 1, on pages that lack a subleaf with the state of CET."""

    def test(entries: NDArray[np.void], used: Bools) -> Bools:
        has_user = _xsave(entries, used, CET[0]).any(axis=1, keepdims=True)
        has_supervisor = _xsave(entries, used, CET[1]).any(axis=1, keepdims=True)
        mine = _xsave(entries, used, 1) & ~(has_user & has_supervisor)
        first: Bools = mine & (mine.cumsum(axis=1) == 1)
        return first

    def describe(entry: Any) -> str:
        return f"{leaf_name(entry)} is there, and subleaves 0xb and 0xc are not both"

    yield from bad_leaves(pages, test, describe)
