"""Virtual processors as KVM starts them: contexts of the file rewritten, the others in reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.kvm import VMSA_GPA, kvm_vmsa, signature_of
from igvm.launch.plan import Operation, row_dtype
from igvm.launch.profiles.profile import need, refusal
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.kvm import VMM
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.profiles.profile import Request

MOST_VCPUS = 1 << 16


def without_contexts(plan: LaunchPlan) -> LaunchPlan:
    """`plan` without the contexts of the file."""
    return plan.with_rows(plan.rows[plan.rows["operation"] != Operation.VP_CONTEXT])


def kvm_contexts(
    plan: LaunchPlan, draft: Draft, request: Request, profile: str, vmm: VMM
) -> LaunchPlan:
    """`plan` with one VMSA for every vCPU at its end, as KVM builds and measures them.

    Args:
        plan: a plan without contexts.
        draft: what the file asks for.
        request: vcpus; cpu, where `vmm` resets a vCPU that has no context in the file;
            sev_features.
        profile: who asks, for messages.
        vmm: how contexts get to KVM.

    Raises:
        MeasurementError: something is missing, or `vmm` refuses a context.
    """
    import numpy as np

    vcpus = need(
        request.vcpus, "the number of vCPUs", "vcpus (--vcpus)",
        "KVM measures a VMSA for each, and the file does not say how many there are", profile,
    )  # fmt: skip
    if not 0 < vcpus <= MOST_VCPUS:
        raise MeasurementError(f"{vcpus} is no number of vCPUs")
    own = _own(draft, vcpus, vmm)
    features = _features(draft, own, request)
    assumed = [f"{vcpus} vCPU{'s' if vcpus > 1 else ''}, as asked for"]
    made: dict[bytes, int] = {}
    rows = np.zeros(vcpus, row_dtype())
    rows["operation"], rows["gpa"], rows["pages"] = Operation.VP_CONTEXT, VMSA_GPA, 1
    rows["vp_index"] = np.arange(vcpus)
    rows["header"] = -1
    reset = b""
    for index in range(vcpus):
        if index in own:
            rows["header"][index], vmsa = own[index]
            page = kvm_vmsa(vmsa, features, vmm).pack()
        else:
            page = reset = reset or _reset(request, features, profile, vmm)
        rows["source"][index] = -2 - len(plan.blobs) - made.setdefault(page, len(made))
    assumed.append(f"SEV_FEATURES {features:#x} on every vCPU")
    if own:
        assumed.append(
            f"KVM builds the VMSA anew from what {vmm.name} takes over of the file's: "
            "EFER.SVME and CR4.MCE set, CR0.CD and NW clear"
        )
    if reset:
        signature = signature_of(request.cpu or 0) if vmm.own_reset else 0x600
        assumed.append(f"vCPUs without a context start in reset, CPU signature {signature:#x}")
    if draft.platform == PlatformType.SEV_ES:
        assumed.append("the VM has KVM's type for SEV-ES (Linux 6.10), which measures the FPU")
    return msgspec.structs.replace(
        plan,
        rows=np.concatenate([plan.rows, rows]),
        blobs=(*plan.blobs, *made),
        assumptions=(*plan.assumptions, *assumed),
    )


def _own(draft: Draft, vcpus: int, vmm: VMM) -> dict[int, tuple[int, SEVVMSA]]:
    """The contexts of the file by vCPU, in file order; of several for one vCPU the last counts."""
    found: dict[int, tuple[int, SEVVMSA]] = {}
    known: dict[int, tuple[SEVVMSA, list[str]]] = {}
    for row in draft.rows[draft.of(HeaderType.VP_CONTEXT)]:
        index, header, source = int(row["vp_index"]), int(row["header"]), int(row["source"])
        if source not in known:
            vmsa = SEVVMSA.unpack_from(draft.file.buffer, source)
            known[source] = vmsa, vmm.refused(vmsa)
        vmsa, refused = known[source]
        if refused:
            raise refusal(draft, header, f"{vmm.name} refuses this {refused[0]}", refused[0])
        if vmm.fixed_gpa and row["gpa"] != VMSA_GPA:
            message = f"{vmm.name} wants a VMSA at {VMSA_GPA:#x}, where KVM has it"
            raise refusal(draft, header, message, "gpa")
        if index < vcpus:
            found.pop(index, None)
            found[index] = header, vmsa
        elif vmm.dropped is not None:
            message = f"the context is for vCPU {index} and there are {vcpus}"
            raise refusal(draft, header, message, "vp_index")
    return found


def _features(draft: Draft, own: dict[int, tuple[int, SEVVMSA]], request: Request) -> int:
    """SEV_FEATURES of the guest: as asked for, else those of the file's last context.

    KVM has one value for all vCPUs and sets the SNP bit itself. (Cloud Hypervisor takes it from
    the first context of vCPU 0, QEMU from the last it meets; both want them equal.)
    """
    features = request.sev_features
    if features is None:
        features = int(list(own.values())[-1][1].sev_features) if own else 0
    snp = draft.platform == PlatformType.SEV_SNP
    return features | int(SEVFeatures.SNP) if snp else features


def _reset(request: Request, features: int, profile: str, vmm: VMM) -> bytes:
    """The VMSA of a vCPU without a context."""
    cpu: str | int = 0
    if vmm.own_reset:
        cpu = need(
            request.cpu, "the processor model", "cpu (--cpu)",
            "a vCPU without a context in the file starts with its CPU signature in RDX", profile,
        )  # fmt: skip
    return vmm.reset(signature_of(cpu), features).pack()
