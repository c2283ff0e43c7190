"""The files that the benchmarks read, made here from random bytes."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from igvm.spec.directive import PageData
from igvm.spec.enums import PlatformType
from igvm.spec.fixed import FixedHeaderV1
from igvm.spec.initialization import GuestPolicy
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
PLATFORMS = (PlatformType.SEV_SNP, PlatformType.TDX, PlatformType.VSM_ISOLATION)


def page_bytes(pages: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Random pages, one a row, the same each time."""
    words = np.random.default_rng(1).integers(0, 1 << 63, pages * PAGE // 8, np.int64)
    return words.view(np.uint8).reshape(pages, PAGE)


def large(
    path: Path,
    pages: int,
    platforms: int,
    *,
    policy: bool = False,
    data: Literal["unique", "zeroes", "shared", "none"] = "unique",
) -> None:
    """A file of `pages` pages, each with one header for each of `platforms` platforms.

    Args:
        path: where it is written.
        pages: how many there are.
        platforms: how many of PLATFORMS it is for.
        policy: give SNP the GUEST_POLICY without which the reference does not measure it.
        data: pages that are all different; that are zeroes; that are one and the same page; or
            that have no data at all.
    """
    heads = b"".join(
        struct.pack("<II", 1, 16)
        + SupportedPlatform(compatibility_mask=1 << i, platform_type=kind).pack()
        for i, kind in enumerate(PLATFORMS[:platforms])
    )
    if policy:
        body = GuestPolicy(policy=0x30000, compatibility_mask=1).pack()
        heads += struct.pack("<II", 0x101, len(body)) + body
    count = pages * platforms
    stored = {"unique": pages, "zeroes": pages, "shared": 1, "none": 1}[data]
    rows = np.zeros(
        count, np.dtype([("type", "<u4"), ("length", "<u4"), ("body", PageData.dtype())])
    )
    rows["type"], rows["length"] = 0x302, PageData.SIZE
    page = np.repeat(np.arange(pages, dtype=np.uint64), platforms)
    start = FixedHeaderV1.SIZE + len(heads) + rows.nbytes
    rows["body"]["gpa"] = page * PAGE
    rows["body"]["compatibility_mask"] = 1 << np.arange(count) % platforms
    if data != "none":
        rows["body"]["file_offset"] = start + page % stored * PAGE
    headers = heads + rows.tobytes()
    fixed = FixedHeaderV1(
        variable_header_offset=FixedHeaderV1.SIZE,
        variable_header_size=len(headers),
        total_file_size=start + stored * PAGE,
    )
    fixed = fixed.replace(checksum=zlib.crc32(fixed.pack() + headers))
    with path.open("wb") as stream:
        stream.write(fixed.pack() + headers)
        for first in range(0, stored, 16384):
            some = min(16384, stored - first)
            if data == "zeroes":
                stream.write(bytes(some * PAGE))
                continue
            unlike = page_bytes(some)
            unlike.view(np.uint64)[:, 0] = np.arange(first, first + some)
            stream.write(unlike.tobytes())


def alternating(path: Path, count: int) -> None:
    """A hostile file: headers of alternating types, none like the one before."""
    area = struct.pack("<IIQII", 0x301, 16, PAGE, 0, 0)
    usage = struct.pack("<IIII", 0x307, 8, 0, 0)
    empty = struct.pack("<IIQIIIHH", 0x302, 24, 0x1000, 1, 0, 0, 0, 0)
    head = (
        struct.pack("<II", 1, 16)
        + SupportedPlatform(compatibility_mask=1, platform_type=PlatformType.NATIVE).pack()
    )
    headers = head + area + (usage + empty) * (count // 2)
    fixed = FixedHeaderV1(
        variable_header_offset=FixedHeaderV1.SIZE,
        variable_header_size=len(headers),
        total_file_size=FixedHeaderV1.SIZE + len(headers) + 8,
    )
    path.write_bytes(
        fixed.replace(checksum=zlib.crc32(fixed.pack() + headers)).pack() + headers + bytes(8)
    )
