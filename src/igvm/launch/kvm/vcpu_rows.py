"""Virtual processors as KVM starts them: contexts of the file rewritten, the others in reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.errors import ValidationError
from igvm.file.record_places import RecordPlaces
from igvm.launch.kvm.refusals import kvm_refusals, vmm_refusals
from igvm.launch.kvm.vmsa_axes import (
    CONTEXTS_AXIS,
    FPU_AXIS,
    NOBODY,
    VMM_AXIS,
    VMSA_AXES,
    VMSA_GPA_AXIS,
    context_of,
    own_vmsa,
    reset_vmsa_of,
    vmsa_gpa,
)
from igvm.launch.kvm.vmsa_rewriting import CR0_PE, RESET_VECTOR, VMSA_GPA
from igvm.launch.plan import Refusal, blank_rows, made_source
from igvm.launch.processors import signature_of
from igvm.launch.shaping import appended, assuming, needing
from igvm.spec.enums import PlatformType
from igvm.spec.operations import Operation
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.launch.axes import Host
    from igvm.launch.kvm.vmm import VMM
    from igvm.launch.plan import LaunchPlan
    from igvm.launch.request import PlanRequest

MOST_VCPUS = 1 << 16
MOST_CONTEXTS = 4096
"""vCPUs with contexts of their own; KVM has no more (Linux, arch/x86/kvm/Kconfig)."""

_NO_COUNT = (
    "the number of vCPUs must be known: KVM measures a VMSA for each, and the file does not say "
    "how many there are"
)
_NO_CPU = (
    "the processor model must be known: a vCPU without a context in the file starts with its CPU "
    "signature in RDX"
)


def with_kvm_contexts(
    plan: LaunchPlan,
    request: PlanRequest,
    vmm: VMM | None,
    *,
    ap_start: int | None = RESET_VECTOR,
) -> LaunchPlan:
    """`plan` with one VMSA for every vCPU at its end, as KVM builds and measures them.

    The contexts of the file leave their place. Where it is not known how many vCPUs there are, or
    what processor those without a context have, the plan says what is missing and has the
    contexts of the file alone.

    Args:
        plan: a plan with the contexts of the file.
        request: vcpus; cpu, where `vmm` resets a vCPU that has no context in the file;
            sev_features.
        vmm: how contexts get to KVM, where `request` does not say otherwise.
        ap_start: where vCPUs without a context start but for the first; None where it
            is not known.

    Raises:
        ValidationError: there cannot be so many vCPUs, or there is no such processor.
    """
    import numpy as np

    vcpus = request.vcpus
    if vcpus is not None and not 0 < vcpus <= MOST_VCPUS:
        raise ValidationError(f"{vcpus} is no number of vCPUs")
    if request.host.get(CONTEXTS_AXIS.name) == NOBODY:
        where = plan.of(Operation.VP_CONTEXT)
        return plan.unmeasured(where, "the host measures no VMSA")
    if request.host.get(VMM_AXIS.name) == NOBODY:
        return with_file_contexts(plan, request)
    vmm = request.vmm or vmm
    if vmm is None:
        raise ValidationError("nobody is named who hands contexts to KVM")
    is_context = plan.of(Operation.VP_CONTEXT) & (plan.rows["loaded"] > 0)
    plan = _refusing(plan, vmm, request.host)
    contexts = plan.rows[is_context]
    if plan.refusals:
        return plan
    own = _own(contexts)
    features = guest_features(plan, contexts, request.sev_features, vmm)
    indices = sorted(own) if vcpus is None else range(vcpus)
    if vcpus is None:
        plan = needing(plan, "vcpus", _NO_COUNT)
    starts = {index: context_of(index, own, request.host) for index in indices}
    used = {own[start] for start in starts.values() if start is not None}
    if len(used) > MOST_CONTEXTS:
        message = (
            f"the file has contexts for {len(used):,} vCPUs, and KVM has {MOST_CONTEXTS:,} at most"
        )
        return plan.refusing(Refusal(message))
    plan = _passed_over(plan, is_context, used, vmm, vcpus)
    if plan.refusals:
        return plan
    kept = ~is_context
    kept[is_context] = ~np.isin(np.arange(len(contexts)), list(used))
    if not kept.all():
        plan = plan.with_rows(plan.rows[kept])
    rows = blank_rows(len(indices))
    rows["operation"], rows["pages"] = Operation.VP_CONTEXT, 1
    rows["loaded"], rows["measured"] = 1, True
    rows["vp_index"] = indices
    numbers: dict[bytes, int] = {}
    resets: dict[int, bytes] = {}
    made: dict[int, bytes] = {}
    first_gpa = int(contexts["gpa"][0]) if len(contexts) else VMSA_GPA
    for row, (index, start) in enumerate(starts.items()):
        own_gpa = first_gpa if start is None else int(contexts["gpa"][own[start]])
        rows["gpa"][row] = vmsa_gpa(own_gpa, request.host)
        if start is not None:
            for name in ("header", "header_type", "flags"):
                rows[name][row] = contexts[name][own[start]]
            if start not in made:
                source = int(contexts["source"][own[start]])
                vmsa = SEVVMSA.unpack_from(plan.file.buffer, source)
                made[start] = own_vmsa(vmsa, features, vmm, request.host).pack()
            page = made[start]
        else:
            eip = ap_start if index else RESET_VECTOR
            if eip is None:
                message = "the firmware does not say where vCPUs but the first start"
                return plan.refusing(Refusal(message, hint="it can have one vCPU"))
            if eip not in resets:
                plan, resets[eip] = _reset(plan, request, features, vmm, eip)
            page = resets[eip]
        rows["source"][row] = made_source(plan, numbers.setdefault(page, len(numbers)))
    plan = appended(plan, rows, tuple(numbers))
    sentences = _assumptions(plan, request, features, vmm, is_used=bool(used), starts=[*resets])
    return assuming(plan, *sentences)


def with_hosts_contexts(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """`plan` of a loader that measures VMSAs as they are, on a host that does something else.

    Raises:
        ValidationError: `request` says what VMSAs are like that KVM builds, and not for whom.
    """
    import numpy as np

    if VMM_AXIS.name in request.host:
        is_other = plan.file.masks[plan.rows["header"]] & np.uint32(plan.mask) == 0
        is_other &= plan.of(Operation.VP_CONTEXT)
        plan = plan.unmeasured(is_other, "it is for another platform")
        plan = plan.loading(is_other, 0, "it is for another platform")
        return with_kvm_contexts(plan, request, None)
    if request.host.get(CONTEXTS_AXIS.name) == NOBODY:
        where = plan.of(Operation.VP_CONTEXT)
        return plan.unmeasured(where, "the host measures no VMSA")
    plan = _at_another_gpa(plan, request)
    others = (axis for axis in VMSA_AXES if axis is not VMSA_GPA_AXIS)
    named = next((axis.name for axis in others if axis.name in request.host), None)
    if named is not None:
        message = f"loader {plan.loader} measures VMSAs as they are: {named} needs a vmm"
        raise ValidationError(message)
    return plan


def with_file_contexts(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """`plan` with the contexts of the file at its end, measured as they are.

    Args:
        plan: a plan with the contexts of the file.
        request: vcpus, where there are fewer than contexts; sev_features, where not theirs.
    """
    import numpy as np

    plan = _at_another_gpa(plan, request)
    is_context = plan.of(Operation.VP_CONTEXT) & (plan.rows["loaded"] > 0)
    rows = np.concatenate([plan.rows[~is_context], plan.rows[is_context]])
    plan = plan.with_rows(rows)
    first = len(rows) - int(is_context.sum())
    if request.vcpus is not None:
        beyond = np.arange(len(rows)) >= first + request.vcpus
        plan = plan.unmeasured(beyond, "the host does not measure it")
    if request.sev_features is None:
        return plan
    rows = plan.rows.copy()
    blobs: list[bytes] = []
    for index in range(first, len(rows)):
        page = plan.content(int(rows["source"][index]))
        vmsa = SEVVMSA.unpack_from(page)
        rows["source"][index] = made_source(plan, len(blobs))
        blobs.append(vmsa.replace(sev_features=SEVFeatures(request.sev_features)).pack())
    return plan.with_rows(rows, blobs=(*plan.blobs, *blobs))


def _at_another_gpa(plan: LaunchPlan, request: PlanRequest) -> LaunchPlan:
    """`plan` with the contexts of the file where the host has VMSAs measured, if it says so."""
    if VMSA_GPA_AXIS.name not in request.host:
        return plan
    where = plan.of(Operation.VP_CONTEXT)
    rows = plan.rows.copy()
    rows["gpa"][where] = [vmsa_gpa(own, request.host) for own in rows["gpa"][where].tolist()]
    return plan.with_rows(rows)


def _refusing(plan: LaunchPlan, vmm: VMM, host: Host) -> LaunchPlan:
    """`plan` with refusals of the contexts that `vmm` or KVM does not take."""
    import numpy as np

    is_context = plan.of(Operation.VP_CONTEXT) & (plan.rows["loaded"] > 0)
    contexts = plan.rows[is_context]
    if not len(contexts):
        return plan
    vmsas = RecordPlaces(plan.file.buffer, SEVVMSA, contexts["source"])
    if vmm.start is not None:
        protected = vmsas["cr0"] & np.uint64(CR0_PE) != 0
        message = f"{vmm.name} starts vCPUs in real mode only"
        return _refused(plan, is_context, protected, message, "cr0")
    is_snp = plan.platform == PlatformType.SEV_SNP
    for refusal in vmm_refusals(vmsas, vmm, is_snp=is_snp):
        plan = _refused(plan, is_context, refusal.where, refusal.message, refusal.field)
    for refusal in kvm_refusals(vmsas, vmm):
        message = f"KVM refuses it: {refusal.message}"
        plan = _refused(plan, is_context, refusal.where, message, refusal.field)
    if vmm.fixed_gpa and VMSA_GPA_AXIS.name not in host:
        elsewhere = contexts["gpa"] != np.uint64(VMSA_GPA)
        message = f"{vmm.name} wants a VMSA at {VMSA_GPA:#x}, where KVM has it"
        plan = _refused(plan, is_context, elsewhere, message, "gpa")
    return plan


def _refused(
    plan: LaunchPlan,
    is_context: NDArray[np.bool_],
    where: NDArray[np.bool_],
    message: str,
    field: str,
) -> LaunchPlan:
    """`plan` with a refusal of those of its contexts at which `where` holds."""
    if not where.any():
        return plan
    rows = is_context.copy()
    rows[is_context] = where
    return plan.refused(rows, message, field)


def _own(contexts: NDArray[np.void]) -> dict[int, int]:
    """Which of `contexts` counts for each vCPU: of several for one the last."""
    return {index: row for row, index in enumerate(contexts["vp_index"].tolist())}


def _passed_over(
    plan: LaunchPlan,
    is_context: NDArray[np.bool_],
    used: set[int],
    vmm: VMM,
    vcpus: int | None,
) -> LaunchPlan:
    """`plan` with reasons for the contexts of the file that no vCPU gets."""
    import numpy as np

    rows = is_context.copy()
    rows[is_context] = ~np.isin(np.arange(int(is_context.sum())), list(used))
    if not rows.any():
        return plan
    beyond = rows & (plan.rows["vp_index"] >= (MOST_VCPUS if vcpus is None else vcpus))
    if vmm.dropped is not None and beyond.any():
        index = int(plan.rows["vp_index"][beyond][0])
        message = f"the context is for vCPU {index} and there are {vcpus}"
        plan = plan.refused(beyond, message, "vp_index")
    plan = plan.unmeasured(beyond, "there is no such vCPU")
    plan = plan.unmeasured(rows & ~beyond, "another context for the vCPU follows")
    return plan.loading(rows, 0, "the context is passed over")


def guest_features(
    plan: LaunchPlan, contexts: NDArray[np.void], asked_for: int | None, vmm: VMM
) -> int:
    """SEV_FEATURES of the guest: as asked for, else those of vCPU 0's context.

    KVM has one value for all vCPUs and sets the SNP bit itself. Of several contexts for vCPU 0
    QEMU takes it from the last (target/i386/sev.c, cgs_set_guest_state), and Cloud Hypervisor
    from the first (igvm_loader.rs, extract_sev_features).
    """
    features = asked_for
    if features is None:
        sources = contexts["source"][contexts["vp_index"] == 0]
        features = 0
        if len(sources):
            source = int(sources[0 if vmm.first_features else -1])
            features = int(SEVVMSA.unpack_from(plan.file.buffer, source).sev_features)
    is_snp = plan.platform == PlatformType.SEV_SNP
    return features | int(SEVFeatures.SNP) if is_snp else features


def _reset(
    plan: LaunchPlan, request: PlanRequest, features: int, vmm: VMM, start: int
) -> tuple[LaunchPlan, bytes]:
    """The VMSA of a vCPU without a context, and the plan that says what it rests on."""
    signature = 0
    if vmm.own_reset:
        if request.cpu is None:
            plan = needing(plan, "cpu", _NO_CPU)
        else:
            signature = signature_of(request.cpu)
    return plan, reset_vmsa_of(signature, features, vmm, request.host, start).pack()


def vcpus_asked_for(count: int) -> str:
    """The sentence about the number of vCPUs."""
    return f"{count} vCPU{'s' if count > 1 else ''}, as asked for"


def _assumptions(
    plan: LaunchPlan,
    request: PlanRequest,
    features: int,
    vmm: VMM,
    *,
    is_used: bool,
    starts: list[int],
) -> list[str]:
    """What the contexts rest on, one sentence each.

    Args:
        plan: what they are for.
        request: what was asked for.
        features: SEV_FEATURES of the guest.
        vmm: who hands them to KVM.
        is_used: whether there are some of the file.
        starts: where vCPUs without one start.
    """
    vcpus = request.vcpus
    sentences = []
    if vcpus is not None:
        sentences.append(vcpus_asked_for(vcpus))
    sentences.append(f"SEV_FEATURES {features:#x} on every vCPU")
    if is_used and vmm.start is not None:
        sentences.append(f"{vmm.name} starts each vCPU in real mode where its context says")
    elif is_used:
        sentences.append(
            f"KVM builds the VMSA anew from what {vmm.name} takes over of the file's: "
            "EFER.SVME and CR4.MCE set, CR0.CD and NW clear"
            + (", MXCSR and FCW as after a reset" if vmm.has_cpu_model else "")
        )
    if starts:
        signature = signature_of(request.cpu or 0) if vmm.own_reset else 0x600
        sentence = f"vCPUs without a context start in reset, CPU signature {signature:#x}"
        others = [start for start in starts if start != RESET_VECTOR]
        sentence += f", all but the first at {others[0]:#x}" if others else ""
        sentences.append(sentence)
    if plan.platform == PlatformType.SEV_ES and not {FPU_AXIS.name, VMM_AXIS.name} & {
        *request.host
    }:
        sentences.append(
            "the FPU is measured, as with legacy-vm-type=off; with QEMU's default it is zeroes"
        )
    return sentences
