"""The VMSAs of SEV-SNP, as loaders on KVM and MSHV take them over."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.checks.rule import Lazy, Many, Place
from igvm.launch.kvm import TAKEN_OVER, VMSA_GPA
from igvm.launch.lint.facts import run_dtype
from igvm.launch.lint.loader import (
    CH_IGVM,
    CH_KVM,
    CH_MSHV,
    CH_ON_KVM,
    KVM_SEV,
    OPENVMM,
    OPENVMM_KVM,
    QEMU_SNP,
    SEV_C,
)
from igvm.launch.lint.native import of_field, payloads
from igvm.launch.lint.place import is_outside
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

_SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr", "gdtr", "idtr"])
_GENERAL = frozenset(
    ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))]
)
CH_TAKEN = _SEGMENTS | _GENERAL | {"rip", "rflags", "cr0", "cr3", "cr4", "efer", "sev_features"}
"""What Cloud Hypervisor on KVM takes over (hypervisor/src/kvm/mod.rs, setup_sev_snp_regs)."""

_PAST = "reserved10"
"""The end of the page, which is not in the structure that QEMU and OpenVMM have for a VMSA."""
_MSRS = frozenset(["xss", "star", "lstar", "cstar", "sfmask", "kernel_gs_base", "spec_ctrl"])
_SYSENTER = frozenset(["sysenter_cs", "sysenter_esp", "sysenter_eip"])
_DEBUG = frozenset(["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"])
_FPU = frozenset(["mxcsr", "x87_fcw", "x87_fsw", "x87_op", "x87_rip", "x87dp"])
OPENVMM_TAKEN = CH_TAKEN | _MSRS | _SYSENTER | _DEBUG | _FPU | {"cr2", "pat", "xcr0", _PAST}
"""What OpenVMM lets pass (virt_kvm/src/snp.rs, validate_snp_igvm_vmsa_state)."""
TSC_AUX = range(0x2EC, 0x2F0)
"""It is in a field that the igvm crate reserves; OpenVMM lets it pass too."""

_RESET = {"xcr0": 1, "mxcsr": 0x1F80, "x87_fcw": 0x37F, "dr6": 0xFFFF0FF0, "dr7": 0x400,
          "pat": 0x0007040600070406}  # fmt: skip
"""What KVM gives the registers that Cloud Hypervisor does not set."""

_PRESENT, _LONG = 1 << 7, 1 << 9
"""Bits of a segment's attributes."""


def vmsas(facts: LoaderFacts) -> tuple[Any, Any, Any]:
    """Headers, offsets and VMSAs of the contexts, where SEV_SNP is started."""
    return payloads(facts, PlatformType.SEV_SNP, SEVVMSA)


@functools.cache
def _bytes_outside(taken: frozenset[str], spared: range) -> bytes:
    """A page that has ones at every byte of a VMSA that is in no field of `taken`."""
    page = bytearray(SEVVMSA.SIZE)
    for item in SEVVMSA.FIELDS:
        if item.name not in taken:
            page[item.offset : item.offset + item.size] = b"\xff" * item.size
    page[spared.start : spared.stop] = bytes(len(spared))
    return bytes(page)


def _outside(facts: LoaderFacts, taken: frozenset[str], spared: range = range(0)) -> Found:
    """VMSAs with something in a field that is not in `taken`, the first such field of each."""
    header, offsets, _ = vmsas(facts)
    if not len(offsets):
        return
    which, at = facts.stray(offsets, _bytes_outside(taken, spared))

    def place(number: int) -> Place:
        context, byte = int(which[number]), int(at[number])
        field = next(item for item in SEVVMSA.FIELDS if byte < item.offset + item.size)
        offset = int(offsets[context]) + field.offset
        return Place(f"{field.name} is not zero", int(header[context]), None, field.name, offset)

    if len(which):
        yield Lazy(len(which), place)


@loader_rule(
    "vmsa-gpa",
    QEMU_SNP,
    ERROR,
    "{who} takes a VMSA for KVM's own address only, 0xfffffffff000",
    SEV_C,
)
@loader_rule(
    "vmsa-gpa",
    OPENVMM,
    ERROR,
    "{who} takes a VMSA for KVM's own address only, 0xfffffffff000",
    "openvmm 1488a37, vmm_core/virt_kvm/src/arch/x86_64/mod.rs",
)
def vmsa_gpa(facts: LoaderFacts) -> Found:
    """KVM makes the VMSAs itself and measures them at that address."""
    rows = facts.of(HeaderType.VP_CONTEXT)
    wrong = rows["gpa"] != VMSA_GPA
    if facts.platform == PlatformType.SEV_SNP and wrong.any():
        yield Many(rows["header"][wrong], "gpa")


