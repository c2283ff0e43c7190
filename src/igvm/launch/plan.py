"""LaunchPlan: the ordered operations of one loader for one platform, as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

from igvm.wire.openenum import OpenEnum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.view import IgvmFile
    from igvm.spec.enums import PlatformType

PAGE = 4096
"""Bytes of a page in a plan: what every isolation technology measures by."""

NO_SOURCE = -1
"""The source of pages that are all zero."""


_ZEROES = bytes(PAGE)


class Operation(OpenEnum):
    """What a loader does with a run of pages."""

    NORMAL = 1
    """Import as private memory; the contents are measured."""
    ZERO = 2
    """Import with the technology's own type for pages of zeroes."""
    UNMEASURED = 3
    """Import as private memory; the contents are not measured."""
    SECRETS = 4
    """Reserve for the secrets page of the firmware."""
    CPUID = 5
    """Import as the table of CPUID answers that the firmware checks."""
    SHARED = 6
    """Import as host-visible memory; not measured."""
    PARAMETER = 7
    """Import a parameter area, unmeasured."""
    ERROR_RANGE = 8
    """Make host-visible for error reports."""
    VP_CONTEXT = 9
    """Set up a virtual processor from its context."""


class Row(NamedTuple):
    """One operation of a plan."""

    operation: Operation
    gpa: int
    pages: int
    """Pages of 4 KiB, at gpa and up."""
    source: int
    """Offset of the bytes in the file; -1 for zeroes; -2 - i for `plan.blobs[i]`."""
    header: int
    """Position of the header in the file, or -1 where the loader made the operation up."""
    vp_index: int


class LaunchPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The operations of one loader, in the order in which it does them.

    `rows` is a numpy structured array with the columns of Row. Page k of a row lies at
    `gpa + k * 4096`, and its bytes at `source + k * 4096` of the file.
    """

    file: IgvmFile
    platform: PlatformType
    mask: int
    """The platform's compatibility mask."""
    loader: str
    rows: NDArray[np.void]
    blobs: tuple[bytes, ...] = ()
    """Bytes that are not in the file but made by the loader, such as a rewritten VMSA."""
    assumptions: tuple[str, ...] = ()
    """What the result depends on and the file does not say, one sentence each."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows.tolist():
            yield Row(Operation(row[0]), *row[1:])

    @property
    def page_count(self) -> int:
        """Pages of all operations; not the number of rows."""
        return sum(self.rows["pages"].tolist())

    def content(self, source: int, size: int = PAGE) -> bytes | memoryview:
        """The `size` bytes of a page or a context at `source`."""
        if source == NO_SOURCE:
            return _ZEROES if size == PAGE else bytes(size)
        if source < NO_SOURCE:
            return self.blobs[-2 - source][:size].ljust(size, b"\0")
        return self.file.buffer[source : source + size]

    def with_rows(self, rows: NDArray[np.void], *, blobs: Sequence[bytes] | None = None) -> Self:
        """This plan with other rows."""
        return msgspec.structs.replace(
            self, rows=rows, blobs=self.blobs if blobs is None else tuple(blobs)
        )


def row_dtype() -> np.dtype[np.void]:
    """The dtype of `LaunchPlan.rows`."""
    import numpy as np

    return np.dtype(
        [
            ("operation", "u1"),
            ("gpa", "<u8"),
            ("pages", "<u8"),
            ("source", "<i8"),
            ("header", "<i4"),
            ("vp_index", "<u2"),
        ],
        align=True,
    )
