"""The VMSAs that KVM makes and measures: reset states, and what becomes of a file's own."""

from __future__ import annotations

from typing import NamedTuple

from igvm.spec.vmsa import SEVVMSA, SEVFeatures, SEVSelector

VMSA_GPA = 0xFFFFFFFFF000
"""Where KVM says its VMSAs are, whatever a file says (arch/x86/kvm/svm/sev.c)."""

_EFER_LME, _EFER_LMA, _EFER_SVME = 0x100, 0x400, 0x1000
_CR4_PAE, _CR4_MCE = 0x20, 0x40
_CR0_PE, _CR0_ET, _CR0_NW, _CR0_CD, _CR0_PG = 1, 0x10, 0x20000000, 0x40000000, 0x80000000
_CS_L = 0x200
_RFLAGS_FIXED = 2
_DR7_FIXED = 0x400
_XCR0_X87, _XCR0_SSE, _XCR0_AVX = 1, 2, 4
_XCR0_MPX, _XCR0_AVX512, _XCR0_AMX = 3 << 3, 7 << 5, 3 << 17
_LOW, _HIGH = 0xFFFFFFFF, 0xFFFFFFFF00000000
_KVM_SIGNATURE = 0x600


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


_SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"])
_TABLES = frozenset(["gdtr", "idtr"])
_NUMBERED = (f"r{number}" for number in range(8, 16))
_GENERAL = frozenset(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *_NUMBERED])
_BASIC = _SEGMENTS | _TABLES | _GENERAL | {"efer", "cr0", "cr3", "cr4", "rflags", "rip"}
_MORE = _BASIC | {"dr6", "dr7", "pat", "xcr0"}
FPU = frozenset(["mxcsr", "x87_fcw"])
"""The FPU's control registers, the only ones of it that are not zero after a reset."""

TAKEN_OVER = _MORE | FPU | {"sev_features"}
"""Every field that QEMU lets pass; anything else that is not zero is fatal (target/i386/sev.c)."""

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
    passes_tsc_aux: bool = False
    """Whether TSC_AUX, in the four bytes at 0x2ec, may be anything; KVM does not measure it."""
    is_strict: bool = False
    """Whether it wants the SNP bit in SEV_FEATURES on SEV-SNP, and not on SEV-ES."""

    def refused(self, vmsa: SEVVMSA) -> list[str]:
        """The fields of `vmsa` that make it refuse the file."""
        zero = SEVVMSA()
        if self.passes_tsc_aux:
            vmsa = vmsa.replace(reserved7=vmsa.reserved7[:4] + bytes(4) + vmsa.reserved7[8:])
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


# QEMU sets MXCSR and the control word, but says to KVM that all of the FPU is as after a reset
# (target/i386/cpu.c and xsave_helper.c, xstate_bv), so that KVM does not look at them.
QEMU = VMM("QEMU", _MORE, FPU, fixed_gpa=True, is_qemu=True, is_strict=True)
CLOUD_HYPERVISOR = VMM("Cloud Hypervisor", _BASIC, own_reset=False, widest_table=0xFFFF)
OPENVMM = VMM(
    "OpenVMM",
    _MORE | FPU | _MSRS | _X87,
    frozenset(["cr2", "dr0", "dr1", "dr2", "dr3"]),
    fixed_gpa=True,
    widest_table=0xFFFF,
    passes_tsc_aux=True,
)


def _control(vmsa: SEVVMSA, vmm: VMM) -> tuple[int, int, int]:
    """EFER, CR0 and CR4 as `vmm` gives them to KVM.

    QEMU has 32 bits of CR0 and CR4. It sets EFER.LMA where long mode begins, and leaves CR0 as
    after a reset where PAE is missing for it (target/i386/helper.c, cpu_x86_update_cr0).
    """
    efer, cr0, cr4 = vmsa.efer, vmsa.cr0, vmsa.cr4
    if vmm.is_qemu:
        cr0, cr4 = cr0 & _LOW | _CR0_ET, cr4 & _LOW
        if efer & _EFER_LME and cr0 & _CR0_PG:
            if cr4 & _CR4_PAE:
                efer |= _EFER_LMA
            else:
                cr0 = _CR0_ET | _CR0_NW | _CR0_CD
    return efer, cr0, cr4


