"""The contexts that a VMM or KVM does not take, as columns over all contexts of a file."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

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
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from igvm.file.record_places import RecordPlaces
    from igvm.launch.kvm.vmm import VMM

    Bools = NDArray[np.bool_]

_CS_L = 0x200
_LOW, _HIGH = 0xFFFFFFFF, 0xFFFFFFFF00000000
_BREAKPOINTS = ~0x400 & (1 << 64) - 1
"""All of DR7 but the bit that is always set."""
_X87, _SSE, _AVX = 1, 2, 4
_WHOLE_FEATURES = (3 << 3, 7 << 5, 3 << 17)
"""MPX, AVX-512 and AMX in XCR0: all of their bits are set, or none."""


class ContextRefusal(NamedTuple):
    """One thing for which contexts are not taken."""

    rule: str
    """The rule of the loader that says so."""
    field: str
    where: Bools
    """Which contexts, shape (n,)."""
    message: str


def control_columns(vmsas: RecordPlaces, vmm: VMM) -> tuple[Any, Any]:
    """EFER and CR0 as `vmm` gives them to KVM, a value a VMSA (as `vmsa_rewriting` has them)."""
    import numpy as np

    efer, cr0 = vmsas["efer"], vmsas["cr0"]
    if not vmm.has_cpu_model:
        return efer, cr0
    cr0 = cr0 & np.uint64(_LOW) | np.uint64(CR0_ET)
    begins = _has(efer, EFER_LME) & _has(cr0, CR0_PG)
    pae = _has(vmsas["cr4"], CR4_PAE)
    efer = np.where(begins & pae, efer | np.uint64(EFER_LMA), efer)
    cr0 = np.where(begins & ~pae, np.uint64(CR0_ET | CR0_NW | CR0_CD), cr0)
    return efer, cr0


def kvm_refusals(vmsas: RecordPlaces, vmm: VMM) -> Iterator[ContextRefusal]:
    """What KVM does not take of what `vmm` sets.

    What depends on the processor, such as reserved bits of CR3 and CR4, is not known
    (arch/x86/kvm/x86.c, kvm_is_valid_sregs, __kvm_set_xcr and kvm_vcpu_ioctl_x86_set_debugregs;
    x86.h, kvm_pat_valid; svm/sev.c, sev_es_sync_vmsa).
    """
    import numpy as np

    efer, cr0 = control_columns(vmsas, vmm)
    is_long = _has(efer, EFER_LME) & _has(cr0, CR0_PG)
    no_pae = is_long & ~_has(vmsas["cr4"], CR4_PAE)
    wrong_lma = is_long != _has(efer, EFER_LMA)
    stray_l = ~is_long & (vmsas["cs"]["attrib"] & np.uint16(_CS_L) != 0)
    yield ContextRefusal("kvm-cr0", "cr0", _has(cr0, _HIGH), "CR0 has 32 bits")
    nw = _has(cr0, CR0_NW) & ~_has(cr0, CR0_CD)
    yield ContextRefusal("kvm-cr0", "cr0", nw, "CR0.NW needs CR0.CD")
    pg = _has(cr0, CR0_PG) & ~_has(cr0, CR0_PE)
    yield ContextRefusal("kvm-cr0", "cr0", pg, "CR0.PG needs CR0.PE")
    yield ContextRefusal("kvm-mode", "cr4", no_pae, "EFER.LME and CR0.PG need CR4.PAE")
    missing_lma, stray_lma = wrong_lma & is_long, wrong_lma & ~is_long
    yield ContextRefusal("kvm-mode", "efer", missing_lma, "EFER.LME and CR0.PG need EFER.LMA")
    yield ContextRefusal("kvm-mode", "efer", stray_lma, "EFER.LMA needs EFER.LME and CR0.PG")
    yield ContextRefusal("kvm-mode", "cs", stray_l, "the L bit of CS needs EFER.LME and CR0.PG")
    if "dr7" in vmm.taken:
        yield ContextRefusal(
            "kvm-debug-registers", "dr6", _has(vmsas["dr6"], _HIGH), "DR6 has 32 bits"
        )
        breakpoints = _has(vmsas["dr7"], _BREAKPOINTS)
        yield ContextRefusal("kvm-debug-registers", "dr7", breakpoints, "no breakpoint may be set")
    if "xcr0" in vmm.taken:
        for where, message in _xcr0(vmsas["xcr0"]):
            yield ContextRefusal("kvm-xcr0", "xcr0", where, message)
    if "pat" in vmm.taken:
        pat = vmsas["pat"]
        odd = _has(pat, 0xF8F8F8F8F8F8F8F8)
        odd |= _has(pat & np.uint64(0x0202020202020202) & ~(pat >> np.uint64(1)), (1 << 64) - 1)
        yield ContextRefusal("kvm-pat", "pat", odd, "a memory type in PAT is 0, 1 or 4 to 7")


def _xcr0(value: NDArray[np.uint64]) -> Iterator[tuple[Bools, str]]:
    import numpy as np

    avx512 = _WHOLE_FEATURES[1]
    yield ~_has(value, _X87), "bit 0 of XCR0, x87, is always set"
    yield _has(value, _AVX) & ~_has(value, _SSE), "AVX in XCR0 needs SSE"
    yield _has(value, avx512) & ~_has(value, _AVX), "AVX-512 in XCR0 needs AVX"
    half = np.zeros(len(value), bool)
    for bits in _WHOLE_FEATURES:
        half |= _has(value, bits) & (value & np.uint64(bits) != np.uint64(bits))
    yield half, "half a feature in XCR0"


def vmm_refusals(vmsas: RecordPlaces, vmm: VMM, *, is_snp: bool) -> Iterator[ContextRefusal]:
    """What `vmm` does not take of contexts before it comes to KVM."""
    import numpy as np

    for field in ("gdtr", "idtr"):
        wide = vmsas[field]["limit"] > np.uint32(vmm.widest_table)
        yield ContextRefusal("vmsa-limit", field, wide, f"{vmm.name} refuses this {field}")
    if vmm.dropped is not None:
        stray = vmsas.first_stray(bytes_outside(vmm.passed, vmm.spared))
        for item in SEVVMSA.FIELDS:
            where = (stray >= item.offset) & (stray < item.offset + item.size)
            if where.any():
                message = f"{vmm.name} refuses this {item.name}"
                yield ContextRefusal("vmsa-field", item.name, where, message)
    if vmm.is_strict:
        has_bit = _has(vmsas["sev_features"], int(SEVFeatures.SNP))
        wants = "the SNP bit" if is_snp else "no SNP bit"
        where = ~has_bit if is_snp else has_bit
        name = "SEV_SNP" if is_snp else "SEV_ES"
        message = f"{vmm.name} wants {wants} in it on {name}"
        yield ContextRefusal("sev-features", "sev_features", where, message)


@functools.cache
def bytes_outside(passed: frozenset[str], spared: range = range(0)) -> bytes:
    """A page with ones at every byte of a VMSA that is in no field of `passed`, nor `spared`."""
    page = bytearray(SEVVMSA.SIZE)
    for item in SEVVMSA.FIELDS:
        if item.name not in passed:
            page[item.offset : item.offset + item.size] = b"\xff" * item.size
    page[spared.start : spared.stop] = bytes(len(spared))
    return bytes(page)


def _has(column: Any, bits: int) -> Bools:
    """Which values of `column` have one of `bits`."""
    import numpy as np

    result: Bools = column & np.uint64(bits) != 0
    return result
