"""The registers of a VMSA that KVM refuses from whoever sets them, so that no guest starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.launch.lint.loader import CH_KVM, KVM_SEV, KVM_X86, OPENVMM, QEMU_SNP
from igvm.launch.lint.native import of_field
from igvm.launch.lint.rule import ERROR, loader_rule
from igvm.launch.lint.vmsa import vmsas
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

    Bools = NDArray[np.bool_]

_PE, _NW, _CD, _PG = 1 << 0, 1 << 29, 1 << 30, 1 << 31
_RESET_CR0 = 0x60000010
_LME, _LMA = 1 << 8, 1 << 10
_PAE = 1 << 5
_LONG = 1 << 9
"""The L bit of a segment's attributes."""
_LOW, _HIGH = 0xFFFFFFFF, 0xFFFFFFFF << 32
_BREAKPOINTS = ~0x400 & (1 << 64) - 1
"""All of DR7 but the bit that is always set."""

_X87, _SSE, _AVX = 1 << 0, 1 << 1, 1 << 2
_MPX, _AVX512, _AMX = 3 << 3, 7 << 5, 3 << 17
"""Features of XCR0 that are all there or not at all."""


def _has(column: Any, bits: int) -> Bools:
    """Which values of `column` have one of `bits`."""
    result: Bools = column & bits != 0
    return result


def _control(facts: LoaderFacts, values: Any) -> tuple[Any, Any]:
    """EFER and CR0 as the loader gives them to KVM.

    QEMU has 32 bits of CR0, sets EFER.LMA where 64 bit mode begins, and leaves CR0 as after a
    reset where CR4.PAE is missing for it (target/i386/helper.c, cpu_x86_update_cr0).
    """
    import numpy as np

    efer, cr0 = values["efer"], values["cr0"]
    if facts.loader.name != QEMU_SNP:
        return efer, cr0
    begins = _has(efer, _LME) & _has(cr0, _PG)
    pae = _has(values["cr4"], _PAE)
    return (
        np.where(begins & pae, efer | np.uint64(_LMA), efer),
        np.where(begins & ~pae, np.uint64(_RESET_CR0), cr0 & np.uint64(_LOW)),
    )


@loader_rule(
    "kvm-mode",
    QEMU_SNP,
    ERROR,
    "KVM takes EFER.LMA and a 64 bit CS only where EFER.LME, CR0.PG and CR4.PAE are set",
    f"{KVM_X86}; QEMU 11.1, target/i386/helper.c",
)
@loader_rule(
    "kvm-mode",
    (CH_KVM, OPENVMM),
    ERROR,
    "KVM takes EFER.LME with CR0.PG only where CR4.PAE and EFER.LMA are set, and EFER.LMA or a "
    "64 bit CS only with both",
    KVM_X86,
)
def mode(facts: LoaderFacts) -> Found:
    """Set EFER.LME and LMA, CR0.PG and CR4.PAE, or neither EFER.LMA nor the L bit of CS.

    QEMU sets EFER.LMA by itself, but other loaders do not. Where CR4.PAE is missing it drops CR0.
    """
    contexts = vmsas(facts)
    values = contexts[2]
    efer, cr0 = _control(facts, values)
    is_long = _has(efer, _LME) & _has(cr0, _PG)
    for field, wrong, text in (
        ("cr4", is_long & ~_has(values["cr4"], _PAE), "cr4 is {value}"),
        ("efer", is_long != _has(efer, _LMA), "efer is {value}"),
        ("cs", ~is_long & _has(values["cs"]["attrib"], _LONG), "cs is a 64 bit segment"),
    ):
        yield from of_field(contexts, wrong, SEVVMSA, field, text)


@loader_rule(
    "kvm-cr0",
    (QEMU_SNP, CH_KVM, OPENVMM),
    ERROR,
    "KVM takes no CR0.PG without PE, no CR0.NW without CD, and no bit above bit 31 of CR0",
    KVM_X86,
)
def cr0(facts: LoaderFacts) -> Found:
    """No processor does. Of QEMU, KVM gets the lower half of CR0 only."""
    contexts = vmsas(facts)
    _, value = _control(facts, contexts[2])
    wrong = _has(value, _HIGH)
    wrong |= _has(value, _PG) & ~_has(value, _PE)
    wrong |= _has(value, _NW) & ~_has(value, _CD)
    yield from of_field(contexts, wrong, SEVVMSA, "cr0", "cr0 is {value}")


@loader_rule(
    "kvm-xcr0",
    (QEMU_SNP, OPENVMM),
    ERROR,
    "KVM takes an XCR0 with bit 0, and no feature in it without those that it builds on",
    KVM_X86,
)
def xcr0(facts: LoaderFacts) -> Found:
    """Set it to 1, the value after a reset: what else there is depends on the host.

    AVX needs SSE, AVX-512 needs AVX, and AVX-512, MPX and AMX have all of their bits or none.
    """
    contexts = vmsas(facts)
    value = contexts[2]["xcr0"]
    wrong = ~_has(value, _X87)
    wrong |= _has(value, _AVX) & ~_has(value, _SSE)
    wrong |= _has(value, _AVX512) & ~_has(value, _AVX)
    for group in (_MPX, _AVX512, _AMX):
        wrong |= _has(value, group) & (value & group != group)
    yield from of_field(contexts, wrong, SEVVMSA, "xcr0", "xcr0 is {value}")


@loader_rule(
    "kvm-pat",
    (QEMU_SNP, OPENVMM),
    ERROR,
    "KVM takes a PAT of the memory types 0, 1 and 4 to 7 only",
    "Linux, arch/x86/kvm/x86.h and svm/svm.c",
)
def pat(facts: LoaderFacts) -> Found:
    """Each byte is one memory type. After a reset the PAT is 0x0007040600070406."""
    contexts = vmsas(facts)
    value = contexts[2]["pat"]
    wrong = _has(value, 0xF8F8F8F8F8F8F8F8)
    wrong |= _has(value & 0x0202020202020202 & ~(value >> 1), 0x0202020202020202)
    yield from of_field(contexts, wrong, SEVVMSA, "pat", "pat is {value}")


@loader_rule(
    "kvm-debug-registers",
    (QEMU_SNP, OPENVMM),
    ERROR,
    "KVM takes a DR7 with no bit but bit 10, and a DR6 with no bit above bit 31",
    f"{KVM_SEV} and x86.c",
)
def debug_registers(facts: LoaderFacts) -> Found:
    """A vCPU with breakpoints is not launched. Set DR7 to 0x400 and DR6 to 0xffff0ff0."""
    contexts = vmsas(facts)
    for field, bits in (("dr6", _HIGH), ("dr7", _BREAKPOINTS)):
        wrong = _has(contexts[2][field], bits)
        yield from of_field(contexts, wrong, SEVVMSA, field, f"{field} is {{value}}")
