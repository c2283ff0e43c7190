"""The loaders that a file can be judged for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from igvm.file.view import IgvmFile

NATIVE, SNP, VBS = PlatformType.NATIVE, PlatformType.SEV_SNP, PlatformType.VSM_ISOLATION


class Loader(msgspec.Struct, frozen=True):
    """One program that starts guests from IGVM files, in one of its ways."""

    name: str
    program: str
    """What the rules call it."""
    words: str
    """What it is, in one line."""
    platforms: tuple[PlatformType, ...]
    """The platforms that it takes, the one it prefers first."""
    release: str
    """The release of the igvm crate that it reads files with."""
    every: bool = False
    """Whether it is told which of its platforms to take, instead of taking the first there is."""
    filters: bool = True
    """Whether headers of other platforms are dropped before it looks at their types."""

    def choices(self, file: IgvmFile) -> list[PlatformType]:
        """The platforms of `file` that the loader may start; empty where there is none."""
        found = [kind for kind in self.platforms if file.platform_masks.get(kind)]
        return found if self.every else found[:1]


LOADERS = {
    loader.name: loader
    for loader in (
        Loader(
            "qemu-tcg",
            "QEMU",
            "QEMU 11.1, software emulation of an x86-64 machine",
            (NATIVE,),
            "0.4",
            filters=False,
        ),
        Loader(
            "qemu-kvm",
            "QEMU",
            "QEMU 11.1 with KVM and a sev-snp-guest object",
            (SNP, NATIVE),
            "0.4",
            filters=False,
        ),
        Loader(
            "cloud-hypervisor-kvm",
            "Cloud Hypervisor",
            "Cloud Hypervisor (ae44c29) with KVM and SEV-SNP",
            (SNP,),
            "0.4",
        ),
        Loader(
            "cloud-hypervisor-mshv",
            "Cloud Hypervisor",
            "Cloud Hypervisor (ae44c29) with MSHV and SEV-SNP",
            (SNP,),
            "0.4",
        ),
        Loader(
            "openvmm",
            "OpenVMM",
            "OpenVMM (1488a37): VBS or no isolation, or SEV-SNP with KVM",
            (VBS, SNP),
            "0.5",
            every=True,
        ),
    )
}
"""Every loader by its name."""

TCG, QEMU_SNP = "qemu-tcg", "qemu-kvm"
CH_KVM, CH_MSHV = "cloud-hypervisor-kvm", "cloud-hypervisor-mshv"
OPENVMM = "openvmm"

QEMU = (TCG, QEMU_SNP)
CH = (CH_KVM, CH_MSHV)
ALL = tuple(LOADERS)

# Where facts were read. "run" is said of what was seen to happen; the rest was read.
IGVM_C = "QEMU 11.1, backends/igvm.c"
IGVM_RUN = "QEMU 11.1, backends/igvm.c; run under TCG"
X86_RUN = "QEMU 11.1, target/i386/igvm.c; run under TCG"
SEV_C = "QEMU 11.1, target/i386/sev.c"
LIBIGVM = "libigvm 0.4.0; run"
KVM_SEV = "Linux, arch/x86/kvm/svm/sev.c"
KVM_X86 = "Linux, arch/x86/kvm/x86.c"
CH_IGVM = "cloud-hypervisor ae44c29, vmm/src/igvm/igvm_loader.rs"
CH_MEMORY = "cloud-hypervisor ae44c29, vmm/src/igvm/loader.rs"
CH_ON_KVM = "cloud-hypervisor ae44c29, hypervisor/src/kvm/mod.rs"
CH_ON_MSHV = "cloud-hypervisor ae44c29, hypervisor/src/mshv/mod.rs"
OPENVMM_IGVM = "openvmm 1488a37, openvmm/openvmm_core/src/worker/vm_loaders/igvm.rs"
OPENVMM_MEMORY = "openvmm 1488a37, vmm_core/vm_loader/src/lib.rs"
OPENVMM_KVM = "openvmm 1488a37, vmm_core/virt_kvm/src/snp.rs"
