"""Virtual processors as KVM starts them: contexts of the file rewritten, the others in reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.kvm import VMSA_GPA, kvm_refuses, kvm_vmsa
from igvm.launch.plan import Operation, row_dtype
from igvm.launch.processor import signature_of
from igvm.launch.loaders.loader import need, refusal
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.kvm import VMM
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.loaders.loader import Request

MOST_VCPUS = 1 << 16


def without_contexts(plan: LaunchPlan) -> LaunchPlan:
    """`plan` without the contexts of the file."""
    return plan.with_rows(plan.rows[plan.rows["operation"] != Operation.VP_CONTEXT])


def kvm_contexts(
    plan: LaunchPlan, draft: Draft, request: Request, loader: str, vmm: VMM
) -> LaunchPlan:
    """`plan` with one VMSA for every vCPU at its end, as KVM builds and measures them.

    Args:
        plan: a plan without contexts.
        draft: what the file asks for.
        request: vcpus; cpu, where `vmm` resets a vCPU that has no context in the file;
            sev_features.
        loader: who asks, for messages.
        vmm: how contexts get to KVM.

    Raises:
        MeasurementError: something is missing, or `vmm` or KVM refuses a context.
    """
    import numpy as np

    vcpus = need(
        request.vcpus, "the number of vCPUs", "vcpus",
        "KVM measures a VMSA for each, and the file does not say how many there are", loader,
    )  # fmt: skip
    if not 0 < vcpus <= MOST_VCPUS:
        raise MeasurementError(f"{vcpus} is no number of vCPUs")
    own = _own(draft, vcpus, vmm)
    features = _features(draft, request, vmm)
    assumed = [vcpus_asked_for(vcpus)]
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
            page = reset = reset or _reset(request, features, loader, vmm)
        rows["source"][index] = -2 - len(plan.blobs) - made.setdefault(page, len(made))
    assumed.append(f"SEV_FEATURES {features:#x} on every vCPU")
    if own:
        assumed.append(
            f"KVM builds the VMSA anew from what {vmm.name} takes over of the file's: "
            "EFER.SVME and CR4.MCE set, CR0.CD and NW clear"
            + (", MXCSR and FCW as after a reset" if vmm.is_qemu else "")
        )
    if reset:
        signature = signature_of(request.cpu or 0) if vmm.own_reset else 0x600
        assumed.append(f"vCPUs without a context start in reset, CPU signature {signature:#x}")
    if draft.platform == PlatformType.SEV_ES:
        assumed.append(
            "the FPU is measured, as with legacy-vm-type=off; with QEMU's default it is zeroes"
        )
    return msgspec.structs.replace(
        plan,
        rows=np.concatenate([plan.rows, rows]),
        blobs=(*plan.blobs, *made),
        assumptions=(*plan.assumptions, *assumed),
    )


def vcpus_asked_for(vcpus: int) -> str:
    """The assumption that a guest has `vcpus` vCPUs."""
    return f"{vcpus} vCPU{'s' if vcpus > 1 else ''}, as asked for"


def _own(draft: Draft, vcpus: int, vmm: VMM) -> dict[int, tuple[int, SEVVMSA]]:
    """The contexts of the file by vCPU; of several for one vCPU the last counts."""
    found: dict[int, tuple[int, SEVVMSA]] = {}
    known: dict[int, tuple[SEVVMSA, tuple[str, str] | None]] = {}
    for row in draft.rows[draft.of(HeaderType.VP_CONTEXT)]:
        index, header, source = int(row["vp_index"]), int(row["header"]), int(row["source"])
        if source not in known:
            vmsa = SEVVMSA.unpack_from(draft.file.buffer, source)
            known[source] = vmsa, _refused(draft, vmsa, vmm)
        vmsa, refused = known[source]
        if refused is not None:
            raise refusal(draft, header, refused[1], refused[0])
        if vmm.fixed_gpa and row["gpa"] != VMSA_GPA:
            message = f"{vmm.name} wants a VMSA at {VMSA_GPA:#x}, where KVM has it"
            raise refusal(draft, header, message, "gpa")
        if index < vcpus:
            found[index] = header, vmsa
        elif vmm.dropped is not None:
            message = f"the context is for vCPU {index} and there are {vcpus}"
            raise refusal(draft, header, message, "vp_index")
    return found


def _refused(draft: Draft, vmsa: SEVVMSA, vmm: VMM) -> tuple[str, str] | None:
    """The field for which `vmm` or KVM refuses a context, and why; None if neither does."""
    fields = vmm.refused(vmsa)
    if fields:
        return fields[0], f"{vmm.name} refuses this {fields[0]}"
    snp = draft.platform == PlatformType.SEV_SNP
    if vmm.is_strict and bool(vmsa.sev_features & SEVFeatures.SNP) is not snp:
        wants = "the SNP bit" if snp else "no SNP bit"
        return "sev_features", f"{vmm.name} wants {wants} in it on {draft.platform.name}"
    found = kvm_refuses(vmsa, vmm)
    return None if found is None else (found[0], f"KVM refuses it: {found[1]}")


def _features(draft: Draft, request: Request, vmm: VMM) -> int:
    """SEV_FEATURES of the guest: as asked for, else those of vCPU 0's context.

    KVM has one value for all vCPUs and sets the SNP bit itself. Of several contexts for vCPU 0
    QEMU takes it from the last (target/i386/sev.c, cgs_set_guest_state), and Cloud Hypervisor
    from the first (igvm_loader.rs, extract_sev_features).
    """
    features = request.sev_features
    if features is None:
        rows = draft.rows[draft.of(HeaderType.VP_CONTEXT) & (draft.rows["vp_index"] == 0)]
        features = 0
        if len(rows):
            source = int(rows["source"][-1 if vmm.is_qemu else 0])
            features = int(SEVVMSA.unpack_from(draft.file.buffer, source).sev_features)
    snp = draft.platform == PlatformType.SEV_SNP
    return features | int(SEVFeatures.SNP) if snp else features


def _reset(request: Request, features: int, loader: str, vmm: VMM) -> bytes:
    """The VMSA of a vCPU without a context."""
    cpu: str | int = 0
    if vmm.own_reset:
        cpu = need(
            request.cpu, "the processor model", "cpu",
            "a vCPU without a context in the file starts with its CPU signature in RDX", loader,
        )  # fmt: skip
    return vmm.reset(signature_of(cpu), features).pack()
