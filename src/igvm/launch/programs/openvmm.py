"""OpenVMM on KVM: what the one context that it takes of a file must start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.refusals import ContextRefusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.file.record_places import RecordPlaces

_BITS = (
    ("cr0", 0x80000001, "PE and PG"),
    ("cr4", 0x20, "PAE"),
    ("efer", 0xD00, "LME, LMA and NXE"),
)
_SET = (("cr3", "a page table"), ("rip", "an address"))
_PRESENT_AND_LONG = 0x280
"""P and L of a segment's attributes."""


def start_refusals(vmsas: RecordPlaces) -> Iterator[ContextRefusal]:
    """What vCPU 0 may not start with (virt_kvm/src/snp.rs, validate_snp_bsp_register_state)."""
    for field, bits, wanted in _BITS:
        yield ContextRefusal("vmsa-start", field, vmsas[field] & bits != bits, wanted)
    for field, wanted in _SET:
        yield ContextRefusal("vmsa-start", field, vmsas[field] == 0, wanted)
    wrong = vmsas["cs"]["attrib"] & _PRESENT_AND_LONG != _PRESENT_AND_LONG
    yield ContextRefusal("vmsa-start", "cs", wrong, "a present segment of 64-bit code")
