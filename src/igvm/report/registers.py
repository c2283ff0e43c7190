"""The registers of a VP context as plain values: one model for every format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import FormatError
from igvm.file.context import VBSContext
from igvm.file.header_extents import data_range
from igvm.report.names_and_numbers import flag_names
from igvm.spec.context import CCAContext, NativeContextX64
from igvm.spec.vmsa import SEVVMSA
from igvm.wire.record import Record

if TYPE_CHECKING:
    from igvm.file.context import Context
    from igvm.file.header import Header
    from igvm.file.view import IgvmFile

RegisterValue = int | str | dict[str, int | str]

_FORMATS: dict[type[Any], str] = {
    SEVVMSA: "VMSA",
    NativeContextX64: "NATIVE",
    CCAContext: "CCA",
    VBSContext: "VBS",
}

STARTING: dict[str, tuple[str, ...]] = {
    "VMSA": ("rsp", "rsi", "virtual_tom", "vmpl", "sev_features"),
    "NATIVE": ("rsp", "rsi"),
    "CCA": ("x0", "x1", "flags"),
    "VBS": ("RSP", "RSI", "X0", "X1"),
}
"""The registers that a summary shows beside mode and address, by format."""

_MOST_FEATURES = 4
"""Names of SEV_FEATURES that a summary shows."""

_TOO_WIDE = 1 << 64
"""The first value that a JSON number of ours does not hold."""


class Registers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The registers of a VP context.

    Of a VMSA, a native and a CCA context, what is zero is left out.
    """

    format: str
    """VMSA, NATIVE, CCA or VBS."""
    registers: dict[str, RegisterValue]
    """By name: a number, the parts of a segment or table register, or raw bytes in hex."""
    vtl: int | None = None
    """The VTL of the first register of a VBS context."""
    sev_features: list[str] = []
    """Names of the features that a VMSA asks for."""


class Budget:
    """Bytes of file data that may still be decoded; bounds what overlapping data costs."""

    def __init__(self, file: IgvmFile) -> None:
        self._left = len(file.buffer) + (1 << 16)

    def take(self, file: IgvmFile, header: Header[Any], kind: str = "contexts") -> None:
        """Account for the data of `header`, one of `kind`.

        Raises:
            FormatError: it is not in the file, or more was decoded than the file holds.
        """
        _, size = data_range(file, header)
        if size > self._left:
            raise FormatError(f"the {kind} before this one overlap so much that it is left out")
        self._left -= size


def registers(context: Context) -> Registers:
    """The plain values of a decoded context."""
    format_name = _FORMATS[type(context)]
    if isinstance(context, VBSContext):
        return Registers(
            format=format_name,
            vtl=context.registers[0].vtl if context.registers else None,
            registers=_vbs(context),
        )
    features = flag_names(context.sev_features) if isinstance(context, SEVVMSA) else []
    return Registers(format=format_name, registers=_nonzero(context), sev_features=features)


def _nonzero(record: Record) -> dict[str, RegisterValue]:
    """The fields of `record` that are not zero."""
    values: dict[str, RegisterValue] = {}
    for item in record.FIELDS:
        value = getattr(record, item.name)
        if item.kind == "octets":
            if any(value):
                values[item.name] = value.hex()
        elif item.kind == "record":
            parts = {part.name: int(getattr(value, part.name)) for part in value.FIELDS}
            if any(parts.values()):
                values[item.name] = {**parts}
        elif value:
            values[item.name] = int(value)
    return values


def _vbs(context: VBSContext) -> dict[str, RegisterValue]:
    """Every register of a VBS context; a name that comes again gets a number."""
    values: dict[str, RegisterValue] = {}
    seen: dict[str, int] = {}
    for register in context.registers:
        ((name, value),) = VBSContext(context.architecture, (register,)).values().items()
        seen[name] = seen.get(name, 0) + 1
        key = name if seen[name] == 1 else f"{name}#{seen[name]}"
        if isinstance(value, Record):
            parts = {part.name: getattr(value, part.name) for part in value.FIELDS}
            pad = parts.pop("pad", b"")
            values[key] = {**parts, "pad": pad.hex()} if any(pad) else parts
        else:
            values[key] = value if value < _TOO_WIDE else register.register_value.hex()
    return values


def value_text(value: RegisterValue) -> str:
    """A register's value as text."""
    if isinstance(value, dict):
        parts = dict(value)
        selector = f"{parts.pop('selector'):#x} " if "selector" in parts else ""
        return selector + " ".join(
            f"{name} {part:#x}" if isinstance(part, int) else f"{name} {part}"
            for name, part in parts.items()
        )
    return f"{value:#x}" if isinstance(value, int) else value


def start_registers(context: Registers) -> list[str]:
    """The registers that a summary shows beside mode and address, those that are not zero."""
    terms: list[str] = [f"VTL {context.vtl}"] if context.vtl else []
    for name in STARTING[context.format]:
        value = context.registers.get(name)
        if not value:
            continue
        if name == "sev_features":
            names = context.sev_features
            more = f" and {len(names) - _MOST_FEATURES} more" if len(names) > _MOST_FEATURES else ""
            terms.append(f"features {' '.join(names[:_MOST_FEATURES])}{more}")
        else:
            terms.append(f"{name} {value_text(value)}")
    return terms
