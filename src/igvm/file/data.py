"""Where in the file a header's data lies, and whether it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.errors import FormatError
from igvm.spec.context import CCAContext, NativeContextX64, VBSContextHeader, VBSRegister
from igvm.spec.directive import PageData, ParameterArea, VPContext
from igvm.spec.enums import PAGE_SIZE_2M, PAGE_SIZE_4K, PageDataFlags, PlatformType
from igvm.spec.initialization import CorimDocument, CorimSignature
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    from igvm.file.header import Header
    from igvm.file.view import IgvmFile
    from igvm.wire.record import Record

CONTEXT_FORMAT: dict[PlatformType, type[Record]] = {
    PlatformType.NATIVE: NativeContextX64,
    PlatformType.SEV: NativeContextX64,
    PlatformType.VSM_ISOLATION: VBSContextHeader,
    PlatformType.SEV_SNP: SEVVMSA,
    PlatformType.SEV_ES: SEVVMSA,
    PlatformType.CCA: CCAContext,
}
"""What a VP_CONTEXT of a platform refers to (IGVM_VHS_VP_CONTEXT.file_offset); TDX has none."""


def context_format(file: IgvmFile, header: Header[Any]) -> type[Record]:
    """The structure that the VP_CONTEXT `header` refers to, by the platforms of its mask.

    Raises:
        FormatError: the mask names no platform, one without contexts, or two that differ.
    """
    mask = header.record.compatibility_mask
    named = [kind for kind, bits in file.platform_masks.items() if bits & mask]
    formats = {CONTEXT_FORMAT[kind] for kind in named if kind in CONTEXT_FORMAT}
    if len(formats) > 1:
        # Platforms that share one mask bit: the reference goes by the last of them.
        same = [kind for kind in named if file.platform_masks[kind] == mask]
        formats = {CONTEXT_FORMAT[kind] for kind in same[-1:] if kind in CONTEXT_FORMAT}
    if len(formats) == 1:
        return formats.pop()
    names = " and ".join(kind.name for kind in named) or "no platform"
    raise FormatError(
        f"mask {mask:#x} names {names}, which does not say how the registers are stored",
        path=file.path,
        offset=header.offset + 16,
        header=header.name,
        field="compatibility_mask",
    )


def data_range(file: IgvmFile, header: Header[Any]) -> tuple[int, int]:
    """Offset and size of the file data that `header` refers to; size 0 where it refers to none.

    Raises:
        FormatError: the range is not inside the file, or cannot be known.
    """
    record = header.record
    if isinstance(record, PageData):
        size = PAGE_SIZE_2M if record.flags & PageDataFlags.IS_2MB_PAGE else file.page_size
    elif isinstance(record, ParameterArea):
        size = record.number_of_bytes
    elif isinstance(record, (CorimDocument, CorimSignature)):
        size = record.size_bytes
    elif isinstance(record, VPContext):
        size = _context_size(file, header)
    else:
        return 0, 0
    offset = record.file_offset
    if offset == 0 and not isinstance(record, VPContext):
        return 0, 0
    _require(file, header, offset, size)
    return offset, size


def _context_size(file: IgvmFile, header: Header[Any]) -> int:
    """Bytes of the registers of a VP_CONTEXT."""
    if context_format(file, header) is not VBSContextHeader:
        return PAGE_SIZE_4K
    offset = header.record.file_offset
    _require(file, header, offset, VBSContextHeader.SIZE)
    count = VBSContextHeader.unpack_from(file.buffer, offset).register_count
    return VBSContextHeader.SIZE + count * VBSRegister.SIZE


def _require(file: IgvmFile, header: Header[Any], offset: int, size: int) -> None:
    """Refuse a range that is not in the file data."""
    if offset + size > len(file.buffer) or offset < file.fixed_header.SIZE:
        raise FormatError(
            f"{size:#x} bytes at {offset:#x} are not in a file of {len(file.buffer):#x} bytes",
            path=file.path,
            offset=header.offset,
            header=header.name,
            field="file_offset",
        )
