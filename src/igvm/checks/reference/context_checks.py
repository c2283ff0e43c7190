"""What the reference wants of a VP_CONTEXT: its platform, and the registers in the file data."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.reference.header_rows import Check, Rows
from igvm.checks.reference.register_lists import RegisterLists, register_lists, u32_at
from igvm.spec.context import CCAContext, NativeContextX64, VBSContextHeader
from igvm.spec.directive import VPContext
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, PlatformType
from igvm.spec.hyperv import ARM64_STORABLE, ARM64_STORABLE_0_4, X64_STORABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.reference.header_rows import Scope

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_DIRECTIVE = "InvalidBinaryDirectiveHeader."
_NONE = 0xFF
_VBS = PlatformType.VSM_ISOLATION
_VMSA_SIZE_0_4 = 0x670  # SevVmsa without the padding that 0.5.0 gave it
_PADDED = VPContext.SIZE + 4

_PAGE_FORMS: dict[PlatformType, int] = {
    PlatformType.SEV_SNP: _VMSA_SIZE_0_4,
    PlatformType.SEV_ES: _VMSA_SIZE_0_4,
    PlatformType.NATIVE: NativeContextX64.SIZE,
    PlatformType.SEV: NativeContextX64.SIZE,
    PlatformType.CCA: CCAContext.SIZE,
}
"""Bytes of what lies in the page that a context refers to; VBS has a list, TDX nothing."""

_VMSA = (PlatformType.SEV_SNP, PlatformType.SEV_ES)
_NATIVE = (PlatformType.NATIVE, PlatformType.SEV, PlatformType.CCA)


class ContextRows(Rows):
    """Some VP_CONTEXT headers, and what they refer to."""

    @functools.cached_property
    def kind(self) -> NDArray[np.uint8]:
        """The platform that exactly has each header's mask; 255 where there is none."""
        import numpy as np

        mask = self[VPContext.compatibility_mask]
        result = np.full(len(self), _NONE, np.uint8)
        for bits, platform in self.scope.platforms.items():
            result[mask == bits] = platform
        return result

    def of(self, *platforms: PlatformType) -> Bools:
        """Where the mask is that of one of `platforms`."""
        import numpy as np

        result = np.zeros(len(self), bool)
        for platform in platforms:
            result |= self.kind == platform
        return result

    @functools.cached_property
    def vbs(self) -> Bools:
        """Where the platform is VSM_ISOLATION."""
        return self.of(_VBS)

    @functools.cached_property
    def lists(self) -> RegisterLists:
        """The register lists; those of other platforms are empty."""
        import numpy as np

        size = self.scope.data_size
        start = np.where(self.vbs, self.start.astype(np.int64), size)
        return register_lists(self.scope.octets, start, _storable(self.scope))

    def unsupported_name(self) -> int:
        """The name of the register that a single context cannot hold."""
        return int(u32_at(self.scope.octets, self.lists.unsupported[:1] + 1)[0])

    def dirty(self, *platforms: PlatformType) -> Bools:
        """Where a page of these platforms is in the data and not zero after its structure."""
        import numpy as np

        buffer, base = self.scope.file.buffer, self.scope.data_start
        result = np.zeros(len(self), bool)
        inside = ~self.outside(PAGE_SIZE_4K)
        for platform in platforms:
            used = _PAGE_FORMS[platform]
            zeroes = bytes(PAGE_SIZE_4K - used)
            rows = np.flatnonzero(inside & self.of(platform))
            starts, back = np.unique(self.start[rows], return_inverse=True)
            tails = (base + start for start in starts.tolist())
            bad = [bytes(buffer[at + used : at + PAGE_SIZE_4K]) != zeroes for at in tails]
            result[rows] = np.array(bad, bool)[back]
        return result


def _storable(scope: Scope) -> Ints:
    """The register names that a VBS context of the file may hold, ascending."""
    import numpy as np

    if scope.file.architecture == Architecture.AARCH64:
        names = ARM64_STORABLE_0_4 if scope.release == "0.4" else ARM64_STORABLE
        return np.array(sorted(names), np.int64)
    return np.array(sorted(X64_STORABLE), np.int64)


