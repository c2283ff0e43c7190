"""The VMSAs that KVM makes and measures: reset states, and what becomes of a file's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector

if TYPE_CHECKING:
    from igvm.launch.kvm.vmm import VMM

VMSA_GPA = 0xFFFFFFFFF000
"""Where KVM says its VMSAs are, whatever a file says (arch/x86/kvm/svm/sev.c)."""

RESET_VECTOR = 0xFFFFFFF0
"""Where a processor starts after a reset."""

EFER_LME, EFER_LMA, EFER_SVME = 0x100, 0x400, 0x1000
CR4_PAE, CR4_MCE = 0x20, 0x40
CR0_PE, CR0_ET, CR0_NW, CR0_CD, CR0_PG = 1, 0x10, 0x20000000, 0x40000000, 0x80000000
_RFLAGS_FIXED = 2
_LOW = 0xFFFFFFFF
_KVM_SIGNATURE = 0x600


def reset_vmsa(signature: int, features: int, *, reset_eip: int = RESET_VECTOR) -> SEVVMSA:
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
        efer=EFER_SVME, cr4=CR4_MCE, cr0=CR0_ET, dr7=0x400, dr6=0xFFFF0FF0,
        rflags=_RFLAGS_FIXED, rip=reset_eip & 0xFFFF, rdx=signature,
        pat=0x0007040600070406, sev_features=SEVFeatures(features),
        xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
    )  # fmt: skip


def kvm_reset_vmsa(features: int) -> SEVVMSA:
    """The VMSA of a vCPU whose registers nobody sets: KVM's own reset state.

    Accessed bits of segments are clear, TR is a 16-bit TSS (arch/x86/kvm/svm/svm.c, init_vmcb),
    and RDX has 0x600 whatever the CPU is, since a vCPU that is being made has no CPUID yet
    (x86.c, kvm_vcpu_reset).
    """
    data = SEVSelector(attrib=0x92, limit=0xFFFF)
    reset = reset_vmsa(_KVM_SIGNATURE, features)
    return reset.replace(
        es=data, ss=data, ds=data, fs=data, gs=data,
        cs=reset.cs.replace(attrib=0x9A), tr=reset.tr.replace(attrib=0x83),
    )  # fmt: skip


def _control(vmsa: SEVVMSA, vmm: VMM) -> tuple[int, int, int]:
    """EFER, CR0 and CR4 as `vmm` gives them to KVM.

    A CPU model as QEMU's has 32 bits of CR0 and CR4. It sets EFER.LMA where long mode begins, and
    leaves CR0 as after a reset where PAE is missing for it (target/i386/helper.c,
    cpu_x86_update_cr0). `control_columns` of the refusals does the same to columns.
    """
    efer, cr0, cr4 = vmsa.efer, vmsa.cr0, vmsa.cr4
    if vmm.has_cpu_model:
        cr0, cr4 = cr0 & _LOW | CR0_ET, cr4 & _LOW
        if efer & EFER_LME and cr0 & CR0_PG:
            if cr4 & CR4_PAE:
                efer |= EFER_LMA
            else:
                cr0 = CR0_ET | CR0_NW | CR0_CD
    return efer, cr0, cr4


def kvm_vmsa(vmsa: SEVVMSA, features: int | None, vmm: VMM) -> SEVVMSA:
    """What KVM measures for a vCPU that `vmm` started from the context `vmsa`.

    KVM builds the page anew from its registers: EFER.SVME and CR4.MCE are set, CR0.CD and CR0.NW
    cleared, bit 1 of RFLAGS is set, CPL is that of SS, attributes have twelve bits, and the
    descriptor tables have nothing but base and limit (arch/x86/kvm/svm/sev.c, svm.c).

    Args:
        vmsa: the context of the file, one that KVM does not refuse.
        features: SEV_FEATURES that the guest runs with, where not those of the context.
        vmm: who takes the context to KVM.
    """
    made = kvm_reset_vmsa(int(vmsa.sev_features) if features is None else features)
    values = {name: getattr(vmsa, name) for name in vmm.taken}
    for name in ("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"):
        values[name] = values[name].replace(attrib=values[name].attrib & 0xFFF)
    for name in ("gdtr", "idtr"):
        values[name] = SEVSelector(limit=values[name].limit & 0xFFFF, base=values[name].base)
    if vmm.has_cpu_model:
        values["tr"] = values["tr"].replace(base=vmsa.ldtr.base)
    efer, cr0, cr4 = _control(vmsa, vmm)
    values |= {
        "efer": efer | EFER_SVME,
        "cr0": cr0 & ~(CR0_CD | CR0_NW),
        "cr4": cr4 | CR4_MCE,
        "rflags": vmsa.rflags | _RFLAGS_FIXED,
        "cpl": vmsa.ss.attrib >> 5 & 3,
    }
    return made.replace(**values)
