"""The contexts of a file in a search: by vCPU, and one after the other as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.launch.directives import directives
from igvm.launch.flash import Flash
from igvm.measurement.search.vmsa_family import Family
from igvm.spec.enums import HeaderType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.file.view import IgvmFile
    from igvm.measurement.search.vmsa_family import Page, Pages
    from igvm.spec.enums import PlatformType

MOST_VCPUS = 1024
"""The largest number of vCPUs that a search thinks of."""


def firmware_ap_start(file: IgvmFile, platform: PlatformType) -> int | None:
    """Where firmware below 4 GiB has all vCPUs but the first start, if it says so."""
    flash = Flash(directives(file, platform, file.platform_masks[platform]))
    try:
        return flash.ap_start() if len(flash.rows) else None
    except FormatError:
        return None


def own_contexts(
    file: IgvmFile, platform: PlatformType, most: int
) -> tuple[dict[int, SEVVMSA], dict[int, int], frozenset[int]]:
    """The contexts of the file for the first `most` vCPUs; of several for one the last counts.

    Returns:
        The contexts by vCPU, their addresses, and the numbers of all vCPUs that have one.
    """
    plan = directives(file, platform, file.platform_masks[platform])
    rows = plan.rows[plan.from_headers(HeaderType.VP_CONTEXT)]
    rows = rows[rows["loaded"] > 0]
    numbers = rows["vp_index"].tolist()
    last = {number: row for row, number in enumerate(numbers) if number < most}
    contexts: dict[int, SEVVMSA] = {}
    gpas: dict[int, int] = {}
    for number, row in last.items():
        contexts[number] = SEVVMSA.unpack_from(file.buffer, int(rows["source"][row]))
        gpas[number] = int(rows["gpa"][row])
    return contexts, gpas, frozenset(numbers)


def family_of_file(
    file: IgvmFile, contexts: tuple[tuple[int, int], ...], features: int | None, unlikely: int
) -> Family:
    """The contexts of the file, with other SEV_FEATURES or exactly as they are."""
    pages: Pages
    if features is None and len(contexts) > MOST_VCPUS:
        pages = _PagesOfFile(file, contexts)
        distinct = len({source for source, _ in contexts})
    else:
        made = {source: _own_page(file, source, features) for source, _ in contexts}
        pages = tuple((made[source], gpa) for source, gpa in contexts)
        distinct = len(made)
    return Family(
        "file",
        pages,
        contexts=contexts,
        features=features,
        own=len(pages),
        unlikely=unlikely,
        distinct=distinct,
    )


class _PagesOfFile:
    """The contexts of a file as they are, each read when it comes: there may be very many."""

    def __init__(self, file: IgvmFile, contexts: tuple[tuple[int, int], ...]) -> None:
        self._file, self._contexts = file, contexts

    def __len__(self) -> int:
        return len(self._contexts)

    def __iter__(self) -> Iterator[Page]:
        for source, gpa in self._contexts:
            yield _own_page(self._file, source, None), gpa


def _own_page(file: IgvmFile, source: int, features: int | None) -> bytes:
    """The context of the file at `source`, or zeroes without one, with other SEV_FEATURES."""
    page = bytes(file.buffer[source : source + SEVVMSA.SIZE]) if source >= 0 else bytes(4096)
    if features is None:
        return page
    return SEVVMSA.unpack_from(page).replace(sev_features=SEVFeatures(features)).pack()
