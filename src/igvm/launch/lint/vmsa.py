"""The VMSAs of SEV-SNP, as loaders on KVM and MSHV take them over."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from igvm.file.check.rule import Lazy, Many, Place
from igvm.launch.kvm import TAKEN_OVER, VMSA_GPA
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    CH_KVM,
    KVM_SEV,
    OPENVMM,
    OPENVMM_KVM,
    QEMU_SNP,
    SEV_C,
)
from igvm.launch.lint.native import of_field, payloads
from igvm.launch.lint.place import GIB, NO_RAM
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.enums import HeaderType, PlatformType
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from igvm.file.check.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

_SEGMENTS = frozenset(["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr", "gdtr", "idtr"])
_GENERAL = frozenset(
    ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))]
)
CH_TAKEN = _SEGMENTS | _GENERAL | {"rip", "rflags", "cr0", "cr3", "cr4", "efer", "sev_features"}
"""What Cloud Hypervisor on KVM takes over (hypervisor/src/kvm/mod.rs, setup_sev_snp_regs)."""

_RESET = {"xcr0": 1, "mxcsr": 0x1F80, "x87_fcw": 0x37F, "dr6": 0xFFFF0FF0, "dr7": 0x400,
          "pat": 0x0007040600070406}  # fmt: skip
"""What KVM gives the registers that Cloud Hypervisor does not set."""


def _vmsas(facts: LoaderFacts) -> tuple[Any, Any, Any]:
    return payloads(facts, PlatformType.SEV_SNP, SEVVMSA)


@functools.cache
def _bytes_outside(taken: frozenset[str]) -> bytes:
    """A page that has ones at every byte of a VMSA whose field is not in `taken`."""
    page = bytearray(SEVVMSA.SIZE)
    for item in SEVVMSA.FIELDS:
        if item.name not in taken:
            page[item.offset : item.offset + item.size] = b"\xff" * item.size
    return bytes(page)


def _outside(facts: LoaderFacts, taken: frozenset[str]) -> Found:
    """VMSAs with something in a field that is not in `taken`, the first such field of each."""
    header, offsets, _ = _vmsas(facts)
    if not len(offsets):
        return
    which, at = facts.stray(offsets, _bytes_outside(taken))

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
def vmsa_gpa(facts: LoaderFacts) -> Found:
    """KVM makes the VMSAs itself and measures them at that address."""
    rows = facts.of(HeaderType.VP_CONTEXT)
    wrong = rows["gpa"] != VMSA_GPA
    if facts.platform == PlatformType.SEV_SNP and wrong.any():
        yield Many(rows["header"][wrong], "gpa")


@loader_rule(
    "vmsa-gpa",
    CH,
    ERROR,
    "{who} writes the VMSA of vCPU 0 into the guest's RAM at its gpa",
    CH_IGVM,
)
def ram_vmsa_gpa(facts: LoaderFacts) -> Found:
    """KVM's address 0xfffffffff000, which QEMU asks for, is no RAM: one file cannot serve both.

    On MSHV the VMSAs of all vCPUs are looked for there.
    """
    rows = facts.of(HeaderType.VP_CONTEXT)
    gpa = rows["gpa"]
    wrong = (gpa >= NO_RAM) | ((gpa >= 3 * GIB) & (gpa < 4 * GIB))
    if facts.loader.name == CH_KVM:
        wrong &= rows["vp_index"] == 0
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

    Segments, tables, control, debug and general registers, EFER, XCR0, PAT, MXCSR, the x87
    control word and SEV_FEATURES are.
    """
    yield from _outside(facts, TAKEN_OVER)


@loader_rule(
    "vmsa-field",
    CH_KVM,
    WARNING,
    "{who} sets segments, general registers, RIP, RFLAGS, CR0, CR3, CR4, EFER and SEV_FEATURES "
    "from the VMSA and ignores the rest",
    "cloud-hypervisor ae44c29, hypervisor/src/kvm/mod.rs",
)
def ch_vmsa_field(facts: LoaderFacts) -> Found:
    """The other registers have the values that KVM resets them to, and so has the measured VMSA."""
    yield from _outside(facts, CH_TAKEN | frozenset(_RESET))
    contexts = _vmsas(facts)
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
    contexts = _vmsas(facts)
    clear = contexts[2]["sev_features"] & int(SEVFeatures.SNP) == 0
    yield from of_field(contexts, clear, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "sev-features-host",
    QEMU_SNP,
    NOTE,
    "{who} ends where the host's KVM does not support a bit of SEV_FEATURES",
    SEV_C,
)
def host_features(facts: LoaderFacts) -> Found:
    """Which bits there are depends on processor and kernel."""
    contexts = _vmsas(facts)
    more = contexts[2]["sev_features"] >> 1 != 0
    yield from of_field(contexts, more, SEVVMSA, "sev_features", "sev_features is {value}")


@loader_rule(
    "sev-features-vtom",
    OPENVMM,
    ERROR,
    "{who} on KVM does not start a guest with VTOM",
    OPENVMM_KVM,
)
def vtom(facts: LoaderFacts) -> Found:
    """Clear bit 1 of SEV_FEATURES, and have the guest use the C bit."""
    contexts = _vmsas(facts)
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
    """`igvm measure --profile qemu-kvm` knows it. Give both the same base."""
    import numpy as np

    contexts = _vmsas(facts)
    values = contexts[2]
    base = np.asarray(values["tr"]["base"])
    different = base != values["ldtr"]["base"]
    yield from of_field(contexts, different, SEVVMSA, "tr", "tr.base is not ldtr.base")


@loader_rule(
    "vmsa-rewritten",
    (QEMU_SNP, CH_KVM, OPENVMM),
    NOTE,
    "KVM builds the VMSA anew: EFER.SVME and CR4.MCE set, CR0.CD and NW clear, bit 1 of RFLAGS set",
    KVM_SEV,
)
def rewritten(facts: LoaderFacts) -> Found:
    """The launch digest is that of the new VMSA; the loader's profile of `igvm measure` has it."""
    contexts = _vmsas(facts)
    values = contexts[2]
    for field, changed in (
        ("efer", values["efer"] & 0x1000 == 0),
        ("cr4", values["cr4"] & 0x40 == 0),
        ("cr0", values["cr0"] & 0x60000000 != 0),
        ("rflags", values["rflags"] & 2 == 0),
    ):
        yield from of_field(contexts, changed, SEVVMSA, field, f"{field} is {{value}}")
