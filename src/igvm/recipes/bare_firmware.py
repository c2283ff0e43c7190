"""Firmware as the file that stands for it: nothing but its pages, which end at 4 GiB."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from igvm.errors import FormatError
from igvm.file.argument_kinds import require_bytes, require_path
from igvm.file.read import parse
from igvm.launch.flash import FOUR_GIB, MOST_FLASH
from igvm.spec.enums import PlatformType
from igvm.write.builder import Builder

if TYPE_CHECKING:
    from typing_extensions import Buffer  # for checkers only; they bring it

    from igvm.file.view import IgvmFile

PLATFORMS = (
    PlatformType.SEV_SNP,
    PlatformType.SEV_ES,
    PlatformType.SEV,
    PlatformType.TDX,
)
"""What QEMU starts firmware on that it is given without an IGVM file, and measures."""
_PAGE = 4096


def open_firmware(path: str | os.PathLike[str]) -> IgvmFile:
    """The firmware at `path`, such as OVMF.fd, as the file that loader `qemu-bios` takes.

    `igvm.measure(igvm.open_firmware("OVMF.fd"), "snp", loader="qemu-bios", vcpus=2,
    cpu="EPYC-v4")` is what QEMU with `-bios OVMF.fd` leads to. Whether the firmware was built for
    a platform is said by a plan, not here.

    Raises:
        OSError: the file cannot be read.
        FormatError: it has no whole pages, or more than 32 MiB.
    """
    require_path(path)
    name = os.fspath(path)
    with io.FileIO(name) as stream:
        image = bytearray()
        # A pipe or a device may never end.
        while len(image) <= MOST_FLASH and (part := stream.read(MOST_FLASH + 1 - len(image))):
            image += part
    return parse_firmware(image, path=name)


def parse_firmware(image: Buffer, *, path: str | None = None) -> IgvmFile:
    """Firmware in `image`, any object with the buffer protocol, as for `open_firmware`.

    Raises:
        FormatError: it has no whole pages, or more than 32 MiB.
    """
    require_bytes(image)
    data = memoryview(image).cast("B")
    if len(data) > MOST_FLASH:
        message = f"firmware has at most {MOST_FLASH >> 20} MiB"
        raise FormatError(message, path=path, offset=MOST_FLASH)
    if not len(data) or len(data) % _PAGE:
        message = f"firmware has whole pages of 4 KiB, and not {len(data):,} bytes"
        raise FormatError(message, path=path, offset=len(data) // _PAGE * _PAGE)
    builder = Builder()
    for platform in PLATFORMS:
        builder.platform(platform)
    builder.pages(FOUR_GIB - len(data), data, list(PLATFORMS))
    return parse(builder.to_bytes(), path=path)