@loader_rule(
    "vmsa-gpa",
    CH_KVM,
    ERROR,
    "{who} on KVM writes the VMSA of vCPU 0 into the guest's memory at its gpa",
    f"{CH_IGVM}; vmm/src/vm.rs",
)
@loader_rule(
    "vmsa-gpa",
    CH_MSHV,
    ERROR,
    "{who} on MSHV has VMSAs in the guest's RAM, at their gpa",
    CH_IGVM,
)
def ram_vmsa_gpa(facts: LoaderFacts) -> Found:
    """On KVM there is memory at 0xfffffffff000, so one file serves QEMU and OpenVMM too.

    On MSHV there is none, and the VMSAs of all vCPUs are looked for where the file says.
    """
    import numpy as np

    rows = facts.of(HeaderType.VP_CONTEXT)
    if facts.loader.name == CH_KVM:
        rows = rows[rows["vp_index"] == 0]
    runs = np.zeros(len(rows), run_dtype())
    runs["first"], runs["pages"] = rows["gpa"] >> np.uint64(12), 1
    wrong = is_outside(facts, runs)
    if wrong.any():
        yield Many(rows["header"][wrong], "gpa", "{shown} is no RAM")


@loader_rule(
    "vmsa-field",
    QEMU_SNP,
    ERROR,
    "{who} ends at a VMSA with anything in a field that it does not hand to KVM",
    SEV_C,
)
def vmsa_field(facts: LoaderFacts) -> Found:
    """Set all fields to zero that are not handed on.

    Segments, tables, control and general registers, DR6, DR7, EFER, XCR0, PAT and SEV_FEATURES
    are. MXCSR and the x87 control word may be set, and get lost on the way.
    """
    yield from _outside(facts, TAKEN_OVER | {_PAST})


@loader_rule(
    "vmsa-field",
    OPENVMM,
    ERROR,
    "{who} on KVM refuses a VMSA with anything in a field that it does not hand to KVM",
    OPENVMM_KVM,
)
def openvmm_vmsa_field(facts: LoaderFacts) -> Found:
    """Set all fields to zero that are not handed on.

    Besides what QEMU takes these are CR2, DR0 to DR3, the MSRs for SYSCALL, SYSENTER and swapgs,
    XSS, SPEC_CTRL, TSC_AUX and the x87 registers but for its stack and tags.
    """
    yield from _outside(facts, OPENVMM_TAKEN, TSC_AUX)


@loader_rule(
    "vmsa-fpu",
    QEMU_SNP,
    WARNING,
    "{who} tells KVM that the FPU is as after a reset, so MXCSR is 0x1f80 and the x87 control word "
    "0x37f",
    "QEMU 11.1, target/i386/cpu.c, xsave_helper.c and sev.c",
)
def vmsa_fpu(facts: LoaderFacts) -> Found:
    """The measured VMSA has these values, whatever the file's are. Write them there too."""
    contexts = vmsas(facts)
    for field in ("mxcsr", "x87_fcw"):
        other = contexts[2][field] != _RESET[field]
        yield from of_field(contexts, other, SEVVMSA, field, f"{field} is {{value}}")


@loader_rule(
    "vmsa-limit",
    CH_KVM,
    ERROR,
    "{who} on KVM ends where the limit of GDTR or IDTR is larger than 0xffff",
    CH_ON_KVM,
)
@loader_rule(
    "vmsa-limit",
    OPENVMM,
    ERROR,
    "{who} on KVM refuses a limit of GDTR or IDTR that is larger than 0xffff",
    OPENVMM_KVM,
)
def vmsa_limit(facts: LoaderFacts) -> Found:
    """KVM has 16 bits for them, and so has the processor."""
    contexts = vmsas(facts)
    for field in ("gdtr", "idtr"):
        wide = contexts[2][field]["limit"] > 0xFFFF
        text = f"the limit of {field} has more than 16 bits"
        yield from of_field(contexts, wide, SEVVMSA, field, text)


@loader_rule(
    "vmsa-start",
    OPENVMM,
    ERROR,
    "{who} on KVM starts vCPU 0 in 64 bit mode only: with CR0.PE and PG, CR3, CR4.PAE, EFER.LME, "
    "LMA and NXE, a 64 bit CS, and a RIP that is not 0",
    OPENVMM_KVM,
)
def vmsa_start(facts: LoaderFacts) -> Found:
    """A guest that starts in another mode must begin with a few instructions in this one."""
    contexts = vmsas(facts)
    values = contexts[2]
    for field, wanted in (("cr0", 0x80000001), ("cr4", 0x20), ("efer", 0xD00)):
        less = values[field] & wanted != wanted
        yield from of_field(contexts, less, SEVVMSA, field, f"{field} is {{value}}")
    for field in ("cr3", "rip"):
        yield from of_field(contexts, values[field] == 0, SEVVMSA, field, f"{field} is 0")
    cs = values["cs"]["attrib"] & (_PRESENT | _LONG) != _PRESENT | _LONG
    yield from of_field(contexts, cs, SEVVMSA, "cs", "cs is no 64 bit segment")


