"""The registers of a native context, as QEMU takes them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.lint.launched_contexts import contexts_of
from igvm.spec.context import NativeContextX64
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.launch.lint.launched_contexts import LaunchedContexts

_LONG = 1 << 13
"""The L bit of code_attributes."""
_LME, _LMA = 1 << 8, 1 << 10
_PAGING = 1 << 31
_PE, _PAE = 1, 1 << 5
_MODEL_CR4 = 1 << 11 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 28
"""UMIP, SMAP, PKE, CET, PKS and LAM_SUP: qemu64 has none of them (seen)."""


def _native(inspected: InspectedLaunch) -> LaunchedContexts:
    return contexts_of(inspected, PlatformType.NATIVE, NativeContextX64)


def gs_base(inspected: InspectedLaunch) -> Found:
    """Have the guest write MSR 0xC0000101 before it uses GS."""
    contexts = _native(inspected)
    base = contexts.column("gs_base")
    different = base != contexts.column("data_base")
    yield from contexts.broken(different, "gs_base", "gs_base is {value}")


def rflags(inspected: InspectedLaunch) -> Found:
    """Set rflags to 2."""
    contexts = _native(inspected)
    clear = contexts.column("rflags") & 2 == 0
    yield from contexts.broken(clear, "rflags", "rflags is {value}")


def cr0(inspected: InspectedLaunch) -> Found:
    """The guest reads another value than the file has, as on hardware."""
    contexts = _native(inspected)
    clear = contexts.column("cr0") & 0x10 == 0
    yield from contexts.broken(clear, "cr0", "cr0 is {value}")


def efer(inspected: InspectedLaunch) -> Found:
    """Write it as hardware has it, 0x500, for loaders that don't."""
    contexts = _native(inspected)
    needs = (contexts.column("efer") & _LME != 0) & (contexts.column("cr0") & _PAGING != 0)
    clear = needs & (contexts.column("efer") & _LMA == 0)
    yield from contexts.broken(clear, "efer", "efer is {value}")


def long_mode(inspected: InspectedLaunch) -> Found:
    """A 64 bit code segment needs EFER 0x500, CR0.PG, CR4.PAE and page tables in CR3."""
    contexts = _native(inspected)
    long = contexts.column("code_attributes") & _LONG != 0
    wrong = long & (contexts.column("efer") & (_LME | _LMA) == 0)
    yield from contexts.broken(wrong, "code_attributes", "code_attributes are {value}")


def paging_dropped(inspected: InspectedLaunch) -> Found:
    """CR0 stays 0x60000010, without PE, while the processor decodes 64 bit code. Set CR4.PAE."""
    contexts = _native(inspected)
    begins = (contexts.column("efer") & _LME != 0) & (contexts.column("cr0") & _PAGING != 0)
    wrong = begins & (contexts.column("cr4") & _PAE == 0)
    yield from contexts.broken(wrong, "cr4", "cr4 is {value}")


def stray_lma(inspected: InspectedLaunch) -> Found:
    """No processor is in that state: EFER.LMA says that EFER.LME and CR0.PG are set.

    Code of 64 bits runs all the same, without paging where CR0.PG is clear. KVM refuses it.
    """
    contexts = _native(inspected)
    begins = (contexts.column("efer") & _LME != 0) & (contexts.column("cr0") & _PAGING != 0)
    wrong = ~begins & (contexts.column("efer") & _LMA != 0)
    yield from contexts.broken(wrong, "efer", "efer is {value}")


def paging_in_real_mode(inspected: InspectedLaunch) -> Found:
    """The guest ends in a triple fault, which resets it, again and again. Set CR0.PE too."""
    contexts = _native(inspected)
    cr0 = contexts.column("cr0")
    is_dropped = (contexts.column("efer") & _LME != 0) & (contexts.column("cr4") & _PAE == 0)
    wrong = (cr0 & _PAGING != 0) & (cr0 & _PE == 0) & ~is_dropped
    yield from contexts.broken(wrong, "cr0", "cr0 is {value}")


def cr4_bits(inspected: InspectedLaunch) -> Found:
    """They are those of what the processor model has; `-cpu max` has more than the default.

    Have the guest set them once it knows the processor.
    """
    contexts = _native(inspected)
    dropped = contexts.column("cr4") & _MODEL_CR4 != 0
    yield from contexts.broken(dropped, "cr4", "cr4 is {value}")
