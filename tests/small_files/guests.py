"""Files for one platform or several: headers byte by byte, and the data that they refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import igvm
from tests.small_files import raw

if TYPE_CHECKING:
    from collections.abc import Sequence

NATIVE, VBS = igvm.PlatformType.NATIVE, igvm.PlatformType.VSM_ISOLATION
SNP, TDX = igvm.PlatformType.SEV_SNP, igvm.PlatformType.TDX
SEV, SEV_ES, CCA = igvm.PlatformType.SEV, igvm.PlatformType.SEV_ES, igvm.PlatformType.CCA

VMSA_GPA = 0xFFFFFFFFF000
"""Where KVM has VMSAs."""
RESET_PAGE = 0xFFFFF000
"""The page of the reset vector."""


def bytes_for(
    platforms: igvm.PlatformType | Sequence[igvm.PlatformType],
    *headers: bytes,
    data: bytes | Sequence[bytes] = bytes(raw.PAGE_SIZE),
    vtl: int = 0,
    boundary: int = 0,
    **fixed: Any,
) -> bytes:
    """A version 2 file for `platforms`, whose masks are 1, 2, 4, and so on.

    Args:
        platforms: one or more; with CCA among them it is a file for AArch64.
        headers: what comes after the platforms, where `raw.at(n)` is a place in the data.
        data: the file data, whole or in pieces.
        vtl: highest_vtl of the platforms.
        boundary: shared_gpa_boundary of the platforms.
        fixed: what else raw.RawFile takes.
    """
    kinds = [platforms] if isinstance(platforms, igvm.PlatformType) else platforms
    starts = [
        raw.platform(kind, 1 << index, vtl=vtl, boundary=boundary)
        for index, kind in enumerate(kinds)
    ]
    drawn = {"version": 2, "architecture": int(CCA in kinds)} | fixed
    return raw.file(*starts, *headers, data=data, **drawn)


def file_for(
    platforms: igvm.PlatformType | Sequence[igvm.PlatformType], *headers: bytes, **more: Any
) -> igvm.IgvmFile:
    """The file that `bytes_for` makes of the same."""
    return igvm.parse(bytes_for(platforms, *headers, **more))


def guest_bytes(
    vmsa: igvm.SEVVMSA, *headers: bytes, gpa: int = VMSA_GPA, index: int = 0, **more: Any
) -> bytes:
    """A file for SEV_SNP with a policy, `headers` and at last a context, and `more` as above."""
    context = raw.context(raw.at(0), gpa=gpa, index=index)
    return bytes_for(SNP, raw.policy(), *headers, context, data=vmsa.pack(), **more)


def guest_for(vmsa: igvm.SEVVMSA, *headers: bytes, **more: Any) -> igvm.IgvmFile:
    """The file that `guest_bytes` makes of the same."""
    return igvm.parse(guest_bytes(vmsa, *headers, **more))
