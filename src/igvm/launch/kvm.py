"""The VMSAs that KVM makes and measures: reset states, and what becomes of a file's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import MeasurementError
from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector

if TYPE_CHECKING:
    from collections.abc import Mapping

VMSA_GPA = 0xFFFFFFFFF000
"""Where KVM says its VMSAs are, whatever a file says (arch/x86/kvm/svm/sev.c)."""

_EFER_LME, _EFER_LMA, _EFER_SVME = 0x100, 0x400, 0x1000
_CR4_MCE = 0x40
_CR0_ET, _CR0_CD_NW, _CR0_PG = 0x10, 0x60000000, 0x80000000
_RFLAGS_FIXED = 2
_KVM_SIGNATURE = 0x600


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
    """The VMSA of a vCPU in the reset state that QEMU and OpenVMM give it, as KVM measures it.

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
        efer=_EFER_SVME, cr4=_CR4_MCE, cr0=_CR0_ET, dr7=0x400, dr6=0xFFFF0FF0,
        rflags=_RFLAGS_FIXED, rip=reset_eip & 0xFFFF, rdx=signature,
        pat=0x0007040600070406, sev_features=SEVFeatures(features),
        xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
    )  # fmt: skip


def kvm_reset_vmsa(features: int) -> SEVVMSA:
    """The VMSA of a vCPU whose registers nobody sets: KVM's own reset state.

    Accessed bits of segments are clear, TR is a 16-bit TSS, and RDX has 0x600 whatever the CPU
    is, since KVM resets a vCPU before it knows (arch/x86/kvm/svm/svm.c, init_vmcb). The 0x600 is
    from memory of x86.c and not read again; sev-snp-measure's EC2 and GCE models have it too.
    """
    data = SEVSelector(attrib=0x92, limit=0xFFFF)
    reset = reset_vmsa(_KVM_SIGNATURE, features)
    return reset.replace(
        es=data, ss=data, ds=data, fs=data, gs=data,
        cs=reset.cs.replace(attrib=0x9A), tr=reset.tr.replace(attrib=0x83),
    )  # fmt: skip


_SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"])
_TABLES = frozenset(["gdtr", "idtr"])
_NUMBERED = (f"r{number}" for number in range(8, 16))
_GENERAL = frozenset(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *_NUMBERED])
_BASIC = _SEGMENTS | _TABLES | _GENERAL | {"efer", "cr0", "cr3", "cr4", "rflags", "rip"}
_MORE = _BASIC | {"dr6", "dr7", "pat", "xcr0", "mxcsr", "x87_fcw"}

TAKEN_OVER = _MORE | {"sev_features"}
"""Every field that QEMU takes over; anything else that is not zero is fatal (target/i386/sev.c)."""

_MSRS = frozenset(
    ["xss", "star", "lstar", "cstar", "sfmask", "kernel_gs_base", "spec_ctrl"]
    + [f"sysenter_{name}" for name in ("cs", "esp", "eip")]
)
_X87 = frozenset(["x87_fsw", "x87_op", "x87_rip", "x87dp"])


class VMM(NamedTuple):
    """How a VMM hands a context of a file to KVM, which has no call that takes a VMSA."""

    name: str
    taken: frozenset[str]
    """Fields that it puts into KVM's vCPU; the others have their values after a reset."""
    dropped: frozenset[str] | None = None
    """Further fields that it lets pass; any other must be zero. None: it does not look at them."""
    own_reset: bool = True
    """Whether it resets the registers of vCPUs without a context, RDX to the CPU signature."""
    fixed_gpa: bool = False
    """Whether a context must name KVM's address."""
    widest_table: int = 0xFFFFFFFF
    """The largest limit of a descriptor table that it takes."""
    is_qemu: bool = False
    """Whether it loads TR's base from LDTR, sets CR0.ET and EFER.LMA, and cuts table limits."""

    def refused(self, vmsa: SEVVMSA) -> list[str]:
        """The fields of `vmsa` that make it refuse the file."""
        zero = SEVVMSA()
        wide = [name for name in sorted(_TABLES) if getattr(vmsa, name).limit > self.widest_table]
        if self.dropped is None:
            return wide
        passed = self.taken | self.dropped | {"sev_features"}
        return wide + [
            item.name
            for item in SEVVMSA.FIELDS
            if item.name not in passed and getattr(vmsa, item.name) != getattr(zero, item.name)
        ]

    def reset(self, signature: int, features: int) -> SEVVMSA:
        """What KVM measures for a vCPU without a context."""
        return reset_vmsa(signature, features) if self.own_reset else kvm_reset_vmsa(features)


QEMU = VMM("QEMU", _MORE, frozenset(), fixed_gpa=True, is_qemu=True)
CLOUD_HYPERVISOR = VMM("Cloud Hypervisor", _BASIC, own_reset=False, widest_table=0xFFFF)
OPENVMM = VMM(
    "OpenVMM",
    _MORE | _MSRS | _X87,
    frozenset(["cr2", "dr0", "dr1", "dr2", "dr3"]),
    widest_table=0xFFFF,
)


def kvm_vmsa(vmsa: SEVVMSA, features: int | None = None, vmm: VMM = QEMU) -> SEVVMSA:
    """What KVM measures for a vCPU that `vmm` started from the context `vmsa`.

    KVM builds the page anew from its registers: EFER.SVME and CR4.MCE are set, CR0.CD and CR0.NW
    cleared, bit 1 of RFLAGS is set, CPL is that of SS, attributes have twelve bits, and the
    descriptor tables have nothing but base and limit (arch/x86/kvm/svm/sev.c, svm.c).

    Args:
        vmsa: the context of the file.
        features: SEV_FEATURES that the guest runs with, where not those of the context.
        vmm: who takes the context to KVM.
    """
    made = kvm_reset_vmsa(int(vmsa.sev_features) if features is None else features)
    values = {name: getattr(vmsa, name) for name in vmm.taken}
    for name in _SEGMENTS:
        values[name] = values[name].replace(attrib=values[name].attrib & 0xFFF)
    for name in _TABLES:
        values[name] = SEVSelector(limit=values[name].limit & 0xFFFF, base=values[name].base)
    efer, cr0 = vmsa.efer, vmsa.cr0
    if vmm.is_qemu:
        values["tr"] = values["tr"].replace(base=vmsa.ldtr.base)
        cr0 |= _CR0_ET
    if efer & _EFER_LME and cr0 & _CR0_PG:
        efer |= _EFER_LMA
    values |= {
        "efer": efer | _EFER_SVME,
        "cr0": cr0 & ~_CR0_CD_NW,
        "cr4": vmsa.cr4 | _CR4_MCE,
        "rflags": vmsa.rflags | _RFLAGS_FIXED,
        "cpl": vmsa.ss.attrib >> 5 & 3,
    }
    return made.replace(**values)
