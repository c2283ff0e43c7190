"""For every loader rule a file that it speaks of, and one like it that it has nothing to say to."""

from __future__ import annotations

from typing import NamedTuple

import igvm
from tests.lint.small import (
    CODE,
    NATIVE,
    SNP,
    TOP,
    VBS,
    VMSA_GPA,
    cpuid,
    error_range,
    guest,
    id_block,
    make,
    native,
    policy,
    region,
    registers,
    required,
    resting,
    snp,
    started,
    vbs,
    vbs_measurement,
    vmsa,
)
from tests.raw import area, context, insert, page, parameter

CH_KVM = "cloud-hypervisor-kvm"
CH_MSHV = "cloud-hypervisor-mshv"
OPENVMM = "openvmm"
QEMU_SNP = "qemu-kvm"
TCG = "qemu-tcg"

MEMORY_MAP, MADT, VP_COUNT, COMMAND_LINE, SLIT, TREE = 0x30C, 0x309, 0x307, 0x30E, 0x30F, 0x312


class Example(NamedTuple):
    """Two files for one rule."""

    bad: bytes
    """The rule has a finding."""
    good: bytes
    """It has none."""


RIP, TR = 0x20010, 0x60007
P = page(0x1000)
FINE = resting()
FINE_SNP = guest(vmsa())
FINE_RAM = guest(vmsa(), P, gpa=0x5000)
FINE_VBS = vbs(lambda at: [P, context(at)], data=registers(RIP))
TWO_NATIVE = make(lambda at: [context(at), context(at)], data=native())
TWO_VPS = snp(
    lambda at: [policy(), context(at, gpa=0x5000), context(at, gpa=0x6000, index=1)], data=vmsa()
)


def vcpus(*features: int) -> bytes:
    """An SEV_SNP file with a context for each vCPU."""

    def lay(at: int) -> list[bytes]:
        indexes = range(len(features))
        return [policy(), *(context(at + 4096 * i, gpa=VMSA_GPA, index=i) for i in indexes)]

    return snp(lay, data=b"".join(vmsa(sev_features=igvm.SEVFeatures(one)) for one in features))


def over(gpa: int, *, kind: int = NATIVE) -> bytes:
    """A page and an area at one place, the area first."""
    return make([area(0), insert(0, gpa), page(gpa), page(TOP)], kinds=(kind,))


