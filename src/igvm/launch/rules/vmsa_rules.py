"""The VMSAs of SEV-SNP, as loaders on KVM and MSHV take them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.rule import Many
from igvm.launch.kvm.refusals import bytes_outside
from igvm.launch.kvm.vmm import FPU
from igvm.launch.kvm.vmsa_rewriting import VMSA_GPA
from igvm.launch.lint.inspected_launch import run_dtype
from igvm.launch.lint.launched_contexts import contexts_of
from igvm.launch.programs.openvmm import start_refusals
from igvm.launch.rules.address_rules import is_outside
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.kvm.vmm import VMM
    from igvm.launch.lint.inspected_launch import InspectedLaunch
    from igvm.launch.lint.launched_contexts import LaunchedContexts


def vmsas(inspected: InspectedLaunch) -> LaunchedContexts:
    """The VMSAs of the file, where SEV_SNP is what is started."""
    return contexts_of(inspected, PlatformType.SEV_SNP, SEVVMSA)


def _reset_values(vmm: VMM) -> dict[str, int]:
    """Registers that `vmm` does not set, and what KVM resets them to where that is not zero."""
    reset = vmm.reset(0, 0)
    names = [item.name for item in SEVVMSA.FIELDS if item.name not in vmm.passed]
    values = {name: getattr(reset, name) for name in names}
    return {name: int(value) for name, value in values.items() if isinstance(value, int) and value}


def vmsa_gpa(inspected: InspectedLaunch) -> Found:
    """KVM makes the VMSAs itself and measures them at that address."""
    rows = inspected.of(HeaderType.VP_CONTEXT)
    wrong = rows["gpa"] != VMSA_GPA
    if inspected.platform == PlatformType.SEV_SNP and wrong.any():
        yield Many(rows["header"][wrong], "gpa")


def ram_vmsa_gpa(inspected: InspectedLaunch) -> Found:
    """On KVM there is memory at 0xfffffffff000, so one file serves QEMU and OpenVMM too.

    On MSHV there is none, and the VMSAs of all vCPUs are looked for where the file says.
    """
    import numpy as np

    rows = inspected.of(HeaderType.VP_CONTEXT)
    if inspected.loader.vmm is not None:
        rows = rows[rows["vp_index"] == 0]
    runs = np.zeros(len(rows), run_dtype())
    runs["first"], runs["pages"] = rows["gpa"] >> np.uint64(12), 1
    wrong = is_outside(inspected, runs)
    if wrong.any():
        yield Many(rows["header"][wrong], "gpa", "{shown} is no RAM")


def vmsa_field(inspected: InspectedLaunch) -> Found:
    """Set all fields to zero that are not handed on.

    Segments, tables, control and general registers, DR6, DR7, EFER, XCR0, PAT and SEV_FEATURES
    are. MXCSR and the x87 control word may be set, and get lost on the way.
    """
    vmm = inspected.vmm
    yield from vmsas(inspected).stray(bytes_outside(vmm.passed, vmm.spared))


def openvmm_vmsa_field(inspected: InspectedLaunch) -> Found:
    """Set all fields to zero that are not handed on.

    Besides what QEMU takes these are CR2, DR0 to DR3, the MSRs for SYSCALL, SYSENTER and swapgs,
    XSS, SPEC_CTRL, TSC_AUX and the x87 registers but for its stack and tags.
    """
    yield from vmsa_field(inspected)


def vmsa_fpu(inspected: InspectedLaunch) -> Found:
    """The measured VMSA has these values, whatever the file's are. Write them there too."""
    vmm, contexts = inspected.vmm, vmsas(inspected)
    reset = vmm.reset(0, 0)
    for field in sorted(FPU):
        other = contexts.column(field) != getattr(reset, field)
        yield from contexts.broken(other, field, f"{field} is {{value}}")


def vmsa_limit(inspected: InspectedLaunch) -> Found:
    """KVM has 16 bits for them, and so has the processor."""
    vmm, contexts = inspected.vmm, vmsas(inspected)
    for field in ("gdtr", "idtr"):
        wide = contexts.column(field)["limit"] > vmm.widest_table
        yield from contexts.broken(wide, field, f"the limit of {field} has more than 16 bits")


def vmsa_start(inspected: InspectedLaunch) -> Found:
    """A guest that starts in another mode must begin with a few instructions in this one."""
    contexts = vmsas(inspected)
    for refusal in start_refusals(contexts.registers):
        field = refusal.field
        texts = {"cs": "cs is no 64 bit segment", "cr3": "cr3 is 0", "rip": "rip is 0"}
        text = texts.get(field, f"{field} is {{value}}")
        yield from contexts.broken(refusal.where, field, text)


def ch_vmsa_field(inspected: InspectedLaunch) -> Found:
    """The other registers have the values that KVM resets them to, and so has the measured VMSA."""
    vmm, contexts = inspected.vmm, vmsas(inspected)
    resets = _reset_values(vmm)
    yield from contexts.stray(bytes_outside(vmm.passed | frozenset(resets)))
    for field, reset in resets.items():
        values = contexts.column(field)
        changed = (values != 0) & (values != reset)
        yield from contexts.broken(changed, field, f"{field} is {{value}}")


def sev_features(inspected: InspectedLaunch) -> Found:
    """Set bit 0."""
    contexts = vmsas(inspected)
    clear = contexts.column("sev_features") & int(SEVFeatures.SNP) == 0
    yield from contexts.broken(clear, "sev_features", "sev_features is {value}")


def host_features(inspected: InspectedLaunch) -> Found:
    """Which bits there are depends on processor and kernel."""
    contexts = vmsas(inspected)
    more = contexts.column("sev_features") >> 1 != 0
    yield from contexts.broken(more, "sev_features", "sev_features is {value}")


def other_features(inspected: InspectedLaunch) -> Found:
    """The measured VMSAs have that value, whatever the file's are. Write it into all of them."""
    vmm, contexts = inspected.vmm, vmsas(inspected)
    values = contexts.column("sev_features")
    first = values[contexts.vp_index == 0]
    chosen = int(first[0 if vmm.first_features else -1]) if len(first) else 0
    wrong = values | int(SEVFeatures.SNP) != chosen | int(SEVFeatures.SNP)
    yield from contexts.broken(wrong, "sev_features", "sev_features is {value}")


def vtom(inspected: InspectedLaunch) -> Found:
    """Clear bit 1 of SEV_FEATURES, and have the guest use the C bit."""
    contexts = vmsas(inspected)
    has = contexts.column("sev_features") & int(SEVFeatures.VTOM) != 0
    yield from contexts.broken(has, "sev_features", "sev_features is {value}")


def tr_base(inspected: InspectedLaunch) -> Found:
    """`igvm measure --loader qemu-kvm` knows it. Give both the same base."""
    contexts = vmsas(inspected)
    different = contexts.column("tr")["base"] != contexts.column("ldtr")["base"]
    yield from contexts.broken(different, "tr", "tr.base is not ldtr.base")


def rewritten(inspected: InspectedLaunch) -> Found:
    """The launch digest is that of the new VMSA; `igvm measure --loader` has it."""
    contexts = vmsas(inspected)
    for field, changed in (
        ("efer", contexts.column("efer") & 0x1000 == 0),
        ("cr4", contexts.column("cr4") & 0x40 == 0),
        ("cr0", contexts.column("cr0") & 0x60000000 != 0),
        ("rflags", contexts.column("rflags") & 2 == 0),
    ):
        yield from contexts.broken(changed, field, f"{field} is {{value}}")
