"""The VMSAs that KVM makes and measures: reset state, and what it does to a file's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from igvm.errors import MeasurementError
from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector

if TYPE_CHECKING:
    from collections.abc import Mapping

VMSA_GPA = 0xFFFFFFFFF000
"""Where KVM says its VMSAs are, whatever a file says (arch/x86/kvm/svm/sev.c)."""

_EFER_SVME = 0x1000
_CR4_MCE = 0x40
_CR0_CD_NW = 0x60000000
_RFLAGS_FIXED = 2


def cpu_signature(family: int, model: int, stepping: int) -> int:
    """CPUID Fn0000_0001 EAX of a processor (AMD publication 25481)."""
    extended = max(0, family - 0xF)
    base = min(family, 0xF)
    return extended << 20 | model >> 4 << 16 | base << 8 | (model & 0xF) << 4 | stepping & 0xF


CPU_SIGNATURES: Mapping[str, int] = {
    "EPYC": cpu_signature(23, 1, 2),
    "EPYC-IBPB": cpu_signature(23, 1, 2),
    "EPYC-Rome": cpu_signature(23, 49, 0),
    "EPYC-Milan": cpu_signature(25, 1, 1),
    "EPYC-Genoa": cpu_signature(25, 17, 0),
    "EPYC-Turin": cpu_signature(26, 0, 0),
}
"""The processor models of QEMU that SEV runs on (target/i386/cpu.c); their versions share them."""


def signature_of(cpu: str | int) -> int:
    """The CPU signature that `cpu` names: a QEMU model, with or without a version, or a number.

    Raises:
        MeasurementError: there is no such model.
    """
    if isinstance(cpu, int):
        return cpu
    found = CPU_SIGNATURES.get(re.sub(r"-v\d+$", "", cpu))
    if found is not None:
        return found
    try:
        return int(cpu, 0)
    except ValueError:
        models = ", ".join(CPU_SIGNATURES)
        message = f"{cpu!r} is no processor model and no CPU signature"
        hint = f"models: {models}; or a number such as 0x800f12"
        raise MeasurementError(message, hint=hint) from None


def reset_vmsa(signature: int, features: int, *, reset_eip: int = 0xFFFFFFF0) -> SEVVMSA:
    """The VMSA of a virtual processor in its reset state, as QEMU with KVM has it measured.

    Args:
        signature: EAX of CPUID leaf 1, which is in RDX after a reset.
        features: SEV_FEATURES; 0 for SEV-ES.
        reset_eip: where the processor starts; AP reset vectors differ (SEV-ES reset block).
    """
    data = SEVSelector(attrib=0x93, limit=0xFFFF)
    table = SEVSelector(limit=0xFFFF)
    return SEVVMSA(
        es=data, ss=data, ds=data, fs=data, gs=data,
        cs=SEVSelector(selector=0xF000, attrib=0x9B, limit=0xFFFF, base=reset_eip & 0xFFFF0000),
        gdtr=table, idtr=table,
        ldtr=SEVSelector(attrib=0x82, limit=0xFFFF),
        tr=SEVSelector(attrib=0x8B, limit=0xFFFF),
        efer=_EFER_SVME, cr4=_CR4_MCE, cr0=0x10, dr7=0x400, dr6=0xFFFF0FF0,
        rflags=_RFLAGS_FIXED, rip=reset_eip & 0xFFFF, rdx=signature,
        pat=0x0007040600070406, sev_features=SEVFeatures(features),
        xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
    )  # fmt: skip


# Every field that QEMU takes over; anything else that is not zero is fatal (target/i386/sev.c).
TAKEN_OVER = frozenset(
    [
        "es",
        "cs",
        "ss",
        "ds",
        "fs",
        "gs",
        "gdtr",
        "ldtr",
        "idtr",
        "tr",
        "efer",
        "cr4",
        "cr3",
        "cr0",
        "dr7",
        "dr6",
        "rflags",
        "rip",
        "rsp",
        "rax",
        "pat",
        "rcx",
        "rdx",
        "rbx",
        "rbp",
        "rsi",
        "rdi",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "sev_features",
        "xcr0",
        "mxcsr",
        "x87_fcw",
    ]
)


def refused_fields(vmsa: SEVVMSA) -> list[str]:
    """The fields of `vmsa` that QEMU refuses, because they are neither taken over nor zero."""
    zero = SEVVMSA()
    return [
        item.name
        for item in SEVVMSA.FIELDS
        if item.name not in TAKEN_OVER and getattr(vmsa, item.name) != getattr(zero, item.name)
    ]


def kvm_vmsa(vmsa: SEVVMSA, features: int | None = None) -> SEVVMSA:
    """What KVM measures for a virtual processor that QEMU started from the context `vmsa`.

    QEMU copies the fields of TAKEN_OVER into its registers, TR's base from LDTR, and KVM builds
    the page anew from them: EFER.SVME and CR4.MCE are set, CR0.CD and CR0.NW cleared, bit 1 of
    RFLAGS is set, and the descriptor tables have nothing but base and limit.
    """
    return SEVVMSA(
        **{name: getattr(vmsa, name) for name in TAKEN_OVER}
        | {
            "gdtr": SEVSelector(limit=vmsa.gdtr.limit, base=vmsa.gdtr.base),
            "idtr": SEVSelector(limit=vmsa.idtr.limit, base=vmsa.idtr.base),
            "tr": vmsa.tr.replace(base=vmsa.ldtr.base),
            "efer": vmsa.efer | _EFER_SVME,
            "cr4": vmsa.cr4 | _CR4_MCE,
            "cr0": vmsa.cr0 & ~_CR0_CD_NW,
            "rflags": vmsa.rflags | _RFLAGS_FIXED,
            "sev_features": vmsa.sev_features if features is None else SEVFeatures(features),
        }
    )
