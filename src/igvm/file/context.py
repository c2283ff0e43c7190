"""The registers of a virtual processor, decoded from whatever format its platform uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from igvm.errors import FormatError
from igvm.file.header_extents import context_format, data_range
from igvm.spec.context import (
    CCAContext,
    HvSegmentRegister,
    HvTableRegister,
    NativeContextX64,
    VBSContextHeader,
    VBSRegister,
)
from igvm.spec.enums import Architecture
from igvm.spec.isolation import VBS_CONTEXT
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    from igvm.file.header import Header
    from igvm.file.view import IgvmFile


class VBSContext(msgspec.Struct, frozen=True, gc=False):
    """The register list of a VBS context."""

    architecture: Architecture
    registers: tuple[VBSRegister, ...]

    def values(self) -> dict[str, int | HvTableRegister | HvSegmentRegister]:
        """Every register by name, decoded: a number, a table register or a segment register."""
        from igvm.spec.hyperv import X64_SEGMENT_REGISTERS, X64_TABLE_REGISTERS, register_name

        result: dict[str, int | HvTableRegister | HvSegmentRegister] = {}
        for register in self.registers:
            number = register_name(self.architecture, register.register_name)
            raw = register.register_value
            if number in X64_TABLE_REGISTERS and self.architecture == Architecture.X64:
                result[number.name] = HvTableRegister.unpack_from(raw)
            elif number in X64_SEGMENT_REGISTERS and self.architecture == Architecture.X64:
                result[number.name] = HvSegmentRegister.unpack_from(raw)
            else:
                result[number.name] = int.from_bytes(raw, "little")
        return result

    def pack(self) -> bytes:
        """The count and the registers, as they lie in the file."""
        head = VBSContextHeader(register_count=len(self.registers)).pack()
        return head + b"".join(register.pack() for register in self.registers)


Context = SEVVMSA | NativeContextX64 | CCAContext | VBSContext
"""What `IgvmFile.context` returns."""


def decode_context(file: IgvmFile, header: Header[Any]) -> Context:
    """The registers that the VP_CONTEXT `header` refers to.

    Raises:
        FormatError: the header is no VP_CONTEXT, or its registers are not in the file.
    """
    if not hasattr(header.record, "vp_index") or header.name != "VP_CONTEXT":
        message = "only a VP_CONTEXT refers to registers"
        raise FormatError(message, path=file.path, offset=header.offset, header=header.name)
    layout = context_format(file, header)
    offset, size = data_range(file, header)
    if layout is VBS_CONTEXT:
        body = file.buffer[offset + VBSContextHeader.SIZE : offset + size]
        return VBSContext(file.architecture, tuple(VBSRegister.iter_unpack(body)))
    return layout.record.unpack_from(file.buffer, offset)  # type: ignore[return-value]
