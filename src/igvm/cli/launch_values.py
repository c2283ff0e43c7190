"""How the values are read that a launch depends on: digests, vCPUs, processors, Realms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from igvm.cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.launch.machine import Machine
    from igvm.measurement.realm import RealmParameters

_MOST_NUMBERS = 1024
_MOST_VCPUS = 1 << 16


class Digest(Value):
    """A digest in hexadecimal, in any case, with or without 0x, blanks and colons."""

    def read(self, text: str) -> bytes:
        """The bytes of the digest."""
        digits = re.sub(r"[\s:]", "", text).lower().removeprefix("0x")
        if len(digits) not in {64, 96, 128} or re.fullmatch("[0-9a-f]*", digits) is None:
            start = text if len(text) <= 20 else f"{text[:17]}..."
            raise ValueError(f"{start!r} is not 32, 48 or 64 bytes in hexadecimal")
        return bytes.fromhex(digits)


class VcpuNumbers(Value):
    """Numbers of vCPUs: `1,2,4` or `1-8`."""

    def read(self, text: str) -> tuple[int, ...]:
        """The numbers, each once and in the order given."""
        numbers: dict[int, None] = {}
        for part in text.split(","):
            match = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", part)
            low = int(match[1]) if match else 0
            high = int(match[2] or low) if match else 0
            if not 0 < low <= high <= _MOST_VCPUS or high - low >= _MOST_NUMBERS:
                raise ValueError(f"{part!r} is no number of vCPUs")
            numbers |= dict.fromkeys(range(low, high + 1))
        return tuple(numbers)


class Processor(Value):
    """A processor model of QEMU, a real processor or a CPU signature."""

    def read(self, text: str) -> str:
        """The text, if it is one."""
        from igvm.errors import ValidationError
        from igvm.launch.processors import signatures_of

        try:
            signatures = signatures_of(text)
        except ValidationError as error:
            raise ValueError(f"{error.message}; {error.hint}") from None
        if not 0 <= signatures[0] < 1 << 32:
            raise ValueError(f"{text!r} is no CPU signature of 32 bits")
        return text

    def complete(self, start: str) -> Iterable[str]:
        """The models and processors that begin so, in any case."""
        from igvm.launch.processors import CPU_SIGNATURES, host_names

        known = [*CPU_SIGNATURES, *host_names()]
        return [name for name in known if name.lower().startswith(start.lower())]

    def listed(self) -> str:
        """The real processors; the models of QEMU are in its own help."""
        from igvm.launch.processors import REAL_PROCESSORS

        return ", ".join(REAL_PROCESSORS)


class Realm(Value):
    """What a VMM chooses for a Realm: `s2sz=40,num_bps=5,num_wps=3,ripas=0x0-0x200000`."""

    def read(self, text: str) -> RealmParameters:
        """The parameters."""
        from igvm.measurement.realm import RealmParameters

        numbers: dict[str, Any] = {}
        ripas: list[tuple[int, int]] = []
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name == "ripas":
                base, _, top = value.partition("-")
                ripas.append((_number(name, base), _number(name, top)))
            elif name == "rmm":
                major, _, minor = value.partition(".")
                numbers["rmm"] = (_number(name, major), _number(name, minor or "0"))
            elif name in RealmParameters.__struct_fields__:
                numbers[name] = _number(name, value)
            else:
                raise ValueError(f"{part!r} is none of {', '.join(_parameters())}")
        if "s2sz" not in numbers:
            raise ValueError("s2sz, the width of the IPA space in bits, is missing")
        return RealmParameters(**numbers, ripas=tuple(ripas))

    def complete(self, start: str) -> Iterable[str]:
        """The parameters that the last part may become."""
        before, comma, last = start.rpartition(",")
        names = (form.partition("=")[0] for form in _parameters())
        return [f"{before}{comma}{name}=" for name in names if name.startswith(last)]


_FORMS = {"ripas": "ripas=BASE-TOP", "rmm": "rmm=MAJOR.MINOR"}
"""How the parameters are given that are not one number."""


def _parameters() -> list[str]:
    """The parameters of a Realm, those that are not one number in the form that they have."""
    from igvm.measurement.realm import RealmParameters

    plain = [name for name in RealmParameters.__struct_fields__ if name not in _FORMS]
    return [*plain, *_FORMS.values()]


def _number(name: str, text: str) -> int:
    """A number for a parameter, decimal or with 0x."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{text!r} is no number for {name}")
    return number


class MachineName(Value):
    """A machine of QEMU: `q35`, or `pc,vga=none`."""

    def read(self, text: str) -> Machine:
        """The machine, with nothing said of its memory and vCPUs."""
        from igvm.errors import ValidationError
        from igvm.launch.machine import Machine
        from igvm.launch.programs.qemu_machines import MACHINES

        try:
            machine = Machine.of(text)
            machine.require(tuple(MACHINES))
        except ValidationError as error:
            raise ValueError(f"{error.message}; {error.hint}") from None
        return machine

    def complete(self, start: str) -> Iterable[str]:
        """The machines that begin so, with VGA and without."""
        from igvm.launch.programs.qemu_machines import MACHINES

        names = [form for name in MACHINES for form in (name, f"{name},vga=none")]
        return [name for name in names if name.startswith(start.lower())]


class MemorySize(Value):
    """How much memory a machine has, as QEMU's -m has it: `512M`, `2G`, or a number of MiB."""

    def read(self, text: str) -> int:
        """Bytes."""
        match = re.fullmatch(r"([0-9]{1,9})([kmgt]?)(?:i?b)?", text.strip().lower())
        size = int(match[1]) << _SHIFTS[match[2]] if match else 0
        if not 0 < size < 1 << 63:
            raise ValueError(f"{text!r} is no size of memory such as 512M or 2G")
        return size


_SHIFTS = {"k": 10, "": 20, "m": 20, "g": 30, "t": 40}


class HostChoice(Value):
    """What a host does otherwise than its loader: `fpu=none`."""

    def read(self, text: str) -> tuple[str, str]:
        """The axis and its value."""
        axis, separator, value = text.partition("=")
        if not separator or not axis.strip() or not value.strip():
            raise ValueError(f"{text!r} is not AXIS=VALUE, such as fpu=none")
        return axis.strip(), value.strip()

    def complete(self, start: str) -> Iterable[str]:
        """Every axis with each of its values, those that begin so."""
        from igvm.launch.kvm.vmsa_axes import VMSA_AXES
        from igvm.measurement.technology_table import technologies

        axes = [axis for technology in technologies().values() for axis in technology.axes]
        known = (
            f"{axis.name}={choice.value}" for axis in (*axes, *VMSA_AXES) for choice in axis.choices
        )
        return [text for text in dict.fromkeys(known) if text.startswith(start.lower())]