@loader_rule(
    "vmsa-field",
    CH_KVM,
    WARNING,
    "{who} sets segments, general registers, RIP, RFLAGS, CR0, CR3, CR4, EFER and SEV_FEATURES "
    "from the VMSA and ignores the rest",
    CH_ON_KVM,
)
def ch_vmsa_field(facts: LoaderFacts) -> Found:
    """The other registers have the values that KVM resets them to, and so has the measured VMSA."""
    yield from _outside(facts, CH_TAKEN | frozenset(_RESET))
    contexts = vmsas(facts)
    for field, reset in _RESET.items():
        values = contexts[2][field]
        changed = (values != 0) & (values != reset)
        yield from of_field(contexts, changed, SEVVMSA, field, f"{field} is {{value}}")


@loader_rule(
    "sev-features",
    QEMU_SNP,
    ERROR,
    "{who} wants the SNP bit in SEV_FEATURES of an SEV_SNP guest",
    SEV_C,
)
def sev_features(facts: LoaderFacts) -> Found:
    """Set bit 0."""
    contexts = vmsas(facts)
    clear = contexts[2]["sev_features"] & int(SEVFeatures.SNP) == 0
    yield from of_field(contexts, clear, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "sev-features-host",
    QEMU_SNP,
    NOTE,
    "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
    SEV_C,
)
@loader_rule(
    "sev-features-host",
    CH_KVM,
    NOTE,
    "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
    f"{CH_IGVM}; {KVM_SEV}",
)
@loader_rule(
    "sev-features-host",
    OPENVMM,
    NOTE,
    "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
    OPENVMM_KVM,
)
def host_features(facts: LoaderFacts) -> Found:
    """Which bits there are depends on processor and kernel."""
    contexts = vmsas(facts)
    more = contexts[2]["sev_features"] >> 1 != 0
    yield from of_field(contexts, more, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "sev-features-others",
    QEMU_SNP,
    WARNING,
    "{who} takes SEV_FEATURES of the last context for vCPU 0, and KVM gives them to all vCPUs",
    SEV_C,
)
@loader_rule(
    "sev-features-others",
    CH_KVM,
    WARNING,
    "{who} takes SEV_FEATURES of the first context for vCPU 0, and KVM gives them to all vCPUs",
    CH_IGVM,
)
def other_features(facts: LoaderFacts) -> Found:
    """The measured VMSAs have that value, whatever the file's are. Write it into all of them."""
    contexts = vmsas(facts)
    values = contexts[2]["sev_features"]
    first = values[facts.of(HeaderType.VP_CONTEXT)["vp_index"][: len(values)] == 0]
    chosen = int(first[0 if facts.loader.name == CH_KVM else -1]) if len(first) else 0
    wrong = values | int(SEVFeatures.SNP) != chosen | int(SEVFeatures.SNP)
    yield from of_field(contexts, wrong, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "sev-features-vtom",
    OPENVMM,
    ERROR,
    "{who} on KVM does not start a guest with VTOM",
    OPENVMM_KVM,
)
def vtom(facts: LoaderFacts) -> Found:
    """Clear bit 1 of SEV_FEATURES, and have the guest use the C bit."""
    contexts = vmsas(facts)
    has = contexts[2]["sev_features"] & int(SEVFeatures.VTOM) != 0
    yield from of_field(contexts, has, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "tr-base",
    QEMU_SNP,
    WARNING,
    "{who} loads the base of TR from LDTR, so the measured VMSA has another TR",
    f"{SEV_C} (line 460)",
)
def tr_base(facts: LoaderFacts) -> Found:
    """`igvm measure --loader qemu-kvm` knows it. Give both the same base."""
    contexts = vmsas(facts)
    values = contexts[2]
    different = values["tr"]["base"] != values["ldtr"]["base"]
    yield from of_field(contexts, different, SEVVMSA, "tr", "tr.base is not ldtr.base")


@loader_rule(
    "vmsa-rewritten",
    (QEMU_SNP, CH_KVM, OPENVMM),
    NOTE,
    "KVM builds the VMSA anew: EFER.SVME and CR4.MCE set, CR0.CD and NW clear, bit 1 of RFLAGS set",
    KVM_SEV,
)
def rewritten(facts: LoaderFacts) -> Found:
    """The launch digest is that of the new VMSA; `igvm measure --loader` has it."""
    contexts = vmsas(facts)
    values = contexts[2]
    for field, changed in (
        ("efer", values["efer"] & 0x1000 == 0),
        ("cr4", values["cr4"] & 0x40 == 0),
        ("cr0", values["cr0"] & 0x60000000 != 0),
        ("rflags", values["rflags"] & 2 == 0),
    ):
        yield from of_field(contexts, changed, SEVVMSA, field, f"{field} is {{value}}")
