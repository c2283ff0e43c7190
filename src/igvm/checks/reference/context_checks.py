"""What the reference wants of a VP_CONTEXT: its platform, and the registers in the file data."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.reference.header_rows import HeaderCheck, HeaderRows
from igvm.checks.reference.register_lists import RegisterLists, register_lists, u32_at
from igvm.checks.reference.release_types import (
    CCA_CONTEXT_SIZE,
    NATIVE_CONTEXT_SIZE,
    TYPE_OF_RECORD,
    VBS_HEAD_SIZE,
    VMSA_SIZE_0_4,
    VP_CONTEXT_PADDING,
)
from igvm.spec.directive import VPContext
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, PlatformType
from igvm.spec.hyperv import ARM64_STORABLE, ARM64_STORABLE_0_4, X64_STORABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.reference.header_rows import CrateFile

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_DIRECTIVE = "InvalidBinaryDirectiveHeader."
_NO_PLATFORM = 0xFF
_VBS = PlatformType.VSM_ISOLATION
_LAST_VTL = 2

_SIZE_IN_PAGE: dict[PlatformType, int] = {
    PlatformType.SEV_SNP: VMSA_SIZE_0_4,
    PlatformType.SEV_ES: VMSA_SIZE_0_4,
    PlatformType.NATIVE: NATIVE_CONTEXT_SIZE,
    PlatformType.SEV: NATIVE_CONTEXT_SIZE,
    PlatformType.CCA: CCA_CONTEXT_SIZE,
}
"""Bytes of what lies in the page that a context refers to; VBS has a list, TDX nothing."""

_WITH_VMSA = (PlatformType.SEV_SNP, PlatformType.SEV_ES)
_WITH_CONTEXT = (PlatformType.NATIVE, PlatformType.SEV, PlatformType.CCA)


class ContextRows(HeaderRows):
    """Some VP_CONTEXT headers, and what they refer to; n of them."""

    @functools.cached_property
    def platform(self) -> NDArray[np.uint8]:
        """The platform that exactly has each header's mask; 255 where there is none.

        Shape (n,), uint8.
        """
        import numpy as np

        mask = self[VPContext.compatibility_mask]
        platform_of_row = np.full(len(self), _NO_PLATFORM, np.uint8)
        for bits, platform in self.crate_file.platforms.items():
            platform_of_row[mask == bits] = platform
        return platform_of_row

    def of(self, *platforms: PlatformType) -> Bools:
        """Where the mask is that of one of `platforms`, shape (n,), bool."""
        import numpy as np

        is_of = np.zeros(len(self), bool)
        for platform in platforms:
            is_of |= self.platform == platform
        return is_of

    @functools.cached_property
    def is_vbs(self) -> Bools:
        """Where the platform is VSM_ISOLATION, shape (n,), bool."""
        return self.of(_VBS)

    @functools.cached_property
    def lists(self) -> RegisterLists:
        """The register lists; those of other platforms are empty."""
        import numpy as np

        size = self.crate_file.data_size
        start = np.where(self.is_vbs, self.start.astype(np.int64), size)
        return register_lists(self.crate_file.octets, start, _storable(self.crate_file))

    def unsupported_name(self) -> int:
        """The name of the register that a single context cannot hold."""
        return int(u32_at(self.crate_file.octets, self.lists.unsupported_at[:1] + 1)[0])

    def has_dirty_tail(self, *platforms: PlatformType) -> Bools:
        """Where a page of these platforms is in the data and not zero after its structure.

        Returns:
            Shape (n,), bool.
        """
        import numpy as np

        buffer, data_start = self.crate_file.file.buffer, self.crate_file.data_start
        has_dirty_tail = np.zeros(len(self), bool)
        is_inside = ~self.outside(PAGE_SIZE_4K)
        for platform in platforms:
            used = _SIZE_IN_PAGE[platform]
            zeroes = bytes(PAGE_SIZE_4K - used)
            rows = np.flatnonzero(is_inside & self.of(platform))
            starts, page_of_row = np.unique(self.start[rows], return_inverse=True)
            pages = (data_start + start for start in starts.tolist())
            is_dirty = [
                bytes(buffer[page + used : page + PAGE_SIZE_4K]) != zeroes for page in pages
            ]
            has_dirty_tail[rows] = np.array(is_dirty, bool)[page_of_row]
        return has_dirty_tail


def _storable(crate_file: CrateFile) -> Ints:
    """The register names that a VBS context may hold, ascending, shape (k,), int64."""
    import numpy as np

    if crate_file.file.architecture == Architecture.AARCH64:
        names = ARM64_STORABLE_0_4 if crate_file.release == "0.4" else ARM64_STORABLE
        return np.array(sorted(names), np.int64)
    return np.array(sorted(X64_STORABLE), np.int64)


def _no_padding(rows: ContextRows) -> Bools:
    # The last header of the section may end with its body, without the bytes up to eight.
    padded = 8 + TYPE_OF_RECORD[VPContext].length + VP_CONTEXT_PADDING
    return rows.table.offset + padded > rows.crate_file.data_start


def _unsupported(architecture: Architecture) -> Callable[[ContextRows], Bools]:
    """Where a list of a file for `architecture` has a register that cannot be stored."""

    def breaks(rows: ContextRows) -> Bools:
        import numpy as np

        is_arm = rows.crate_file.file.architecture == Architecture.AARCH64
        if is_arm != (architecture == Architecture.AARCH64):
            return np.zeros(len(rows), bool)
        return rows.lists.unsupported_at >= 0

    return breaks


_LIST = "the register list at file offset {value:#x} "
_NAME = "register {value:#x} cannot be stored"

CONTEXT_CHECKS: tuple[HeaderCheck, ...] = (
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidVariableHeaderSize",
        field="reserved",
        breaks=_no_padding,
        description="the variable headers end right after it",
        words="4 bytes of padding must follow the structure",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidVpContextPlatformType",
        field="compatibility_mask",
        breaks=lambda rows: ~rows.of(_VBS, *_SIZE_IN_PAGE),
        description="mask {value:#x} is not that of a platform with contexts",
    ),
    HeaderCheck(
        rule="panic.vbs-data-outside",
        field="file_offset",
        breaks=lambda rows: rows.is_vbs & rows.outside(0),
        description=_LIST + "does not start in the file data",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidDataSize",
        field="file_offset",
        breaks=lambda rows: rows.is_vbs & rows.outside(VBS_HEAD_SIZE),
        description=_LIST + "has no room for its count",
    ),
    HeaderCheck(
        rule="panic.vbs-mixed-vtl",
        field="file_offset",
        breaks=lambda rows: rows.lists.is_mixed,
        description=_LIST + "has registers of more than one VTL",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidDataSize",
        field="file_offset",
        breaks=lambda rows: rows.is_vbs & (rows.lists.count > rows.lists.present),
        description=_LIST + "has fewer registers than its count says",
    ),
    HeaderCheck(
        rule="panic.vbs-vp-index",
        field="vp_index",
        breaks=lambda rows: rows.is_vbs & (rows[VPContext.vp_index] != 0),
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "NoVbsVpContextRegisters",
        field="file_offset",
        breaks=lambda rows: rows.is_vbs & (rows.lists.count == 0),
        description=_LIST + "has no registers",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidVtl",
        field="file_offset",
        breaks=lambda rows: rows.lists.vtl > _LAST_VTL,
        description="the registers are of VTL {value}",
        value=lambda rows: int(rows.lists.vtl[0]),
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "UnsupportedX64Register",
        field="file_offset",
        breaks=_unsupported(Architecture.X64),
        description=_NAME,
        value=ContextRows.unsupported_name,
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "UnsupportedAArch64Register",
        field="file_offset",
        breaks=_unsupported(Architecture.AARCH64),
        description=_NAME,
        value=ContextRows.unsupported_name,
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidDataSize",
        field="file_offset",
        breaks=lambda rows: ~rows.is_vbs & rows.outside(PAGE_SIZE_4K),
        description="the 4 KiB at file offset {value:#x} are not wholly in the file data",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidVmsa",
        field="file_offset",
        breaks=lambda rows: rows.has_dirty_tail(*_WITH_VMSA),
        description="the VMSA at file offset {value:#x} is followed by bytes that are not zero",
        releases=("0.4",),
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "InvalidContext",
        field="file_offset",
        breaks=lambda rows: rows.has_dirty_tail(*_WITH_CONTEXT),
        description="the context at file offset {value:#x} is followed by bytes that are not zero",
    ),
    HeaderCheck(
        rule=_DIRECTIVE + "UnalignedAddress",
        field="gpa",
        breaks=lambda rows: rows.of(*_WITH_VMSA) & (rows[VPContext.gpa] & (PAGE_SIZE_4K - 1) != 0),
        words="a VMSA's gpa must be a multiple of 4 KiB",
    ),
)
"""The checks of a VP_CONTEXT, in the crate's order."""
