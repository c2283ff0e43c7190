"""What one platform of a file asks of any loader, in file order, before a loader shapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import MeasurementError, ValidationError
from igvm.launch.plan import NO_SOURCE, PAGE
from igvm.spec.directive import ErrorRange, PageData, ParameterArea, ParameterInsert, VPContext
from igvm.spec.enums import HeaderType, PageDataFlags, PlatformType
from igvm.spec.isolation import VBS_CONTEXT, isolation_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.table import Table
    from igvm.file.view import IgvmFile
    from igvm.wire.record import Record

# A file's parameter areas and error ranges are numbers, and the work they make is not bounded by
# the size of the file. Real ones have kilobytes; more than 1 GiB of each is refused.
MOST_PAGES = 1 << 18


LARGE = 1 << 21
"""Bytes of a page with IS_2MB_PAGE."""


class Draft(NamedTuple):
    """The directives that put something into a guest, as columns in file order."""

    file: IgvmFile
    platform: PlatformType
    mask: int
    rows: NDArray[np.void]
    """kind (HeaderType), gpa, pages, source, flags, data_type, header, vp_index."""

    def of(self, kind: HeaderType) -> NDArray[np.bool_]:
        """Which rows come from headers of this type."""
        where: NDArray[np.bool_] = self.rows["kind"] == kind
        return where


def draft_dtype() -> np.dtype[np.void]:
    """The dtype of `Draft.rows`."""
    import numpy as np

    return np.dtype(
        [
            ("kind", "<u4"),
            ("gpa", "<u8"),
            ("pages", "<u8"),
            ("source", "<i8"),
            ("flags", "<u4"),
            ("data_type", "<u2"),
            ("header", "<i4"),
            ("vp_index", "<u2"),
        ],
        align=True,
    )


def draft(file: IgvmFile, platform: PlatformType, *, every_vmsa: bool = False) -> Draft:
    """What `platform` of `file` asks for.

    A PAGE_DATA is one row whose pages is 1, or 512 with IS_2MB_PAGE; how much of its data a
    loader reads is for the loader to say. A PARAMETER_INSERT has the pages of its area. On Arm
    CCA, whose granules have 4 KiB whatever the file's page size is, a page is as many granules;
    the other technologies have no pages but those of 4 KiB and 2 MiB.

    Args:
        file: an open file.
        platform: one that the file is for.
        every_vmsa: take the VMSAs of all platforms, for a tool that does not look at masks.

    Raises:
        ValidationError: the file is not for `platform`.
        MeasurementError: an area is inserted that was not declared, or is larger than any guest;
            the data of a page or a context is not in the file; the file has a page size that
            `platform` does not.
    """
    import numpy as np

    mask = file.platform_masks.get(platform)
    if mask is None:
        names = ", ".join(kind.name for kind in file.platform_masks) or "no platform"
        raise ValidationError(
            f"the file is for {names}, not for {PlatformType(platform).name}", path=file.path
        )
    parts = [
        _pages(file, mask, _granules(file, platform)),
        _inserts(file, mask),
        _contexts(file, _vmsa_mask(file) if every_vmsa else mask, platform),
        _error_ranges(file, mask),
    ]
    filled = [part for part in parts if len(part)]
    rows = filled[0] if filled else parts[0]
    if len(filled) > 1:
        rows = np.concatenate(filled)
        rows = rows[np.argsort(rows["header"], kind="stable")]
    return Draft(file, platform, mask, rows)


def _blank(table: Table[Record], kind: HeaderType, where: NDArray[np.intp]) -> NDArray[np.void]:
    """Rows for the headers of `table` at `where`, their kind and header filled in."""
    import numpy as np

    index = table.index[where]
    rows = np.zeros(len(index), draft_dtype())
    rows["kind"], rows["header"], rows["source"] = kind, index, NO_SOURCE
    if len(index):
        rows["gpa"] = table.column("gpa")[where]
    return rows


def _mine(table: Table[Record], mask: int) -> NDArray[np.intp]:
    """Which headers of `table` are for the platform."""
    import numpy as np

    return np.flatnonzero(table.column("compatibility_mask") & np.uint32(mask) != 0)


def _granules(file: IgvmFile, platform: PlatformType) -> int:
    """Pages of 4 KiB in one page of the file."""
    size = file.page_size
    known = platform == PlatformType.CCA and size in {4 * PAGE, 16 * PAGE}
    if size != PAGE and not known:
        raise MeasurementError(
            f"{platform.name} has no pages of {size:#x} bytes",
            path=file.path, offset=28, header="FIXED_HEADER", field="page_size",
        )  # fmt: skip
    return size // PAGE


def _pages(file: IgvmFile, mask: int, granules: int) -> NDArray[np.void]:
    import numpy as np

    table = file.table(PageData)
    where = _mine(table, mask)  # type: ignore[arg-type]
    rows = _blank(table, HeaderType.PAGE_DATA, where)  # type: ignore[arg-type]
    if not len(rows):
        return rows
    flags = table[PageData.flags][where]
    large = flags & np.uint32(PageDataFlags.IS_2MB_PAGE) != 0
    rows["flags"], rows["data_type"] = flags, table[PageData.data_type][where]
    rows["pages"] = granules
    rows["pages"][large] = LARGE // PAGE
    offsets = table[PageData.file_offset][where].astype(np.int64)
    outside = offsets > len(file.buffer) - granules * PAGE
    if outside.any() and (outside := outside & (offsets != 0)).any():
        header = file.header(int(rows["header"][outside.argmax()]))
        raise beyond(file, header.offset, "PAGE_DATA")
    offsets[offsets == 0] = NO_SOURCE
    rows["source"] = offsets
    return rows


def beyond(file: IgvmFile, offset: int, name: str) -> MeasurementError:
    """The error for a header at `offset` whose data is not in the file."""
    return MeasurementError(
        "its data is not in the file",
        path=file.path,
        offset=offset,
        header=name,
        field="file_offset",
    )


def _inserts(file: IgvmFile, mask: int) -> NDArray[np.void]:
    """Parameter inserts with the size that their area has when they come."""
    import numpy as np

    inserts, areas = file.table(ParameterInsert), file.table(ParameterArea)
    rows = _blank(inserts, HeaderType.PARAMETER_INSERT, _mine(inserts, mask))  # type: ignore[arg-type]
    if not len(rows):
        return rows
    declared = zip(
        areas.index.tolist(),
        areas[ParameterArea.parameter_area_index].tolist(),
        areas[ParameterArea.number_of_bytes].tolist(),
        strict=True,
    )
    wanted = inserts[ParameterInsert.parameter_area_index][_mine(inserts, mask)].tolist()  # type: ignore[arg-type]
    sizes: dict[int, int] = {}
    ahead = next(declared, None)
    pages: list[int] = []
    for header, index in zip(rows["header"].tolist(), wanted, strict=True):
        while ahead is not None and ahead[0] < header:
            sizes[ahead[1]] = ahead[2]
            ahead = next(declared, None)
        size = sizes.get(index)
        if size is None or size > MOST_PAGES * PAGE:
            where = file.header(header)
            raise MeasurementError(
                f"parameter area {index} is not declared before it is inserted"
                if size is None
                else f"parameter area {index} has {size:#x} bytes, more than any guest",
                path=file.path,
                offset=where.offset,
                header=where.name,
                field="parameter_area_index",
            )
        pages.append(-(-size // PAGE))
    if sum(pages) > MOST_PAGES:
        raise MeasurementError("the parameter areas are larger than any guest", path=file.path)
    rows["pages"] = np.array(pages, np.uint64)
    return rows


def _vmsa_mask(file: IgvmFile) -> int:
    """The mask bits of the platforms whose contexts are VMSAs."""
    masks = file.platform_masks
    return masks.get(PlatformType.SEV_SNP, 0) | masks.get(PlatformType.SEV_ES, 0)


def _contexts(file: IgvmFile, mask: int, platform: PlatformType) -> NDArray[np.void]:
    import numpy as np

    table = file.table(VPContext)
    where = _mine(table, mask)  # type: ignore[arg-type]
    rows = _blank(table, HeaderType.VP_CONTEXT, where)  # type: ignore[arg-type]
    if not len(rows):
        return rows
    rows["pages"] = 1
    rows["vp_index"] = table[VPContext.vp_index][where]
    offsets = table[VPContext.file_offset][where].astype(np.int64)
    rows["source"] = offsets
    context = isolation_of(platform).context
    size = 4 if context is VBS_CONTEXT else PAGE
    outside = (offsets < file.fixed_header.SIZE) | (offsets + size > len(file.buffer))
    if outside.any():
        header = file.header(int(rows["header"][outside.argmax()]))
        raise beyond(file, header.offset, "VP_CONTEXT")
    return rows


def _error_ranges(file: IgvmFile, mask: int) -> NDArray[np.void]:
    import numpy as np

    table = file.table(ErrorRange)
    where = _mine(table, mask)  # type: ignore[arg-type]
    rows = _blank(table, HeaderType.ERROR_RANGE, where)  # type: ignore[arg-type]
    if len(rows):
        sizes = table[ErrorRange.size_bytes][where].astype(np.uint64)
        rows["pages"] = (sizes + np.uint64(PAGE - 1)) // np.uint64(PAGE)
        if int(rows["pages"].sum()) > MOST_PAGES:
            raise MeasurementError("the error ranges are larger than any guest", path=file.path)
    return rows
