"""What hosts with KVM vary about VMSAs: who starts from which context, its FPU, its processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.axes import Axis, Choice
from igvm.launch.kvm.vmm import FPU
from igvm.launch.kvm.vmsa_rewriting import RESET_VECTOR, VMSA_GPA, kvm_vmsa
from igvm.launch.processors import HOST, cpu_name, known_signatures, signature_of
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from igvm.launch.axes import Host
    from igvm.launch.kvm.vmm import VMM
    from igvm.spec.vmsa import SEVVMSA


def _fpu_of_file(made: SEVVMSA, own: SEVVMSA | None) -> SEVVMSA:
    if own is None:
        return made
    return made.replace(**{name: getattr(own, name) for name in FPU})


def _no_fpu(made: SEVVMSA, _own: SEVVMSA | None) -> SEVVMSA:
    return made.replace(**dict.fromkeys(FPU, 0))


FPU_AXIS = Axis(
    name="fpu",
    about="the FPU's control registers in the VMSAs that KVM builds (from its VMSA and the "
    "context of the file, to another VMSA)",
    choices=(
        Choice(
            value="file",
            words="MXCSR and the x87 control word are those of the file",
            seen="Linux before 6.10 with a VMM that sets the FPU",
            unlikely=4,
            change=_fpu_of_file,
        ),
        Choice(
            value="none",
            words="KVM measures no FPU: its old VM type, or Linux before 6.10",
            seen="Linux, arch/x86/kvm/svm/sev.c, sev_es_sync_vmsa; QEMU's default for SEV-ES; on "
            "SEV-SNP AMD's host kernels before KVM_SEV_INIT2 (virtee/sev-snp-measure pulls 36, 49)",
            unlikely=2,
            change=_no_fpu,
        ),
    ),
)

RDX_AXIS = Axis(
    name="rdx",
    about="the CPU signature in RDX of the file's contexts that start in real mode, where they "
    "have one (from a context to another)",
    choices=tuple(
        Choice(
            value=cpu_name(signature).lower(),
            words=f"the contexts have the CPU signature of {cpu_name(signature)} in RDX",
            seen="firmware is laid out for one processor, and may run on another",
            unlikely=2 * unlikely,
            change=signature,
        )
        for signature, unlikely in known_signatures().items()
    ),
)


def _says(gpa: int) -> Callable[[int], int]:
    return lambda _own: gpa


def _own_gpa(own: int) -> int:
    return own


VMSA_GPA_AXIS = Axis(
    name="vmsa-gpa",
    about="the guest physical address that a VMSA is measured at (from that of its context in the "
    "file, or of the first, to another)",
    choices=(
        Choice(
            value="file",
            words="VMSAs are measured at the addresses that the file says",
            seen="hosts that import VMSAs as pages (coconut-svsm pull 1209)",
            unlikely=4,
            change=_own_gpa,
            platforms=(PlatformType.SEV_SNP,),
        ),
        *(
            Choice(
                value=f"{bits}-bit",
                words=f"VMSAs are measured at {(1 << bits) - 0x1000:#x}, the last page of {bits} "
                "bits",
                seen=seen,
                unlikely=unlikely,
                change=_says((1 << bits) - 0x1000),
                platforms=(PlatformType.SEV_SNP,),
            )
            for bits, unlikely, seen in (
                (48, 4, "KVM, whatever the file says; Google's hypervisor on Milan"),
                (
                    52,
                    4,
                    (
                        "Google's hypervisor from Genoa on (gce-tcb-verifier, sev/measurement.go; "
                        "coconut-svsm issue 433)"
                    ),
                ),
                (
                    51,
                    8,
                    (
                        "KVM's first SNP series on Genoa, where the RMP keeps bits 12 to 50 "
                        "(coconut-svsm issue 22)"
                    ),
                ),
            )
        ),
    ),
)


def _nothing(_index: int, _own: Collection[int]) -> int | None:
    return None


def _nobodys(_index: int, _own: Collection[int]) -> int | None:
    return None


def _the_first(_index: int, own: Collection[int]) -> int | None:
    return 0 if 0 in own else None


def _the_last(index: int, own: Collection[int]) -> int | None:
    if index in own:
        return index
    before = next(number for number in range(index + 1) if number not in own) - 1
    return before if before >= 0 else None


CONTEXTS_AXIS = Axis(
    name="contexts",
    about="which context of the file each vCPU starts from (from the number of a vCPU and those "
    "that have one, to such a number, or None for the reset state)",
    choices=(
        Choice(
            value="reset",
            unlikely=8,
            words="the contexts of the file are not used",
            seen="a VMM that takes the pages of a file alone",
            change=_nobodys,
        ),
        Choice(
            value="last",
            unlikely=4,
            words="the vCPUs after the last context start as it says",
            seen="VMMs that read contexts into one variable",
            change=_the_last,
        ),
        Choice(
            value="copies",
            unlikely=8,
            words="every vCPU starts with the context of vCPU 0",
            seen="VMMs that start all vCPUs alike",
            change=_the_first,
        ),
        Choice(
            value="none",
            words="no VMSA is measured",
            seen="digests that are taken of the pages alone",
            unlikely=2,
            change=_nothing,
        ),
    ),
)

NOBODY = "none"
"""The VMM of contexts that are measured as they are in the file."""

VMM_AXIS = Axis(
    name="vmm",
    about="who hands the contexts of the file to KVM, last (a name of a loader's program, or of a "
    "cloud, which starts each vCPU in real mode where the context says)",
    choices=(
        Choice(
            value=NOBODY,
            words="the VMSAs are those of the file as they are",
            seen="igvmmeasure; hosts that import VMSAs",
        ),
        *(
            Choice(
                value=name,
                words=f"KVM builds the VMSAs, last, as for {title}",
                seen=f"{title} on KVM",
            )
            for name, title in (
                ("qemu", "QEMU"),
                ("cloud-hypervisor", "Cloud Hypervisor"),
                ("openvmm", "OpenVMM"),
            )
        ),
        Choice(
            value="ec2",
            words="the VMSAs are Amazon EC2's: SS, TR and the first CS as KVM resets them, no FPU",
            seen="EC2 (virtee/sev-snp-measure, --vmm-type ec2)",
        ),
        Choice(
            value="gce",
            words="the VMSAs are Google Compute Engine's: its own PAT, no FPU",
            seen="Google Compute Engine (gce-tcb-verifier, sev/ld_from_ovmf.go)",
        ),
    ),
)

VMSA_AXES = (VMM_AXIS, CONTEXTS_AXIS, FPU_AXIS, RDX_AXIS, VMSA_GPA_AXIS)
"""What hosts vary about VMSAs, whatever the loader."""


def context_of(index: int, own: Collection[int], host: Host) -> int | None:
    """Which of the contexts `own` vCPU `index` starts from; None for the reset state.

    Raises:
        ValidationError: `host` has no such way.
    """
    if CONTEXTS_AXIS.name not in host:
        return index if index in own else None
    number: int | None = CONTEXTS_AXIS.choice(host[CONTEXTS_AXIS.name]).change(index, own)
    return number


def own_vmsa(vmsa: SEVVMSA, features: int, vmm: VMM, host: Host) -> SEVVMSA:
    """What KVM measures for a vCPU that `vmm` started from the context `vmsa`.

    Raises:
        ValidationError: an axis has no such value as `host` says.
    """
    if RDX_AXIS.name in host and has_signature(vmsa):
        value = host[RDX_AXIS.name]
        is_said = value[:1].isdigit() or value.lower().startswith(HOST)
        vmsa = vmsa.replace(rdx=signature_of(value) if is_said else _named(value))
    return _with_fpu(kvm_vmsa(vmsa, features, vmm), vmsa, host)


def reset_vmsa_of(
    signature: int, features: int, vmm: VMM, host: Host, start: int = RESET_VECTOR
) -> SEVVMSA:
    """What KVM measures for a vCPU without a context, which starts at `start`.

    Raises:
        ValidationError: an axis has no such value as `host` says.
    """
    return _with_fpu(vmm.reset(signature, features, start), None, host)


def _named(value: str) -> int:
    signature: int = RDX_AXIS.choice(value).change
    return signature


def _with_fpu(made: SEVVMSA, own: SEVVMSA | None, host: Host) -> SEVVMSA:
    if FPU_AXIS.name not in host:
        return made
    changed: SEVVMSA = FPU_AXIS.choice(host[FPU_AXIS.name]).change(made, own)
    return changed


def vmsa_gpa(own: int, host: Host, default: int = VMSA_GPA) -> int:
    """Where a VMSA is measured.

    Args:
        own: what the file says of its context.
        host: what the host does otherwise.
        default: where it is measured if the host does not say.

    Raises:
        ValidationError: the axis has no such value as `host` says.
    """
    if VMSA_GPA_AXIS.name not in host:
        return default
    gpa: int = VMSA_GPA_AXIS.choice(host[VMSA_GPA_AXIS.name]).change(own)
    return gpa


def has_signature(vmsa: SEVVMSA) -> bool:
    """Whether a context starts in real mode and has a CPU signature in RDX, or nothing yet."""
    return not vmsa.cr0 & 1 and vmsa.rdx in known_signatures()
