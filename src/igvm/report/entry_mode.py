"""How a vCPU starts, in words: in which mode of the processor, and at which address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from igvm.report.registers import Registers, RegisterValue

TDX_START = "in protected mode at 0xfffffff0; the TDX module sets registers"
"""How each vCPU of a TD starts (Intel TDX module base specification, initial state of VCPUs)."""

_OPEN = "the mode that the hypervisor has for a new vCPU"
"""What a list of registers without those of the mode leaves."""

_PE = 1 << 0
_PG = 1 << 31
_LME = 1 << 8
_LONG_IN_VMSA = 1 << 9
_LONG_IN_DESCRIPTOR = 1 << 13
"""The bit L of CS: descriptor bit 53, as a VMSA and as Hyper-V and native contexts have it."""
_M = 1 << 0
"""SCTLR_EL1.M: the MMU is on."""
_WORD = (1 << 64) - 1


def entry_text(context: Registers) -> str:
    """In which mode a context starts and where: `in long mode at 0x100000`."""
    values = context.registers
    if context.format == "CCA":
        return f"in EL1 of its Realm at {_number(values, 'pc'):#x}"
    if context.format == "VBS" and _is_arm(values):
        state = "on" if _number(values, "SCTLR_EL1") & _M else "off"
        mmu = f" with the MMU {state}" if "SCTLR_EL1" in values else ""
        level = f"EL{_number(values, 'CPSR') >> 2 & 3}{mmu}" if "CPSR" in values else ""
        where = f"at {_number(values, 'PC'):#x}"
        return f"in {level} {where}" if level else f"{where}, in {_OPEN}"
    if context.format == "NATIVE":
        base, attributes = _number(values, "code_base"), _number(values, "code_attributes")
        is_long_code = bool(attributes & _LONG_IN_DESCRIPTOR)
    else:
        segment = values.get("cs", values.get("CS", {}))
        parts = segment if isinstance(segment, dict) else {}
        base = _number(parts, "base")
        if context.format == "VMSA":
            is_long_code = bool(_number(parts, "attrib") & _LONG_IN_VMSA)
        else:
            is_long_code = bool(_number(parts, "attributes") & _LONG_IN_DESCRIPTOR)
    return _x64(context, base, is_long_code=is_long_code)


def _x64(context: Registers, base: int, *, is_long_code: bool) -> str:
    """The mode by CR0, EFER and the code segment, and the linear address."""
    names = ("CR0", "EFER", "RIP")
    if context.format != "VBS":
        names = ("cr0", "efer", "rip")
    cr0, efer, rip = (_number(context.registers, name) for name in names)
    if context.format == "VBS" and "CR0" not in context.registers:
        return f"at RIP {rip:#x}, in {_OPEN}"
    if not cr0 & _PE:
        mode = "real mode"
    elif not cr0 & _PG:
        mode = "protected mode"
    elif not efer & _LME:
        mode = "protected mode with paging"
    elif is_long_code:
        return f"in long mode at {rip:#x}"  # where the base of CS does not count
    else:
        mode = "compatibility mode"
    return f"in {mode} at {(base + rip) & _WORD:#x}"


def _is_arm(values: dict[str, RegisterValue]) -> bool:
    return "PC" in values or "CPSR" in values


def _number(values: dict[str, RegisterValue] | dict[str, int | str], name: str) -> int:
    """A register or a part of one; zero where it is not there or no number."""
    value = values.get(name, 0)
    return value if isinstance(value, int) else 0
