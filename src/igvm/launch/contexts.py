"""Virtual processors as KVM starts them: contexts of the file rewritten, the others in reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import MeasurementError
from igvm.launch.kvm import VMSA_GPA, kvm_vmsa, refused_fields, reset_vmsa, signature_of
from igvm.launch.plan import Operation, row_dtype
from igvm.launch.profiles.profile import need
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.launch.draft import Draft
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.profiles.profile import Request

MOST_VCPUS = 1 << 16


def without_contexts(plan: LaunchPlan) -> LaunchPlan:
    """`plan` without the contexts of the file."""
    return plan.with_rows(plan.rows[plan.rows["operation"] != Operation.VP_CONTEXT])


def kvm_contexts(
    plan: LaunchPlan, draft: Draft, request: Request, profile: str, *, whole: bool = False
) -> LaunchPlan:
    """`plan` with one VMSA for every vCPU at its end, as KVM builds and measures them.

    Args:
        plan: a plan without contexts.
        draft: what the file asks for.
        request: vcpus; cpu, where a vCPU has no context in the file; sev_features.
        profile: who asks, for messages.
        whole: measure the file's contexts as they are.

    Raises:
        MeasurementError: something is missing, or QEMU refuses a context.
    """
    import numpy as np

    vcpus = need(
        request.vcpus, "the number of vCPUs", "vcpus (--vcpus)",
        "KVM measures a VMSA for each, and the file does not say how many there are", profile,
    )  # fmt: skip
    if not 0 < vcpus <= MOST_VCPUS:
        raise MeasurementError(f"{vcpus} is no number of vCPUs")
    own = _own(draft, vcpus)
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
            header, vmsa = own[index]
            rows["header"][index] = header
            page = (vmsa if whole else kvm_vmsa(vmsa, features)).pack()
        else:
            if not reset:
                reset = _reset(request, features, profile)
            page = reset
        rows["source"][index] = -2 - len(plan.blobs) - made.setdefault(page, len(made))
    assumed.append(f"SEV_FEATURES {features:#x} on every vCPU")
    if own and not whole:
        assumed.append("KVM rebuilds the VMSA: EFER.SVME and CR4.MCE set, CR0.CD and NW clear")
    if reset:
        signature = signature_of(request.cpu or 0)
        assumed.append(f"vCPUs without a context start in reset, CPU signature {signature:#x}")
    return msgspec.structs.replace(
        plan,
        rows=np.concatenate([plan.rows, rows]),
        blobs=(*plan.blobs, *made),
        assumptions=(*plan.assumptions, *assumed),
    )


def _own(draft: Draft, vcpus: int) -> dict[int, tuple[int, SEVVMSA]]:
    """The contexts of the file by vCPU; of several for one vCPU the last counts."""
    found: dict[int, tuple[int, SEVVMSA]] = {}
    for row in draft.rows[draft.of(HeaderType.VP_CONTEXT)]:
        index, header = int(row["vp_index"]), int(row["header"])
        vmsa = SEVVMSA.unpack_from(draft.file.buffer, int(row["source"]))
        where = draft.file.header(header)
        if index >= vcpus:
            raise MeasurementError(
                f"the context is for vCPU {index} and there are {vcpus}",
                path=draft.file.path, offset=where.offset, header=where.name, field="vp_index",
            )  # fmt: skip
        refused = refused_fields(vmsa)
        if refused:
            raise MeasurementError(
                f"the loader refuses a VMSA whose {refused[0]} is not zero",
                path=draft.file.path, offset=where.offset, header=where.name, field=refused[0],
            )  # fmt: skip
        found[index] = header, vmsa
    return found


def _features(draft: Draft, own: dict[int, tuple[int, SEVVMSA]], request: Request) -> int:
    """SEV_FEATURES of the guest: as asked for, else those of the file, else SNP alone."""
    if request.sev_features is not None:
        return request.sev_features
    if own:
        return int(own[min(own)][1].sev_features)
    return int(SEVFeatures.SNP) if draft.platform == PlatformType.SEV_SNP else 0


def _reset(request: Request, features: int, profile: str) -> bytes:
    cpu = need(
        request.cpu, "the processor model", "cpu (--cpu)",
        "a vCPU without a context in the file starts with its CPU signature in RDX", profile,
    )  # fmt: skip
    return reset_vmsa(signature_of(cpu), features).pack()
