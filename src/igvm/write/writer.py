"""The one writer: header bytes and references to data become the parts of a file."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from igvm.errors import ValidationError
from igvm.spec.enums import PAGE_SIZE_4K, Architecture
from igvm.spec.fixed import FixedHeaderV1, FixedHeaderV2
from igvm.write.deduplication import distinct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.write.deduplication import References

LARGEST = 0xFFFFFFFF
"""What the u32 fields of sizes and offsets hold."""


def write(
    section: NDArray[np.uint8],
    references: References,
    *,
    revision: int,
    architecture: Architecture = Architecture.X64,
    page_size: int = PAGE_SIZE_4K,
) -> list[bytes | memoryview]:
    """The parts of a file, to be written one after the other.

    The layout is that of the igvm crate: the fixed header, the headers, and right after them,
    without alignment, the data in the order of the headers, equal blobs once.

    Args:
        section: the variable headers, padding included, in the order of the file. The file_offset
            fields that `references` name are filled in here.
        references: the data of the headers, in the order of the headers, padded as it is to be
            stored. A reference of size zero gets an offset, as an empty CoRIM document has.
        revision: the format version.
        architecture: version 1 files are X64.
        page_size: bytes of a page, a power of two; version 1 files have 4096.

    Raises:
        ValidationError: a size does not fit 32 bits, or the fixed header cannot say what is asked.
    """
    import numpy as np

    fixed_size = FixedHeaderV1.SIZE if revision == 1 else FixedHeaderV2.SIZE
    check_fixed(revision, architecture, page_size)
    fit(len(section), "the variable headers have", "variable_header_size")
    first = distinct(references)
    holders = np.flatnonzero(first == np.arange(len(first)))
    sizes = references.size[holders]
    ends = np.cumsum(sizes) + fixed_size + len(section)
    total = int(ends[-1]) if len(ends) else fixed_size + len(section)
    fit(total, "the file would have", "total_file_size")

    offsets = np.empty(len(first), np.uint32)
    offsets[holders] = ends - sizes
    section.view("<u4")[references.at // 4] = offsets[first]

    fixed: FixedHeaderV1 | FixedHeaderV2
    if revision == 1:
        fixed = FixedHeaderV1(
            variable_header_offset=fixed_size,
            variable_header_size=len(section),
            total_file_size=total,
        )
    else:
        fixed = FixedHeaderV2(
            format_version=revision,
            variable_header_offset=fixed_size,
            variable_header_size=len(section),
            total_file_size=total,
            architecture=architecture,
            page_size=page_size,
        )
    checksum = zlib.crc32(section.data, zlib.crc32(fixed.pack()))
    head = fixed.replace(checksum=checksum).pack()
    return [head, section.data, *_data(references, holders)]


def check_fixed(revision: int, architecture: Architecture, page_size: int) -> None:
    """Refuse what a fixed header cannot say."""
    if revision < 1:
        raise _wrong(f"there is no format version {revision}", "format_version")
    if revision == 1 and (architecture != Architecture.X64 or page_size != PAGE_SIZE_4K):
        raise _wrong("a version 1 file is X64 with pages of 4096 bytes", "format_version")
    if page_size < 1 or page_size & page_size - 1:
        raise _wrong(f"page_size {page_size} is not a power of two", "page_size")


def fit(size: int, what: str, field: str) -> None:
    """Refuse a size that its field cannot hold."""
    if size > LARGEST:
        raise _wrong(f"{what} {size:#x} bytes, and {field} has 32 bits ({LARGEST:#x})", field)


def _wrong(message: str, field: str) -> ValidationError:
    return ValidationError(message, header="FIXED_HEADER", field=field)


def _data(refs: References, holders: NDArray[np.intp]) -> list[memoryview]:
    """The blobs of `holders`, in order, in as few pieces as their places allow."""
    import numpy as np

    holders = holders[refs.size[holders] > 0]
    if not len(holders):
        return []
    which, start, size = refs.which[holders], refs.start[holders], refs.size[holders]
    ends = start + size
    cuts = np.flatnonzero((which[1:] != which[:-1]) | (start[1:] != ends[:-1])) + 1
    begins = np.concatenate(([0], cuts))
    lasts = np.concatenate((cuts, [len(holders)])) - 1
    pieces = zip(which[begins].tolist(), start[begins].tolist(), ends[lasts].tolist(), strict=True)
    return [refs.buffers[buffer][begin:end] for buffer, begin, end in pieces]
