"""The registers of a native context that KVM refuses from QEMU, so that the guest stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.kvm.vmsa_rewriting import (
    CR0_CD,
    CR0_ET,
    CR0_NW,
    CR0_PE,
    CR0_PG,
    CR4_PAE,
    EFER_LMA,
    EFER_LME,
)
from igvm.launch.lint.launched_contexts import contexts_of
from igvm.spec.context import NativeContextX64
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.launch.lint.launched_contexts import LaunchedContexts

    Bools = NDArray[np.bool_]

_CS_L = 1 << 13
_ALL, _HIGH = (1 << 64) - 1, 0xFFFFFFFF << 32
"""QEMU has 32 bits of CR4."""
_EFER = 1 | EFER_LME | EFER_LMA | 1 << 11 | 0xF << 12 | 1 << 21
"""SCE, LME, LMA, NXE, SVME, LMSLE, FFXSR, TCE and AIBRSE: every bit of EFER that there is."""
_CR4 = 0x1FFF | 1 << 13 | 0b111 << 16 | 0b11111 << 20 | 1 << 28
"""The bits of CR4 that KVM has, and PKS, which QEMU drops; SMXE and UINTR are not among them."""
_CR3_HIGH = 0x9FF << 52
"""The bits of CR3 above every address, but for those of linear address masking."""


def _native(inspected: InspectedLaunch) -> LaunchedContexts:
    return contexts_of(inspected, PlatformType.NATIVE, NativeContextX64)


def _controls(contexts: LaunchedContexts) -> tuple[Any, Any, Bools]:
    """EFER and CR0 as QEMU gives them to KVM, and which contexts are in long mode then.

    QEMU sets EFER.LMA with EFER.LME and CR0.PG, and drops CR0 where CR4.PAE is missing then
    (target/i386/helper.c, cpu_x86_update_cr0).
    """
    import numpy as np

    efer, cr0 = contexts.column("efer"), contexts.column("cr0")
    cr0 = cr0 & np.uint64(0xFFFFFFFF) | np.uint64(CR0_ET)
    begins = _has(efer, EFER_LME) & _has(cr0, CR0_PG)
    pae = _has(contexts.column("cr4"), CR4_PAE)
    efer = np.where(begins & pae, efer | np.uint64(EFER_LMA), efer)
    cr0 = np.where(begins & ~pae, np.uint64(CR0_ET | CR0_NW | CR0_CD), cr0)
    return efer, cr0, begins & pae


def mode(inspected: InspectedLaunch) -> Found:
    """Set EFER.LME and LMA, CR0.PG and CR4.PAE, or neither EFER.LMA nor the L bit of CS.

    Without CR4.PAE QEMU drops CR0, and with it long mode.
    """
    contexts = _native(inspected)
    efer, _, is_long = _controls(contexts)
    stray_lma = ~is_long & _has(efer, EFER_LMA)
    yield from contexts.broken(stray_lma, "efer", "efer is {value}")
    long_code = contexts.column("code_attributes") & _CS_L != 0
    yield from contexts.broken(
        ~is_long & ~stray_lma & long_code, "code_attributes", "code_attributes are {value}"
    )


def cr0(inspected: InspectedLaunch) -> Found:
    """No processor does. Set CR0.PE with PG, and CR0.CD with NW."""
    contexts = _native(inspected)
    _, value, _ = _controls(contexts)
    wrong = _has(value, CR0_PG) & ~_has(value, CR0_PE)
    wrong |= _has(value, CR0_NW) & ~_has(value, CR0_CD)
    yield from contexts.broken(wrong, "cr0", "cr0 is {value}")


def cr3(inspected: InspectedLaunch) -> Found:
    """The page tables must lie where the processor has addresses; it may have fewer bits still."""
    contexts = _native(inspected)
    _, _, is_long = _controls(contexts)
    wrong = is_long & _has(contexts.column("cr3"), _CR3_HIGH)
    yield from contexts.broken(wrong, "cr3", "cr3 is {value}")


def unknown_bits(inspected: InspectedLaunch) -> Found:
    """Clear them. KVM refuses bits that its processor or the model lacks, too."""
    contexts = _native(inspected)
    for field, known in (("efer", _EFER), ("cr4", _CR4 | _HIGH)):
        wrong = _has(contexts.column(field), _ALL & ~known)
        yield from contexts.broken(wrong, field, f"{field} is {{value}}")


def _has(column: Any, bits: int) -> Bools:
    """Which values of `column` have one of `bits`."""
    import numpy as np

    result: Bools = column & np.uint64(bits) != 0
    return result