def _no_padding(rows: ContextRows) -> Bools:
    # The last header of the section may end with its body, without the bytes up to eight.
    scope = rows.scope
    return rows.table.offset + (8 + _PADDED) > scope.data_start


def _list_cut(rows: ContextRows) -> Bools:
    return rows.vbs & (rows.lists.said > rows.lists.whole)


def _unsupported(architecture: Architecture) -> Callable[[ContextRows], Bools]:
    def breaks(rows: ContextRows) -> Bools:
        import numpy as np

        if (rows.scope.file.architecture == Architecture.AARCH64) != (
            architecture == Architecture.AARCH64
        ):
            return np.zeros(len(rows), bool)
        return rows.lists.unsupported >= 0

    return breaks


_PAGE_OUTSIDE = "the 4 KiB at file offset {value:#x} are not wholly in the file data"
_LIST = "the register list at file offset {value:#x} "
_NAME = "register {value:#x} cannot be stored"

CONTEXT_CHECKS: tuple[Check, ...] = (
    Check(
        _DIRECTIVE + "InvalidVariableHeaderSize",
        "reserved",
        _no_padding,
        "the variable headers end right after it",
        "4 bytes of padding must follow the structure",
    ),
    Check(
        _DIRECTIVE + "InvalidVpContextPlatformType",
        "compatibility_mask",
        lambda rows: ~rows.of(_VBS, *_PAGE_FORMS),
        "mask {value:#x} is not that of a platform with contexts",
    ),
    Check(
        "panic.vbs-data-outside",
        "file_offset",
        lambda rows: rows.vbs & rows.outside(0),
        _LIST + "does not start in the file data",
    ),
    Check(
        _DIRECTIVE + "InvalidDataSize",
        "file_offset",
        lambda rows: rows.vbs & rows.outside(VBSContextHeader.SIZE),
        _LIST + "has no room for its count",
    ),
    Check(
        "panic.vbs-mixed-vtl",
        "file_offset",
        lambda rows: rows.lists.mixed,
        _LIST + "has registers of more than one VTL",
    ),
    Check(
        _DIRECTIVE + "InvalidDataSize",
        "file_offset",
        _list_cut,
        _LIST + "has fewer registers than its count says",
    ),
    Check(
        "panic.vbs-vp-index",
        "vp_index",
        lambda rows: rows.vbs & (rows[VPContext.vp_index] != 0),
    ),
    Check(
        _DIRECTIVE + "NoVbsVpContextRegisters",
        "file_offset",
        lambda rows: rows.vbs & (rows.lists.said == 0),
        _LIST + "has no registers",
    ),
    Check(
        _DIRECTIVE + "InvalidVtl",
        "file_offset",
        lambda rows: rows.lists.vtl > 2,
        "the registers are of VTL {value}",
        value=lambda rows: int(rows.lists.vtl[0]),
    ),
    Check(
        _DIRECTIVE + "UnsupportedX64Register",
        "file_offset",
        _unsupported(Architecture.X64),
        _NAME,
        value=ContextRows.unsupported_name,
    ),
    Check(
        _DIRECTIVE + "UnsupportedAArch64Register",
        "file_offset",
        _unsupported(Architecture.AARCH64),
        _NAME,
        value=ContextRows.unsupported_name,
    ),
    Check(
        _DIRECTIVE + "InvalidDataSize",
        "file_offset",
        lambda rows: ~rows.vbs & rows.outside(PAGE_SIZE_4K),
        _PAGE_OUTSIDE,
    ),
    Check(
        _DIRECTIVE + "InvalidVmsa",
        "file_offset",
        lambda rows: rows.dirty(*_VMSA),
        "the VMSA at file offset {value:#x} is followed by bytes that are not zero",
        releases=("0.4",),
    ),
    Check(
        _DIRECTIVE + "InvalidContext",
        "file_offset",
        lambda rows: rows.dirty(*_NATIVE),
        "the context at file offset {value:#x} is followed by bytes that are not zero",
    ),
    Check(
        _DIRECTIVE + "UnalignedAddress",
        "gpa",
        lambda rows: rows.of(*_VMSA) & (rows[VPContext.gpa] & (PAGE_SIZE_4K - 1) != 0),
        words="a VMSA's gpa must be a multiple of 4 KiB",
    ),
)
"""The checks of a VP_CONTEXT, in the crate's order."""
