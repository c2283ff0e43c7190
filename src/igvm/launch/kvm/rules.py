"""What KVM refuses from whoever sets it, as rules of the loaders that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.kvm.vmm import VMM
    from igvm.launch.lint.loader_rule import LoaderRule

KVM_SEV = "Linux, arch/x86/kvm/svm/sev.c"
KVM_X86 = "Linux, arch/x86/kvm/x86.c"


def kvm_rules(vmm: VMM) -> Iterator[LoaderRule]:
    """What KVM does with the contexts that `vmm` hands to it."""
    from igvm.launch.lint.loader_rule import ERROR, NOTE, LoaderRule
    from igvm.launch.rules import kvm_register_rules, vmsa_rules

    yield LoaderRule(
        "vmsa-rewritten",
        NOTE,
        "KVM builds the VMSA anew: EFER.SVME and CR4.MCE set, CR0.CD and NW clear, bit 1 of RFLAGS "
        "set",
        KVM_SEV,
        vmsa_rules.rewritten,
    )
    if vmm.has_cpu_model:
        words = "KVM takes EFER.LMA and a 64 bit CS only where EFER.LME, CR0.PG and CR4.PAE are set"
        source = f"{KVM_X86}; QEMU 11.1, target/i386/helper.c"
    else:
        words = (
            "KVM takes EFER.LME with CR0.PG only where CR4.PAE and EFER.LMA are set, and EFER.LMA "
            "or a 64 bit CS only with both"
        )
        source = KVM_X86
    yield LoaderRule("kvm-mode", ERROR, words, source, kvm_register_rules.mode)
    yield LoaderRule(
        "kvm-cr0",
        ERROR,
        "KVM takes no CR0.PG without PE, no CR0.NW without CD, and no bit above bit 31 of CR0",
        KVM_X86,
        kvm_register_rules.cr0,
    )
    if "xcr0" in vmm.taken:
        yield LoaderRule(
            "kvm-xcr0",
            ERROR,
            "KVM takes an XCR0 with bit 0, and no feature in it without those that it builds on",
            KVM_X86,
            kvm_register_rules.xcr0,
        )
    if "pat" in vmm.taken:
        yield LoaderRule(
            "kvm-pat",
            ERROR,
            "KVM takes a PAT of the memory types 0, 1 and 4 to 7 only",
            "Linux, arch/x86/kvm/x86.h and svm/svm.c",
            kvm_register_rules.pat,
        )
    if "dr7" in vmm.taken:
        yield LoaderRule(
            "kvm-debug-registers",
            ERROR,
            "KVM takes a DR7 with no bit but bit 10, and a DR6 with no bit above bit 31",
            f"{KVM_SEV} and x86.c",
            kvm_register_rules.debug_registers,
        )