def kvm_refuses(vmsa: SEVVMSA, vmm: VMM) -> tuple[str, str] | None:
    """The field of `vmsa` for which KVM does not take what `vmm` sets, and why; None if it does.

    What depends on the processor, such as reserved bits of CR3 and CR4, is not known
    (arch/x86/kvm/x86.c, kvm_is_valid_sregs, __kvm_set_xcr and kvm_vcpu_ioctl_x86_set_debugregs;
    x86.h, kvm_pat_valid; svm/sev.c, sev_es_sync_vmsa). The lint rules `kvm-*` say the same.
    """
    efer, cr0, cr4 = _control(vmsa, vmm)
    is_long = bool(efer & _EFER_LME and cr0 & _CR0_PG)
    checks = [
        ("cr0", cr0 & _HIGH, "CR0 has 32 bits"),
        ("cr0", cr0 & _CR0_NW and not cr0 & _CR0_CD, "CR0.NW needs CR0.CD"),
        ("cr0", cr0 & _CR0_PG and not cr0 & _CR0_PE, "CR0.PG needs CR0.PE"),
        ("cr4", is_long and not cr4 & _CR4_PAE, "EFER.LME and CR0.PG need CR4.PAE"),
        ("efer", is_long and not efer & _EFER_LMA, "EFER.LME and CR0.PG need EFER.LMA"),
        ("efer", not is_long and efer & _EFER_LMA, "EFER.LMA needs EFER.LME and CR0.PG"),
        ("cs", not is_long and vmsa.cs.attrib & _CS_L, "the L bit of CS needs EFER.LME and CR0.PG"),
    ]
    if "dr7" in vmm.taken:
        checks += [
            ("dr6", vmsa.dr6 & _HIGH, "DR6 has 32 bits"),
            ("dr7", vmsa.dr7 & ~_DR7_FIXED, "no breakpoint may be set"),
        ]
    if "xcr0" in vmm.taken:
        xcr0 = vmsa.xcr0
        groups = (_XCR0_MPX, _XCR0_AVX512, _XCR0_AMX)
        checks += [
            ("xcr0", not xcr0 & _XCR0_X87, "bit 0 of XCR0, x87, is always set"),
            ("xcr0", xcr0 & _XCR0_AVX and not xcr0 & _XCR0_SSE, "AVX in XCR0 needs SSE"),
            ("xcr0", xcr0 & _XCR0_AVX512 and not xcr0 & _XCR0_AVX, "AVX-512 in XCR0 needs AVX"),
            ("xcr0", any(xcr0 & one not in {0, one} for one in groups), "half a feature in XCR0"),
        ]
    if "pat" in vmm.taken:
        odd = set(vmsa.pat.to_bytes(8, "little")) - {0, 1, 4, 5, 6, 7}
        checks.append(("pat", bool(odd), "a memory type in PAT is 0, 1 or 4 to 7"))
    return next(((field, why) for field, wrong, why in checks if wrong), None)


def kvm_vmsa(vmsa: SEVVMSA, features: int | None = None, vmm: VMM = QEMU) -> SEVVMSA:
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
    for name in _SEGMENTS:
        values[name] = values[name].replace(attrib=values[name].attrib & 0xFFF)
    for name in _TABLES:
        values[name] = SEVSelector(limit=values[name].limit & 0xFFFF, base=values[name].base)
    if vmm.is_qemu:
        values["tr"] = values["tr"].replace(base=vmsa.ldtr.base)
    efer, cr0, cr4 = _control(vmsa, vmm)
    values |= {
        "efer": efer | _EFER_SVME,
        "cr0": cr0 & ~(_CR0_CD | _CR0_NW),
        "cr4": cr4 | _CR4_MCE,
        "rflags": vmsa.rflags | _RFLAGS_FIXED,
        "cpl": vmsa.ss.attrib >> 5 & 3,
    }
    return made.replace(**values)
