"""Registers of a VP context as plain values."""

from __future__ import annotations

import igvm
from igvm import report
from igvm.report.registers import registers, start_registers, value_text

SEGMENT = igvm.HvSegmentRegister(base=0x1000, limit=0xFFFF, selector=8, attributes=0xA09B).pack()
TABLE = igvm.HvTableRegister(pad=b"\1" * 6, limit=0x7F, base=0x2000).pack()


def vbs_context(*values: tuple[igvm.HvX64Register, bytes]) -> igvm.VBSContext:
    """A VBS context with these registers."""
    return igvm.VBSContext(
        igvm.Architecture.X64,
        tuple(
            igvm.VBSRegister(vtl=1, register_name=name, register_value=value.ljust(16, b"\0"))
            for name, value in values
        ),
    )


def test_zeroes_are_left_out() -> None:
    """A context of zeroes has no registers worth showing."""
    assert {} == registers(igvm.SEVVMSA()).registers
    assert {} == registers(igvm.NativeContextX64()).registers
    assert {} == registers(igvm.CCAContext()).registers


def test_vmsa() -> None:
    """Segments are their parts, numbers are numbers, bytes are hex, features have names."""
    shown = registers(
        igvm.SEVVMSA(
            cs=igvm.SEVSelector(selector=8, base=0x1000),
            rip=0xFFF0,
            sev_features=igvm.SEVFeatures.SNP | igvm.SEVFeatures.VTOM,
            xsave_valid_bitmap=b"\1" * 16,
        )
    )
    assert ("VMSA", ["SNP", "VTOM"]) == (shown.format, shown.sev_features)
    assert {
        "cs": {"selector": 8, "attrib": 0, "limit": 0, "base": 0x1000},
        "rip": 0xFFF0,
        "sev_features": 3,
        "xsave_valid_bitmap": "01" * 16,
    } == shown.registers
    assert ["features SNP VTOM"] == start_registers(shown)


def test_many_features() -> None:
    """Of many SEV_FEATURES the first four are named, and the others counted."""
    shown = start_registers(
        registers(igvm.SEVVMSA(rsp=0x1000, sev_features=igvm.SEVFeatures(0x3F)))
    )
    assert "rsp 0x1000" == shown[0]
    assert shown[1].endswith(" and 2 more")
    assert 4 == len(shown[1].removesuffix(" and 2 more").removeprefix("features ").split())


def test_vbs() -> None:
    """Registers of Hyper-V are decoded by their kind."""
    names = igvm.HvX64Register
    shown = registers(vbs_context((names.CS, SEGMENT), (names.GDTR, TABLE), (names.RIP, b"\x10")))
    assert {
        "CS": {"base": 0x1000, "limit": 0xFFFF, "selector": 8, "attributes": 0xA09B},
        "GDTR": {"limit": 0x7F, "base": 0x2000, "pad": "01" * 6},
        "RIP": 0x10,
    } == shown.registers
    assert ["VTL 1"] == start_registers(shown)


def test_registers_that_come_again() -> None:
    """A register that comes twice is shown twice."""
    shown = registers(vbs_context((igvm.HvX64Register.RIP, b"\1"), (igvm.HvX64Register.RIP, b"\2")))
    assert {"RIP": 1, "RIP#2": 2} == shown.registers


def test_wide_values() -> None:
    """A value of more than 64 bits is its bytes, and an unknown register has its number."""
    shown = registers(vbs_context((igvm.HvX64Register(0x999), b"\xff" * 16)))
    assert {"UNKNOWN_0x999": "ff" * 16} == shown.registers
    assert report.encode(shown)


def test_no_registers() -> None:
    """A VBS context without registers has no VTL."""
    assert registers(vbs_context()).vtl is None


def test_value_text() -> None:
    """Values are hex, and the parts of a segment stand behind its selector."""
    assert "0x10" == value_text(16)
    assert "ff" == value_text("ff")
    assert "0x8 base 0x1 pad 01" == value_text({"base": 1, "selector": 8, "pad": "01"})
