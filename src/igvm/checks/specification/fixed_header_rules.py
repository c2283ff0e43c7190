"""The fixed header: version, layout, sizes and checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import field_offset
from igvm.checks.rule import Place, rule
from igvm.spec.enums import PAGE_SIZE_4K
from igvm.spec.fixed import FORMAT_VERSION_1, FORMAT_VERSION_2

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def _place(inspected: InspectedFile, field: str, message: str) -> Place:
    """A field of the fixed header."""
    fixed = inspected.file.fixed_header
    return Place(
        message,
        header="FIXED_HEADER",
        field=field,
        offset=field_offset(type(fixed), field),
        value=int(getattr(fixed, field)),
    )


@rule(
    "format-version",
    ERROR,
    "format_version must be 1 or 2",
    "IGVM_FIXED_HEADER.format_version",
)
def format_version(inspected: InspectedFile) -> Found:
    """The version says what a loader must understand, and no later one is specified.

    The reference crate refuses other versions. Later ones are read here with the layout of
    version 2, as the specification announces; what else they change is not known.
    """
    version = inspected.file.revision
    if version not in {FORMAT_VERSION_1, FORMAT_VERSION_2}:
        yield _place(inspected, "format_version", f"format_version is {version}")


@rule(
    "headers-offset",
    ERROR,
    "variable_header_offset must be at least the size of the fixed header",
    "IGVM_FIXED_HEADER.variable_header_offset",
)
def headers_offset(inspected: InspectedFile) -> Found:
    """Variable headers that start inside the fixed header share bytes with it.

    What a loader reads there are the file's version, sizes and checksum. Write the file again.
    """
    fixed = inspected.file.fixed_header
    if fixed.variable_header_offset < fixed.SIZE:
        start = fixed.variable_header_offset
        message = f"the variable headers start at {start:#x}, inside the fixed header"
        yield _place(inspected, "variable_header_offset", message)


@rule(
    "headers-alignment",
    ERROR,
    "variable_header_offset must be a multiple of 8",
    "IGVM_FIXED_HEADER.variable_header_offset",
)
def headers_alignment(inspected: InspectedFile) -> Found:
    """Each variable header starts at a multiple of 8, so the first one does.

    The reference crate doesn't look, but a loader that maps headers in place may rely on it.
    """
    offset = inspected.file.section_offset
    if offset % 8:
        yield _place(inspected, "variable_header_offset", f"variable_header_offset is {offset:#x}")


@rule(
    "headers-gap",
    WARNING,
    "the variable headers should follow the fixed header at once",
    "IGVM_FIXED_HEADER.checksum",
)
def headers_gap(inspected: InspectedFile) -> Found:
    """Bytes between the fixed header and the variable headers belong to nothing.

    The specification allows the gap. The checksum covers the two headers only, so the gap can
    change without anyone noticing. A version 2 file whose version was set to 1 looks like this.
    """
    fixed = inspected.file.fixed_header
    gap = fixed.variable_header_offset - fixed.SIZE
    if gap > 0:
        yield _place(inspected, "variable_header_offset", f"there are {gap} bytes between the two")


@rule(
    "file-size",
    ERROR,
    "total_file_size must be the size of the file",
    "IGVM_FIXED_HEADER.total_file_size",
)
def file_size(inspected: InspectedFile) -> Found:
    """A file that is shorter was cut, one that is longer has something appended.

    The reference crate refuses both. Fetch the file again, or write it again.
    """
    total = inspected.file.fixed_header.total_file_size
    if total != inspected.file_size:
        message = f"total_file_size is {total:#x} and the file has {inspected.file_size:#x} bytes"
        yield _place(inspected, "total_file_size", message)


@rule(
    "checksum",
    ERROR,
    "checksum must be the CRC-32 of the fixed header, with this field zero, and the variable "
    "headers",
    "IGVM_FIXED_HEADER.checksum",
)
def checksum(inspected: InspectedFile) -> Found:
    """A wrong checksum means that a header changed after the file was made.

    Loaders that use the reference crate refuse the file. File data is not covered: a right
    checksum says nothing about it.
    """
    computed, stored = inspected.file.checksum, inspected.file.fixed_header.checksum
    if computed != stored:
        message = f"checksum is {stored:#010x} and the headers give {computed:#010x}"
        yield _place(inspected, "checksum", message)


@rule(
    "architecture",
    ERROR,
    "architecture must be X64 or AARCH64",
    "IGVM_FIXED_HEADER_V2.architecture, IgvmArchitecture",
)
def architecture(inspected: InspectedFile) -> Found:
    """The architecture decides which platforms and register formats a file may have.

    The format has no number for other processors; the reference crate refuses the file.
    """
    if not inspected.file.architecture.is_known:
        yield _place(inspected, "architecture", f"architecture is {inspected.file.architecture:#x}")


@rule(
    "page-size",
    ERROR,
    "page_size must be a power of two",
    "IGVM_FIXED_HEADER_V2.page_size",
)
def page_size(inspected: InspectedFile) -> Found:
    """Every size and address that the format counts in pages hangs on it.

    Where it is not a power of two, the other rules go on with 4096.
    """
    size = inspected.file.page_size
    if size <= 0 or size & size - 1:
        yield _place(inspected, "page_size", f"page_size is {size:#x}")


@rule(
    "page-size-other",
    WARNING,
    "page_size should be 4096, the only size that the reference crate takes",
    "IGVM_FIXED_HEADER_V2.page_size",
)
def page_size_other(inspected: InspectedFile) -> Found:
    """The specification leaves open how a loader deals with other sizes.

    The reference crate refuses them, and with it the loaders that read files with it.
    """
    size = inspected.file.page_size
    if size != PAGE_SIZE_4K and size > 0 and not size & size - 1:
        yield _place(inspected, "page_size", f"page_size is {size:#x}")
