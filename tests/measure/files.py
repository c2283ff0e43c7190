"""Small files for measuring, put together byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import igvm
from tests.raw import Raw, platform

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SNP, TDX, VBS = igvm.PlatformType.SEV_SNP, igvm.PlatformType.TDX, igvm.PlatformType.VSM_ISOLATION
SEV, SEV_ES, CCA = igvm.PlatformType.SEV, igvm.PlatformType.SEV_ES, igvm.PlatformType.CCA

A = bytes(range(256)) * 16
"""A page."""
B = bytes(reversed(range(256))) * 16
"""Another page."""


def build(
    kind: igvm.PlatformType,
    heads: Callable[[Sequence[int]], Sequence[bytes]],
    *blobs: bytes,
    **fixed: Any,
) -> igvm.IgvmFile:
    """A file for one platform with mask 1.

    Args:
        kind: the platform.
        heads: gives the further headers, from where each of `blobs` lies in the file.
        blobs: the file data, in pieces.
        fixed: what else tests.raw.Raw takes.
    """
    none = platform(kind) + b"".join(heads([0] * len(blobs)))
    start = len(none) + (24 if fixed.get("version", 1) == 1 else 32)
    places = [start + sum(map(len, blobs[:index])) for index in range(len(blobs))]
    headers = platform(kind) + b"".join(heads(places))
    return igvm.parse(Raw(headers, b"".join(blobs) or bytes(8), **fixed).file())
