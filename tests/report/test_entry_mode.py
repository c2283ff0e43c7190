"""In which mode a vCPU starts, and where."""

from __future__ import annotations

import pytest

import igvm
from igvm.report.entry_mode import entry_text
from igvm.report.registers import registers

RESET = igvm.SEVSelector(selector=0xF000, attrib=0x9B, limit=0xFFFF, base=0xFFFF0000)
FLAT = igvm.SEVSelector(selector=8, attrib=0xC9B, limit=0xFFFFFFFF)
LONG = igvm.SEVSelector(selector=8, attrib=0xA9B, limit=0xFFFFFFFF, base=0x1000)


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("in real mode at 0xfffffff0", igvm.SEVVMSA(cr0=0x10, cs=RESET, rip=0xFFF0)),
        ("in protected mode at 0x10002", igvm.SEVVMSA(cr0=0x31, cs=FLAT, rip=0x10002)),
        (
            "in protected mode with paging at 0x10002",
            igvm.SEVVMSA(cr0=0x80000031, cs=FLAT, rip=0x10002),
        ),
        (
            "in compatibility mode at 0x10002",
            igvm.SEVVMSA(cr0=0x80000031, efer=0xD00, cs=FLAT, rip=0x10002),
        ),
        # In 64-bit code the base of CS does not count (AMD64 manual 2, 4.5.3).
        (
            "in long mode at 0x100000",
            igvm.SEVVMSA(cr0=0x80000031, efer=0xD00, cs=LONG, rip=0x100000),
        ),
        (
            "in long mode at 0x100000",
            igvm.NativeContextX64(
                cr0=0x80000031, efer=0x500, code_attributes=0xA09B, code_base=0x1000, rip=0x100000
            ),
        ),
        (
            "in protected mode at 0x101000",
            igvm.NativeContextX64(cr0=0x11, code_attributes=0xC09B, code_base=0x1000, rip=0x100000),
        ),
        ("in EL1 of its Realm at 0x8000", igvm.CCAContext(pc=0x8000, flags=1)),
    ],
)
def test_mode(text: str, context: igvm.SEVVMSA | igvm.NativeContextX64 | igvm.CCAContext) -> None:
    """CR0, EFER and CS say the mode, and the mode says whether the base counts."""
    assert text == entry_text(registers(context))


def vbs(architecture: igvm.Architecture, **values: int | bytes) -> igvm.VBSContext:
    """A VBS context with registers by name."""
    is_x64 = architecture == igvm.Architecture.X64
    names = igvm.HvX64Register if is_x64 else igvm.HvArm64Register
    return igvm.VBSContext(
        architecture,
        tuple(
            igvm.VBSRegister(
                vtl=0,
                register_name=names[name],
                register_value=value if isinstance(value, bytes) else value.to_bytes(16, "little"),
            )
            for name, value in values.items()
        ),
    )


def test_vbs() -> None:
    """Registers of Hyper-V are looked at by name; a list without CR0 leaves the mode open."""
    x64, arm = igvm.Architecture.X64, igvm.Architecture.AARCH64
    segment = igvm.HvSegmentRegister(selector=8, attributes=0xA09B).pack()
    start = vbs(x64, RIP=0x1000, CR0=0x80000021, EFER=0xD00, CS=segment)
    assert "in long mode at 0x1000" == entry_text(registers(start))
    assert "at RIP 0x1000, in the mode that the hypervisor has for a new vCPU" == entry_text(
        registers(vbs(x64, RIP=0x1000))
    )
    start = vbs(arm, PC=0x4000, CPSR=5, SCTLR_EL1=1)
    assert "in EL1 with the MMU on at 0x4000" == entry_text(registers(start))
    assert "at 0x4000, in the mode that the hypervisor has for a new vCPU" == entry_text(
        registers(vbs(arm, PC=0x4000))
    )
    assert "in EL2 at 0x4000" == entry_text(registers(vbs(arm, PC=0x4000, CPSR=9)))