EXAMPLES: dict[tuple[str, str], Example] = {
    # accept
    ("refused", TCG): Example(make([page(0x1001)]), FINE),
    ("refused", CH_KVM): Example(snp([page(0x1001)]), FINE_RAM),
    ("refused", OPENVMM): Example(vbs([page(0x1001)]), FINE_VBS),
    ("no-plan", TCG): Example(
        make([area(0, 1 << 50), insert(0, 0, 7)], kinds=(NATIVE, SNP, VBS)), FINE
    ),
    ("no-platform", TCG): Example(FINE_VBS, FINE),
    ("no-platform", QEMU_SNP): Example(FINE_VBS, FINE),
    ("no-platform", CH_KVM): Example(FINE, FINE_RAM),
    ("no-platform", OPENVMM): Example(FINE, FINE_SNP),
    ("platform-fallback", QEMU_SNP): Example(FINE, FINE_SNP),
    ("platform-first", CH_KVM): Example(make([P], kinds=(VBS, SNP)), make([P], kinds=(SNP, VBS))),
    ("no-directives", TCG): Example(make([page(TOP, mask=0)]), FINE),
    # types
    ("unknown-type", TCG): Example(
        make([error_range(0, 4096, 2), page(TOP)], kinds=(NATIVE, SNP)), FINE
    ),
    ("device-tree", TCG): Example(resting(area(0), parameter(TREE, 0)), FINE),
    ("device-tree", QEMU_SNP): Example(snp([area(0), parameter(TREE, 0), P]), FINE_SNP),
    ("unsupported-type", CH_KVM): Example(
        snp([error_range(0, 4096)]), make([P, error_range(0, 4096, 2)], kinds=(SNP, VBS))
    ),
    ("unsupported-type", OPENVMM): Example(vbs([vbs_measurement()]), FINE_VBS),
    ("no-effect", TCG): Example(
        make([policy(), page(TOP)]), make([policy(mask=2), page(TOP)], kinds=(NATIVE, SNP))
    ),
    ("ignored-type", CH_KVM): Example(snp([region(), P]), FINE_RAM),
    ("optional-table", OPENVMM): Example(vbs([area(0), parameter(SLIT, 0)]), FINE_VBS),
    # areas
    ("parameter-bounds", TCG): Example(
        resting(area(0), parameter(VP_COUNT, 0, 4093)),
        resting(area(0), parameter(VP_COUNT, 0, 4092), parameter(MADT, 0, 1 << 20)),
    ),
    ("parameter-bounds", QEMU_SNP): Example(
        snp([area(0, 0), parameter(MADT, 0)]), snp([area(0), parameter(MADT, 0, 1 << 20)])
    ),
    ("parameter-bounds", CH_KVM): Example(
        snp([area(0), parameter(COMMAND_LINE, 0, 4096)]),
        snp([area(0), parameter(COMMAND_LINE, 0, 4095)]),
    ),
    ("parameter-bounds", OPENVMM): Example(
        vbs([area(0), parameter(MEMORY_MAP, 0, 4080)]),
        vbs([area(0), parameter(MEMORY_MAP, 0, 4072)]),
    ),
    ("parameter-offset", TCG): Example(
        resting(area(0), parameter(MADT, 0, 64)),
        resting(area(0), parameter(MADT, 0), parameter(VP_COUNT, 0, 64)),
    ),
    ("parameter-collision", TCG): Example(
        resting(area(0), parameter(MADT, 0), parameter(MEMORY_MAP, 0, 2048)),
        resting(area(0), area(1), parameter(MADT, 0), parameter(MEMORY_MAP, 1)),
    ),
    ("area-data", TCG): Example(make(lambda at: [area(0, 4096, at)]), make([area(0)])),
    ("memory-map", TCG): Example(resting(area(0), parameter(MEMORY_MAP, 0)), FINE),
    ("memory-map", CH_KVM): Example(snp([area(0), parameter(MEMORY_MAP, 0)]), FINE_RAM),
    ("memory-map", OPENVMM): Example(vbs([area(0), parameter(MEMORY_MAP, 0)]), FINE_VBS),
    ("area-size", TCG): Example(resting(area(0, 1 << 31)), resting(area(0, 1 << 30))),
    ("area-empty", QEMU_SNP): Example(
        snp([area(0, 0), insert(0, 0x1000)]), snp([area(0, 0), area(1), insert(1, 0x1000)])
    ),
    ("area-empty", OPENVMM): Example(
        vbs([area(0, 0), insert(0, 0x1000)]), vbs([area(0, 0), area(1), insert(1, 0x1000)])
    ),
    # pages
    ("page-2mb", TCG): Example(
        make(lambda at: [page(0x200000, at, flags=1)]), make([page(0x200000, flags=1)])
    ),
    ("page-2mb", CH_KVM): Example(snp([page(0x200000, flags=1)]), FINE_RAM),
    ("page-2mb", OPENVMM): Example(vbs([page(0x200000, flags=1)]), FINE_VBS),
    ("page-shared", QEMU_SNP): Example(snp([page(0x1000, flags=4)]), snp([page(0x1000, flags=2)])),
    ("page-shared", CH_KVM): Example(snp([page(0x1000, flags=4)]), snp([page(0x1000, flags=2)])),
    ("page-special", TCG): Example(resting(page(0x1000, kind=1)), FINE),
    ("page-special", OPENVMM): Example(vbs([page(0x1000, kind=1)]), FINE_VBS),
    ("page-cpuid-xf", CH_KVM): Example(snp([page(0x1000, kind=3)]), snp([page(0x1000, kind=2)])),
    ("page-cpuid-xf", OPENVMM): Example(snp([page(0x1000, kind=3)]), vbs([page(0x1000, kind=3)])),
    ("page-cpuid", QEMU_SNP): Example(
        snp(lambda at: [page(0x1000, at, kind=2)]), snp([page(0x1000, kind=2)])
    ),
    ("page-cpuid", CH_KVM): Example(
        snp(lambda at: [page(0x1000, at, kind=2)]), snp([page(0x1000, kind=2)])
    ),
    ("page-cpuid", OPENVMM): Example(
        snp(lambda at: [page(0x1000, at, kind=2)]), vbs(lambda at: [page(0x1000, at, kind=2)])
    ),
    ("page-cpuid", CH_MSHV): Example(
        snp(lambda at: [page(0x1000, at, kind=2)], data=cpuid(65)),
        snp(lambda at: [page(0x1000, at, kind=2)], data=cpuid(64)),
    ),
    # order
    ("order-trap", TCG): Example(make([area(0), page(0x1000), insert(0, 0x1000)]), over(0x1000)),
    ("order-measured", QEMU_SNP): Example(
        snp([area(0), page(0x1000), insert(0, 0x2000)]),
        snp([area(0), insert(0, 0x2000), page(0x1000)]),
    ),
    ("overlap", TCG): Example(over(0x1000), make([area(0), insert(0, 0x1000), page(0x2000)])),
    ("overlap", QEMU_SNP): Example(
        over(0x1000, kind=SNP),
        make([page(0x1000), page(0x1000, mask=2)], kinds=(SNP, VBS)),
    ),
    ("overlap", CH_KVM): Example(over(0x1000, kind=SNP), FINE_RAM),
    ("overlap", OPENVMM): Example(over(0x1000, kind=VBS), FINE_VBS),
    ("overlap", CH_MSHV): Example(
        snp(lambda at: [page(0x1000, at), page(0x1000, at)]),
        snp(lambda at: [page(0x1000, at), page(0x1000)]),
    ),
    ("context-overlap", CH_KVM): Example(
        snp(lambda at: [context(at, gpa=0x5000)] * 2, data=vmsa()),
        snp(
            lambda at: [page(0x5000), context(at, gpa=0x5000), context(at, gpa=0x5000, index=1)],
            data=vmsa(),
        ),
    ),
    # place
    ("mmio", TCG): Example(make([page(0xFEC00000)]), make([page(0xFEC01000)])),
    ("vga-hole", TCG): Example(make([page(0xBF000)]), make([page(0x9F000)])),
    ("shadow-lost", TCG): Example(make([page(0xDF000)]), make([page(0xE0000)])),
    ("ram-edge", TCG): Example(
        make([page(0x7FFFF000), page(0x80000000)]),
        make([page(0x7FFFF000), area(0), page(0x80000000)]),
    ),
    ("new-region", TCG): Example(FINE, make([page(0x80000000)])),
    ("outside-ram", CH_KVM): Example(
        snp([page(0xFFBFF000)]), snp([page(0xBFFFF000), page(0xFFC00000), page(1 << 32)])
    ),
    ("outside-ram", CH_MSHV): Example(snp([page(TOP)]), snp([page(0xBFFFF000), page(1 << 32)])),
    # start
    ("no-start", TCG): Example(make([P]), FINE),
    ("no-context", TCG): Example(FINE, started(native())),
    ("no-context", CH_KVM): Example(snp([P]), FINE_RAM),
    ("no-context", OPENVMM): Example(vbs([P]), FINE_VBS),
    ("context-count", OPENVMM): Example(TWO_VPS, FINE_SNP),
    ("vp-index", TCG): Example(started(native(), index=1), started(native())),
    ("vp-index", QEMU_SNP): Example(guest(vmsa(), index=3), FINE_SNP),
    ("vp-index", CH_KVM): Example(TWO_VPS, FINE_RAM),
    ("vp-index", CH_MSHV): Example(TWO_VPS, FINE_RAM),
    ("context-twice", TCG): Example(TWO_NATIVE, started(native())),
    ("context-twice", CH_KVM): Example(
        snp(lambda at: [context(at, gpa=0x5000), context(at, gpa=0x6000)], data=vmsa()), TWO_VPS
    ),
    ("context-gpa", TCG): Example(started(native(), gpa=0x1000), started(native())),
    ("context-fallback", QEMU_SNP): Example(started(native()), FINE_SNP),
    # native
    ("gs-base", TCG): Example(
        started(native(gs_base=0x1000)), started(native(gs_base=0x1000, data_base=0x1000))
    ),
    ("rflags", TCG): Example(started(native(rflags=0)), started(native())),
    ("cr0", TCG): Example(started(native(cr0=1)), started(native())),
    ("efer", TCG): Example(
        started(native(efer=0x100, cr0=0x80000011)), started(native(efer=0x500, cr0=0x80000011))
    ),
    ("long-mode", TCG): Example(
        started(native(code_attributes=0xA09B)), started(native(code_attributes=0xA09B, efer=0x500))
    ),
    # vmsa
    ("vmsa-gpa", QEMU_SNP): Example(FINE_RAM, FINE_SNP),
    ("vmsa-gpa", OPENVMM): Example(FINE_RAM, FINE_SNP),
    ("vmsa-gpa", CH_KVM): Example(guest(vmsa(), gpa=0xC0000000), FINE_SNP),
    ("vmsa-gpa", CH_MSHV): Example(FINE_SNP, FINE_RAM),
    ("vmsa-field", QEMU_SNP): Example(guest(vmsa(star=1)), guest(vmsa(xcr0=1, pat=7))),
    ("vmsa-field", OPENVMM): Example(
        guest(vmsa(reserved7=b"PKRU" + bytes(28))),
        guest(vmsa(reserved7=b"\0\0\0\0AUX!" + bytes(24))),
    ),
    ("vmsa-field", CH_KVM): Example(guest(vmsa(pat=7)), guest(vmsa(xcr0=1))),
    ("vmsa-fpu", QEMU_SNP): Example(guest(vmsa(mxcsr=0)), FINE_SNP),
    ("vmsa-limit", CH_KVM): Example(
        guest(vmsa(gdtr=igvm.SEVSelector(limit=0x10000))),
        guest(vmsa(gdtr=igvm.SEVSelector(limit=0xFFFF))),
    ),
    ("vmsa-limit", OPENVMM): Example(
        guest(vmsa(idtr=igvm.SEVSelector(limit=0x10000))),
        guest(vmsa(idtr=igvm.SEVSelector(limit=0xFFFF))),
    ),
    ("vmsa-start", OPENVMM): Example(guest(vmsa(rip=0)), FINE_SNP),
    ("sev-features", QEMU_SNP): Example(
        guest(vmsa(sev_features=igvm.SEVFeatures.DEBUG_SWAP)), FINE_SNP
    ),
    ("sev-features-host", QEMU_SNP): Example(
        guest(vmsa(sev_features=igvm.SEVFeatures.SNP | igvm.SEVFeatures.SECURE_TSC)), FINE_SNP
    ),
    ("sev-features-host", CH_KVM): Example(
        guest(vmsa(sev_features=igvm.SEVFeatures.RESTRICTED_INJECTION)), FINE_SNP
    ),
    ("sev-features-host", OPENVMM): Example(
        guest(vmsa(sev_features=igvm.SEVFeatures.RESTRICTED_INJECTION)), FINE_SNP
    ),
    ("sev-features-others", QEMU_SNP): Example(vcpus(0x1, 0x21), TWO_VPS),
    ("sev-features-others", CH_KVM): Example(vcpus(0x1, 0x21), TWO_VPS),
    ("sev-features-vtom", OPENVMM): Example(
        guest(vmsa(sev_features=igvm.SEVFeatures.SNP | igvm.SEVFeatures.VTOM)), FINE_SNP
    ),
    ("tr-base", QEMU_SNP): Example(
        guest(vmsa(tr=igvm.SEVSelector(base=1))),
        guest(vmsa(tr=igvm.SEVSelector(base=1), ldtr=igvm.SEVSelector(base=1))),
    ),
    ("vmsa-rewritten", QEMU_SNP): Example(guest(vmsa(rflags=0)), FINE_SNP),
    # kvm
    ("kvm-mode", QEMU_SNP): Example(guest(vmsa(cr4=0x40)), guest(vmsa(efer=0x1100))),
    ("kvm-mode", CH_KVM): Example(
        guest(vmsa(efer=0x1100)), guest(vmsa(efer=0, cs=CODE.replace(attrib=0x9B)))
    ),
    ("kvm-cr0", QEMU_SNP): Example(guest(vmsa(cr0=0x80000010)), guest(vmsa(cr0=0xE0000011))),
    ("kvm-xcr0", QEMU_SNP): Example(guest(vmsa(xcr0=0)), guest(vmsa(xcr0=0xFF))),
    ("kvm-pat", QEMU_SNP): Example(guest(vmsa(pat=2)), guest(vmsa(pat=0x0007040600070406))),
    ("kvm-debug-registers", QEMU_SNP): Example(
        guest(vmsa(dr7=0x401)), guest(vmsa(dr7=0x400, dr6=0xFFFF0FF0))
    ),
    # identity
    ("id-block-twice", QEMU_SNP): Example(
        snp([policy(), id_block(), id_block()]), snp([policy(), id_block()])
    ),
    ("id-block-twice", CH_KVM): Example(
        snp([policy(), id_block(), id_block()]), snp([policy(), id_block()])
    ),
    ("id-block-ignored", OPENVMM): Example(snp([policy(), id_block()]), FINE_SNP),
    ("id-block-version", QEMU_SNP): Example(snp([id_block(version=2)]), snp([id_block()])),
    ("id-block-version", CH_KVM): Example(snp([id_block(version=2)]), snp([id_block()])),
    ("id-block-author", QEMU_SNP): Example(
        snp([id_block(author_key_enabled=1)]),
        snp([id_block(author_key_enabled=1, author_public_key=igvm.SNPPublicKey(curve=2))]),
    ),
    ("id-block-author", CH_MSHV): Example(snp([id_block(author_key_enabled=1)]), snp([id_block()])),
    ("id-block-missing", CH_MSHV): Example(snp([P]), snp([id_block()])),
    ("id-block-policy", QEMU_SNP): Example(snp([id_block()]), snp([policy(), id_block()])),
    ("id-block-policy", CH_MSHV): Example(
        snp([policy(), id_block()]), snp([policy(0x3001F), id_block()])
    ),
    ("policy-ignored", CH_MSHV): Example(FINE_RAM, snp([policy(0x3001F), P])),
    ("policy-default", QEMU_SNP): Example(snp([P]), FINE_SNP),
    ("policy-default", CH_KVM): Example(snp([policy(0), P]), FINE_SNP),
    ("policy-agreement", QEMU_SNP): Example(snp([policy(0x3001F), P]), FINE_SNP),
    ("policy-twice", QEMU_SNP): Example(snp([policy(), policy(), P]), FINE_SNP),
    ("policy-twice", CH_KVM): Example(snp([policy(), policy(), P]), FINE_SNP),
    ("policy-twice", OPENVMM): Example(snp([policy(), policy(), P]), FINE_SNP),
    # openvmm
    ("aarch64", OPENVMM): Example(vbs([P], architecture=1), FINE_VBS),
    ("platform-vtl", OPENVMM): Example(guest(vmsa(), vtl=2), FINE_SNP),
    ("platform-boundary", OPENVMM): Example(guest(vmsa(), boundary=1 << 46), FINE_SNP),
    ("policy-missing", OPENVMM): Example(snp([P]), FINE_SNP),
    ("context-vtl", OPENVMM): Example(
        vbs(lambda at: [context(at)], data=registers(RIP), vtl=2),
        vbs(lambda at: [context(at)], data=registers(RIP, vtl=2), vtl=2),
    ),
    ("register-twice", OPENVMM): Example(
        vbs(lambda at: [context(at)], data=registers(RIP, RIP)),
        vbs(lambda at: [context(at)], data=registers(RIP, TR, TR)),
    ),
    ("register-tr", OPENVMM): Example(
        vbs(lambda at: [context(at)], data=registers(RIP, TR)), FINE_VBS
    ),
    ("vtl2-memory", OPENVMM): Example(
        vbs([required(0, 4096, 1)]), vbs([required(0, 4096, 1)], vtl=2)
    ),
    ("required-empty", OPENVMM): Example(vbs([required(0, 0), P]), vbs([required(0, 4096), P])),
    ("error-range", OPENVMM): Example(vbs([error_range(0, 1)]), vbs([error_range(0, 4096)])),
    ("relocation", OPENVMM): Example(snp([region(), P]), FINE_SNP),
    ("relocation-vtl", OPENVMM): Example(vbs([region(vtl=0), P]), vbs([region(), P])),
    ("relocation-twice", OPENVMM): Example(
        vbs([region(), region(gpa=0x300000), P]), vbs([region(), P])
    ),
}
"""By the rule's name and the first of its loaders."""
