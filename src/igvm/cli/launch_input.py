"""What a launch is of: an IGVM file, or firmware that QEMU is given without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from igvm.cli.streams import STDIN, open_and_say, standard_input

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile

FIRMWARE_LOADER = "qemu-bios"
"""What --firmware is loaded by."""


def open_input(path: str | None, firmware: str | None) -> IgvmFile:
    """The file at `path`, or the one that stands for the firmware at `firmware`.

    Raises:
        UsageError: there are both, or neither.
        OSError: it cannot be read.
        FormatError: it is none.
    """
    if path is not None and firmware is not None:
        raise click.UsageError(f"it takes FILE or --firmware, and not both: {path}")
    if firmware is not None:
        return open_firmware_input(firmware)
    if path is None:
        raise click.UsageError("Missing argument 'FILE', or --firmware")
    return open_and_say(path)


def open_firmware_input(path: str) -> IgvmFile:
    """The firmware at `path`, or on standard input for `-`.

    Raises:
        OSError: it cannot be read.
        FormatError: it is none.
    """
    from igvm.launch.flash import MOST_FLASH
    from igvm.recipes.bare_firmware import open_firmware, parse_firmware

    if path != "-":
        return open_firmware(path)
    return parse_firmware(standard_input(lambda _: MOST_FLASH + 1).buffer, path=STDIN)


def firmware_loaders(loaders: tuple[str, ...], *, is_given: bool) -> tuple[str, ...]:
    """The loader of firmware, if `loaders` has no other.

    Raises:
        UsageError: another was given.
    """
    others = [name for name in loaders if name != FIRMWARE_LOADER]
    if is_given and others and FIRMWARE_LOADER not in loaders:
        message = f"loader {others[0]} reads IGVM files: --firmware is for {FIRMWARE_LOADER}"
        raise click.UsageError(message)
    return (FIRMWARE_LOADER,)
