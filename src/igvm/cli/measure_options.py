"""How the options of `igvm measure` are read: numbers, lists, digests and realm parameters."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.measurement.realm import RealmParameters

_MOST_COUNTS = 1024
_MOST_VCPUS = 1 << 16


def digest(_ctx: click.Context, _option: click.Parameter, value: str | None) -> bytes | None:
    """A digest in hexadecimal, in any case, with or without 0x, blanks and colons."""
    if value is None:
        return None
    digits = re.sub(r"[\s:]", "", value).lower().removeprefix("0x")
    if len(digits) not in {64, 96, 128} or re.fullmatch("[0-9a-f]*", digits) is None:
        shown = value if len(value) <= 20 else f"{value[:17]}..."
        message = f"{shown!r} is not 32, 48 or 64 bytes in hexadecimal"
        raise click.BadParameter(message)
    return bytes.fromhex(digits)


def counts(_ctx: click.Context, _option: click.Parameter, value: str | None) -> list[int] | None:
    """Numbers of vCPUs, `1,2,4` or `1-8`, each once and in the order given."""
    if value is None:
        return None
    found: dict[int, None] = {}
    for part in value.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", part)
        low = int(match[1]) if match else 0
        high = int(match[2] or low) if match else 0
        if not 0 < low <= high <= _MOST_VCPUS or high - low >= _MOST_COUNTS:
            raise click.BadParameter(f"{part!r} is no number of vCPUs")
        found |= dict.fromkeys(range(low, high + 1))
    return list(found)


def features(_ctx: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """A 64-bit number in hexadecimal, with or without 0x."""
    if value is None:
        return None
    if re.fullmatch("(0[xX])?[0-9a-fA-F]{1,16}", value) is None:
        raise click.BadParameter(f"{value!r} is not a 64-bit number in hexadecimal")
    return int(value, 16)


def processor(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """A processor model of QEMU or a CPU signature."""
    if value is None:
        return None
    from igvm.errors import MeasurementError
    from igvm.launch.processors import signature_of

    try:
        signature = signature_of(value)
    except MeasurementError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}") from None
    if not 0 <= signature < 1 << 32:
        raise click.BadParameter(f"{value!r} is no CPU signature of 32 bits")
    return value


def realm(
    _ctx: click.Context, _option: click.Parameter, value: str | None
) -> RealmParameters | None:
    """What a VMM chooses for a Realm: `s2sz=40,num_bps=5,num_wps=3,ripas=0x0-0x200000`."""
    if value is None:
        return None
    from igvm.measurement.realm import RealmParameters

    numbers: dict[str, Any] = {}
    ripas: list[tuple[int, int]] = []
    for part in value.split(","):
        name, _, text = (one.strip() for one in part.partition("="))
        if name == "ripas":
            low, _, high = text.partition("-")
            ripas.append((_number(name, low), _number(name, high)))
        elif name == "rmm":
            major, _, minor = text.partition(".")
            numbers["rmm"] = (_number(name, major), _number(name, minor or "0"))
        elif name in RealmParameters.__struct_fields__:
            numbers[name] = _number(name, text)
        else:
            known = [one for one in RealmParameters.__struct_fields__ if one not in _OTHERS]
            said = ", ".join([*known, *_OTHERS.values()])
            raise click.BadParameter(f"{part!r} is none of {said}")
    if "s2sz" not in numbers:
        raise click.BadParameter("s2sz, the width of the IPA space in bits, is missing")
    return RealmParameters(**numbers, ripas=tuple(ripas))


_OTHERS = {"ripas": "ripas=BASE-TOP", "rmm": "rmm=MAJOR.MINOR"}


def _number(name: str, text: str) -> int:
    """A number of `realm`, decimal or with 0x."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise click.BadParameter(f"{text!r} is no number for {name}")
    return number


def loader_names(names: tuple[str, ...]) -> list[str]:
    """The loaders that were asked for; none for `all`."""
    return [] if "all" in names else list(dict.fromkeys(names))


def kernel_hashes(
    kernel: str | None, initrd: str | None, append: str | None, names: list[str]
) -> KernelHashes | None:
    """The hashes of a kernel that is given to one of the loaders `names`, none meaning all.

    Raises:
        UsageError: there is an initrd or a command line and no kernel, or nothing measures it.
        OSError: a file cannot be read.
    """
    if kernel is None:
        if initrd is not None or append is not None:
            raise click.UsageError("--initrd and --append need --kernel")
        return None
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.loader_table import loaders

    takers = [loader.name for loader in loaders().values() if loader.takes_hashes]
    if names and not set(takers) & set(names):
        raise click.UsageError(f"of all loaders only {', '.join(takers)} measures a --kernel")
    text = append or ""
    if text.startswith("@"):
        text = os.fsdecode(_read(text[1:])).rstrip("\n")
    return KernelHashes.of(_read(kernel), _read(initrd) if initrd else b"", text)


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
