"""Hyper-V register numbers, and which registers a VBS context can hold."""

from __future__ import annotations

import pytest

from igvm.spec import hyperv
from igvm.spec.enums import Architecture
from igvm.spec.hyperv import HvArm64Register, HvX64Register, register_name
from tests.spec import hyperv_table

RENAMED = {
    "XFP": "FP",
    "XLR": "LR",
    "XSP": "SP",
    "XSPEL0": "SPEL0",
    "XSPELX": "SPELX",
    "XPC": "PC",
}
"""The AArch64 registers that lose the X of the crate's name."""

STORABLE_X64 = {
    "RSP": 0x20004,
    "RBP": 0x20005,
    "RSI": 0x20006,
    "R8": 0x20008,
    "R9": 0x20009,
    "R10": 0x2000A,
    "R11": 0x2000B,
    "R12": 0x2000C,
    "RIP": 0x20010,
    "RFLAGS": 0x20011,
    "CR0": 0x40000,
    "CR3": 0x40002,
    "CR4": 0x40003,
    "ES": 0x60000,
    "CS": 0x60001,
    "SS": 0x60002,
    "DS": 0x60003,
    "FS": 0x60004,
    "GS": 0x60005,
    "TR": 0x60007,
    "IDTR": 0x70000,
    "GDTR": 0x70001,
    "EFER": 0x80001,
    "PAT": 0x80004,
    "MTRR_DEF_TYPE": 0x8000E,
    "MTRR_PHYS_BASE0": 0x80010,
    "MTRR_PHYS_BASE1": 0x80011,
    "MTRR_PHYS_BASE2": 0x80012,
    "MTRR_PHYS_BASE3": 0x80013,
    "MTRR_PHYS_BASE4": 0x80014,
    "MTRR_PHYS_MASK0": 0x80040,
    "MTRR_PHYS_MASK1": 0x80041,
    "MTRR_PHYS_MASK2": 0x80042,
    "MTRR_PHYS_MASK3": 0x80043,
    "MTRR_PHYS_MASK4": 0x80044,
    "MTRR_FIX64K00000": 0x80070,
    "MTRR_FIX16K80000": 0x80071,
    "MTRR_FIX4K_E0000": 0x80077,
    "MTRR_FIX4K_E8000": 0x80078,
    "MTRR_FIX4K_F0000": 0x80079,
    "MTRR_FIX4K_F8000": 0x8007A,
}
"""X86Register of registers.rs, igvm 0.4.0 and 0.5.0."""

STORABLE_ARM64_0_4 = {
    "X0": 0x20000,
    "X1": 0x20001,
    "PC": 0x20022,
    "CPSR": 0x20023,
    "SCTLR_EL1": 0x40002,
    "TTBR0_EL1": 0x40005,
    "TTBR1_EL1": 0x40006,
    "TCR_EL1": 0x40007,
    "MAIR_EL1": 0x4000B,
    "VBAR_EL1": 0x4000C,
}
"""AArch64Register of registers.rs, igvm 0.4.0."""

STORABLE_ARM64 = {
    **STORABLE_ARM64_0_4,
    "X2": 0x20002,
    "X3": 0x20003,
    "X4": 0x20004,
    "X5": 0x20005,
    "X6": 0x20006,
    "X7": 0x20007,
}
"""AArch64Register of registers.rs, igvm 0.5.0."""


def table(*texts: str) -> dict[str, int]:
    """Numbers by the crate's names, spelled in capitals without underscores."""
    result: dict[str, int] = {}
    for line in "".join(texts).split("\n"):
        if line:
            number, name = line.split()
            spelled = name.upper().removeprefix("MSR")
            spelled = name.upper() if spelled == "MCUPDATEPATCHLEVEL" else spelled
            result[RENAMED.get(spelled, spelled)] = int(number, 16)
    return result


@pytest.mark.parametrize(
    ("kind", "texts", "count"),
    [
        (HvX64Register, (hyperv_table.COMMON, hyperv_table.X64), 233),
        (HvArm64Register, (hyperv_table.COMMON, hyperv_table.ARM64), 114),
    ],
    ids=["x64", "arm64"],
)
def test_every_register_has_its_number(
    kind: type[HvX64Register | HvArm64Register], texts: tuple[str, ...], count: int
) -> None:
    """Names and numbers are those of the reference crate, no more and no less."""
    expected = table(*texts)
    assert count == len(expected)
    assert expected == {
        name.replace("_", ""): int(member) for name, member in kind.__members__.items()
    }


@pytest.mark.parametrize(
    ("expected", "count", "actual"),
    [
        (STORABLE_X64, 41, hyperv.X64_STORABLE),
        (STORABLE_ARM64, 16, hyperv.ARM64_STORABLE),
        (STORABLE_ARM64_0_4, 10, hyperv.ARM64_STORABLE_0_4),
    ],
    ids=["x64", "arm64", "arm64-0.4"],
)
def test_storable_registers(
    expected: dict[str, int], count: int, actual: frozenset[HvX64Register | HvArm64Register]
) -> None:
    """What a VBS context can hold is what the reference crate converts."""
    assert (count, expected) == (len(actual), {name.name: int(name) for name in actual})


def test_registers_with_a_structured_value() -> None:
    """The table and segment registers of x64; all others hold a u64."""
    assert {0x70000, 0x70001} == hyperv.X64_TABLE_REGISTERS
    assert set(range(0x60000, 0x60008)) == hyperv.X64_SEGMENT_REGISTERS


def test_ldtr_cannot_be_stored() -> None:
    """Of the segment registers, LDTR alone has no place in a VBS context."""
    assert {HvX64Register.LDTR} == hyperv.X64_SEGMENT_REGISTERS - hyperv.X64_STORABLE


@pytest.mark.parametrize(
    ("architecture", "number", "name"),
    [
        (Architecture.X64, 0x20004, "RSP"),
        (Architecture.AARCH64, 0x20004, "X4"),
        (Architecture.X64, 0x20022, "UNKNOWN_0x20022"),
        (Architecture.AARCH64, 0x20022, "PC"),
        (Architecture.AARCH64, 0x60000, "UNKNOWN_0x60000"),
        (Architecture.X64, 0xFFFFFFFF, "UNKNOWN_0xffffffff"),
    ],
)
def test_names_depend_on_the_architecture(
    architecture: Architecture, number: int, name: str
) -> None:
    """One number is another register on the other architecture, and an unknown one survives."""
    register = register_name(architecture, number)
    assert (name, number) == (register.name, int(register))
    kind = HvX64Register if architecture is Architecture.X64 else HvArm64Register
    assert isinstance(register, kind)
