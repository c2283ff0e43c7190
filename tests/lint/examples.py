"""For every loader rule a file that it speaks of, and one like it that it has nothing to say to."""

from __future__ import annotations

import struct
from typing import NamedTuple

import igvm
from tests.small_files.contents import (
    CODE_64,
    KVM_VMSA,
    cpuid_leaves,
    header_of,
    native_page,
    padded,
)
from tests.small_files.guests import (
    NATIVE,
    RESET_PAGE,
    SEV,
    SNP,
    VBS,
    VMSA_GPA,
    bytes_for,
    guest_bytes,
)
from tests.small_files.ovmf_pages import SEC_MEM, ovmf_page
from tests.small_files.raw import (
    area,
    at,
    context,
    error_range,
    insert,
    page,
    page_tables,
    parameter,
    policy,
    region,
    register_list,
    required,
)
from tests.small_files.signed_guests import id_block as snp_id_block
from tests.small_files.signed_guests import snp_bytes

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


def resting(*headers: bytes) -> bytes:
    """A NATIVE file that starts at the reset vector."""
    return bytes_for(NATIVE, *headers, page(RESET_PAGE))


def native(*, index: int = 0, gpa: int = 0, **registers: int) -> bytes:
    """A NATIVE file with one context."""
    start = context(at(0), index=index, gpa=gpa)
    return bytes_for(NATIVE, start, data=native_page(**registers))


def vcpus(*features: int) -> bytes:
    """An SEV_SNP file with a context for each vCPU."""
    contexts = [context(at(i), gpa=VMSA_GPA, index=i) for i in range(len(features))]
    vmsas = [KVM_VMSA.replace(sev_features=igvm.SEVFeatures(bits)).pack() for bits in features]
    return bytes_for(SNP, policy(), *contexts, data=vmsas)


def overlapping(platform: igvm.PlatformType, gpa: int = 0x1000) -> bytes:
    """A page and an area at one place, the area first."""
    return bytes_for(platform, area(0), insert(0, gpa), page(gpa), page(RESET_PAGE))


def id_block(mask: int = 1, **fields: object) -> bytes:
    """An SNP_ID_BLOCK header for a digest of zeroes."""
    block = igvm.SNPIDBlock(compatibility_mask=mask, ld=bytes(48), **fields)  # type: ignore[arg-type]
    return header_of(block)


def cpuid_page(count: int) -> bytes:
    """A CPUID page with a count and no more."""
    return padded(struct.pack("<I", count))


def leaves(*asked_for: tuple[int, int, int]) -> bytes:
    """An SEV_SNP file whose CPUID page has leaves: EAX, ECX and XCR0 of each."""
    return bytes_for(SNP, page(0x1000, at(0), kind=2), data=cpuid_leaves(*asked_for))


OVMF = ovmf_page((0x800000, 0x1000, SEC_MEM))
RIP, TR = 0x20010, 0x60007
LOW_PAGE = page(0x1000)
REGION = region(0x200000, vtl=2, high=1 << 32)
FINE = resting()
FINE_SNP = guest_bytes(KVM_VMSA)
FINE_RAM = guest_bytes(KVM_VMSA, LOW_PAGE, gpa=0x5000)
FINE_VBS = bytes_for(VBS, LOW_PAGE, context(at(0)), data=register_list(RIP))
TWO_NATIVE = bytes_for(NATIVE, context(at(0)), context(at(0)), data=native_page())
TWO_VPS = bytes_for(
    SNP,
    policy(),
    context(at(0), gpa=0x5000),
    context(at(0), gpa=0x6000, index=1),
    data=KVM_VMSA.pack(),
)


EXAMPLES: dict[tuple[str, str], Example] = {
    # accept
    ("refused", TCG): Example(bytes_for(NATIVE, page(0x1001)), FINE),
    ("refused", CH_KVM): Example(bytes_for(SNP, page(0x1001)), FINE_RAM),
    ("refused", OPENVMM): Example(bytes_for(VBS, page(0x1001)), FINE_VBS),
    ("no-plan", QEMU_SNP): Example(
        bytes_for((SNP, VBS), area(0, 1 << 31), insert(0, 0, 3)), FINE_SNP
    ),
    ("no-platform", TCG): Example(FINE_VBS, FINE),
    ("no-platform", QEMU_SNP): Example(FINE_VBS, FINE),
    ("no-platform", CH_KVM): Example(FINE, FINE_RAM),
    ("no-platform", OPENVMM): Example(FINE, FINE_SNP),
    ("platform-fallback", QEMU_SNP): Example(FINE, FINE_SNP),
    ("refused-launch", QEMU_SNP): Example(
        bytes_for(SEV, page(0x1000, kind=1)),
        bytes_for(SEV, LOW_PAGE),
    ),
    ("platform-first", CH_KVM): Example(
        bytes_for((VBS, SNP), LOW_PAGE), bytes_for((SNP, VBS), LOW_PAGE)
    ),
    ("no-directives", TCG): Example(bytes_for(NATIVE, page(RESET_PAGE, mask=0)), FINE),
    # types
    ("unknown-type", TCG): Example(
        bytes_for((NATIVE, SNP), error_range(0, 4096, 2), page(RESET_PAGE)), FINE
    ),
    ("device-tree", TCG): Example(resting(area(0), parameter(TREE, 0)), FINE),
    ("unsupported-type", CH_KVM): Example(
        bytes_for(SNP, error_range(0, 4096)),
        bytes_for((SNP, VBS), LOW_PAGE, error_range(0, 4096, 2)),
    ),
    ("unsupported-type", OPENVMM): Example(
        bytes_for(VBS, header_of(igvm.VBSMeasurement(compatibility_mask=1))), FINE_VBS
    ),
    ("no-effect", TCG): Example(
        bytes_for(NATIVE, policy(), page(RESET_PAGE)),
        bytes_for((NATIVE, SNP), policy(mask=2), page(RESET_PAGE)),
    ),
    ("ignored-type", CH_KVM): Example(bytes_for(SNP, REGION, LOW_PAGE), FINE_RAM),
    ("optional-table", OPENVMM): Example(bytes_for(VBS, area(0), parameter(SLIT, 0)), FINE_VBS),
    # areas
    ("parameter-bounds", TCG): Example(
        resting(area(0), parameter(VP_COUNT, 0, 4101)),
        resting(area(0), parameter(VP_COUNT, 0, 4092), parameter(MADT, 0, 1 << 20)),
    ),
    ("parameter-past", TCG): Example(
        resting(area(0), parameter(VP_COUNT, 0, 4093)),
        resting(area(0), parameter(VP_COUNT, 0, 4092)),
    ),
    ("parameter-bounds", CH_KVM): Example(
        bytes_for(SNP, area(0), parameter(COMMAND_LINE, 0, 4096)),
        bytes_for(SNP, area(0), parameter(COMMAND_LINE, 0, 4095)),
    ),
    ("parameter-bounds", OPENVMM): Example(
        bytes_for(VBS, area(0), parameter(MEMORY_MAP, 0, 4080)),
        bytes_for(VBS, area(0), parameter(MEMORY_MAP, 0, 4072)),
    ),
    ("parameter-offset", TCG): Example(
        resting(area(0), parameter(MADT, 0, 64)),
        resting(area(0), parameter(MADT, 0), parameter(VP_COUNT, 0, 64)),
    ),
    ("parameter-collision", TCG): Example(
        resting(area(0), parameter(MADT, 0), parameter(MEMORY_MAP, 0, 2048)),
        resting(area(0), area(1), parameter(MADT, 0), parameter(MEMORY_MAP, 1)),
    ),
    ("area-wraps", TCG): Example(resting(area(0, 1 << 32)), resting(area(0, (1 << 32) - 4096))),
    ("area-data", TCG): Example(
        bytes_for(NATIVE, area(0, 4096, at(0))), bytes_for(NATIVE, area(0))
    ),
    ("memory-map", TCG): Example(resting(area(0), parameter(MEMORY_MAP, 0)), FINE),
    ("memory-map", CH_KVM): Example(bytes_for(SNP, area(0), parameter(MEMORY_MAP, 0)), FINE_RAM),
    ("memory-map", OPENVMM): Example(bytes_for(VBS, area(0), parameter(MEMORY_MAP, 0)), FINE_VBS),
    ("map-room", TCG): Example(
        bytes_for(
            (SNP, NATIVE), area(0), parameter(MEMORY_MAP, 0), parameter(VP_COUNT, 0, 192), LOW_PAGE
        ),
        bytes_for((SNP, NATIVE), area(0), parameter(MEMORY_MAP, 0), LOW_PAGE),
    ),
    ("area-size", TCG): Example(resting(area(0, 1 << 31)), resting(area(0, 1 << 30))),
    ("area-empty", QEMU_SNP): Example(
        bytes_for(SNP, area(0, 0), insert(0, 0x1000)),
        bytes_for(SNP, area(0, 0), area(1), insert(1, 0x1000)),
    ),
    ("area-empty", OPENVMM): Example(
        bytes_for(VBS, area(0, 0), insert(0, 0x1000)),
        bytes_for(VBS, area(0, 0), area(1), insert(1, 0x1000)),
    ),
    # pages
    ("page-2mb", TCG): Example(
        bytes_for(NATIVE, page(0x200000, at(0), flags=1)),
        bytes_for(NATIVE, page(0x200000, flags=1)),
    ),
    ("page-2mb", CH_KVM): Example(bytes_for(SNP, page(0x200000, flags=1)), FINE_RAM),
    ("page-2mb", OPENVMM): Example(bytes_for(VBS, page(0x200000, flags=1)), FINE_VBS),
    ("page-shared", QEMU_SNP): Example(
        bytes_for(SNP, page(0x1000, flags=4)), bytes_for(SNP, page(0x1000, flags=2))
    ),
    ("page-shared", CH_KVM): Example(
        bytes_for(SNP, page(0x1000, flags=4)), bytes_for(SNP, page(0x1000, flags=2))
    ),
    ("page-special", TCG): Example(resting(page(0x1000, kind=1)), FINE),
    ("page-special", OPENVMM): Example(bytes_for(VBS, page(0x1000, kind=1)), FINE_VBS),
    ("page-cpuid-xf", CH_KVM): Example(
        bytes_for(SNP, page(0x1000, kind=3)), bytes_for(SNP, page(0x1000, kind=2))
    ),
    ("page-cpuid-xf", OPENVMM): Example(
        bytes_for(SNP, page(0x1000, kind=3)), bytes_for(VBS, page(0x1000, kind=3))
    ),
    ("page-cpuid", QEMU_SNP): Example(
        bytes_for(SNP, page(0x1000, at(0), kind=2)), bytes_for(SNP, page(0x1000, kind=2))
    ),
    ("page-cpuid", CH_KVM): Example(
        bytes_for(SNP, page(0x1000, at(0), kind=2)), bytes_for(SNP, page(0x1000, kind=2))
    ),
    ("page-cpuid", OPENVMM): Example(
        bytes_for(SNP, page(0x1000, at(0), kind=2)), bytes_for(VBS, page(0x1000, at(0), kind=2))
    ),
    ("page-cpuid", CH_MSHV): Example(
        bytes_for(SNP, page(0x1000, at(0), kind=2), data=cpuid_page(65)),
        bytes_for(SNP, page(0x1000, at(0), kind=2), data=cpuid_page(64)),
    ),
    ("cpuid-leaf-twice", CH_MSHV): Example(
        leaves((0xD, 1, 1), (0xD, 1, 1)), leaves((0xD, 1, 1), (0xD, 1, 3))
    ),
    ("cpuid-xsave-state", CH_MSHV): Example(leaves((0xD, 0, 0)), leaves((0xD, 0, 7), (0xD, 0, 3))),
    ("cpuid-xsave-avx512", CH_MSHV): Example(leaves((0xD, 5, 1)), leaves((0xD, 2, 1))),
    ("cpuid-xsave-cet", CH_MSHV): Example(
        leaves((0xD, 1, 1), (0xD, 11, 1)), leaves((0xD, 1, 1), (0xD, 11, 1), (0xD, 12, 1))
    ),
    # order
    ("order-trap", TCG): Example(
        bytes_for(NATIVE, area(0), page(0x1000), insert(0, 0x1000)), overlapping(NATIVE)
    ),
    ("order-measured", QEMU_SNP): Example(
        bytes_for(SNP, area(0), page(0x1000), insert(0, 0x2000)),
        bytes_for(SNP, area(0), insert(0, 0x2000), page(0x1000)),
    ),
    ("overlap", TCG): Example(
        overlapping(NATIVE), bytes_for(NATIVE, area(0), insert(0, 0x1000), page(0x2000))
    ),
    ("overlap", QEMU_SNP): Example(
        overlapping(SNP),
        bytes_for((SNP, VBS), page(0x1000), page(0x1000, mask=2)),
    ),
    ("overlap", CH_KVM): Example(overlapping(SNP), FINE_RAM),
    ("overlap", OPENVMM): Example(overlapping(VBS), FINE_VBS),
    ("overlap", CH_MSHV): Example(
        bytes_for(SNP, page(0x1000, at(0)), page(0x1000, at(0))),
        bytes_for(SNP, page(0x1000, at(0)), page(0x1000)),
    ),
    ("context-overlap", CH_KVM): Example(
        bytes_for(SNP, *[context(at(0), gpa=0x5000)] * 2, data=KVM_VMSA.pack()),
        bytes_for(
            SNP,
            page(0x5000),
            context(at(0), gpa=0x5000),
            context(at(0), gpa=0x5000, index=1),
            data=KVM_VMSA.pack(),
        ),
    ),
    # place
    ("device", TCG): Example(
        bytes_for(NATIVE, page(0xFEC00000)), bytes_for(NATIVE, page(0xFEC01000))
    ),
    ("region-edge", TCG): Example(
        bytes_for(NATIVE, page(0x7FFF000), page(0x8000000)),
        bytes_for(NATIVE, page(0x7FFF000), area(0), page(0x8000000)),
    ),
    ("region-empty", TCG): Example(
        bytes_for(NATIVE, required(0x80000000, 0)), bytes_for(NATIVE, required(0x1000, 0))
    ),
    ("reset", TCG): Example(
        bytes_for(NATIVE, page(0xDF000), page(0xE0000)), bytes_for(NATIVE, page(0xE0000))
    ),
    ("shadow-lost", TCG): Example(
        bytes_for(NATIVE, page(0xDF000)), bytes_for(NATIVE, page(0xE0000))
    ),
    ("new-region", TCG): Example(FINE, bytes_for(NATIVE, LOW_PAGE)),
    ("kvm-address", QEMU_SNP): Example(
        bytes_for(NATIVE, page(1 << 52)), bytes_for(NATIVE, page((1 << 52) - 4096))
    ),
    ("outside-ram", CH_KVM): Example(
        bytes_for(SNP, page(0xFFBFF000)),
        bytes_for(SNP, page(0xBFFFF000), page(0xFFC00000), page(1 << 32)),
    ),
    ("outside-ram", CH_MSHV): Example(
        bytes_for(SNP, page(RESET_PAGE)), bytes_for(SNP, page(0xBFFFF000), page(1 << 32))
    ),
    # start
    ("no-start", TCG): Example(bytes_for(NATIVE, LOW_PAGE), FINE),
    ("no-context", TCG): Example(FINE, native()),
    ("no-context", CH_KVM): Example(bytes_for(SNP, LOW_PAGE), FINE_RAM),
    ("no-context", OPENVMM): Example(bytes_for(VBS, LOW_PAGE), FINE_VBS),
    ("context-count", OPENVMM): Example(TWO_VPS, FINE_SNP),
    ("vp-index", TCG): Example(native(index=1), native()),
    ("vp-index", QEMU_SNP): Example(guest_bytes(KVM_VMSA, index=3), FINE_SNP),
    ("vp-index", CH_KVM): Example(TWO_VPS, FINE_RAM),
    ("vp-index", CH_MSHV): Example(TWO_VPS, FINE_RAM),
    ("context-twice", TCG): Example(TWO_NATIVE, native()),
    ("context-twice", CH_KVM): Example(
        bytes_for(
            SNP, context(at(0), gpa=0x5000), context(at(0), gpa=0x6000), data=KVM_VMSA.pack()
        ),
        TWO_VPS,
    ),
    ("context-gpa", TCG): Example(native(gpa=0x1000), native()),
    ("firmware-metadata", QEMU_SNP): Example(
        bytes_for(SNP, page(RESET_PAGE, at(0)), data=OVMF),
        bytes_for(SNP, page(RESET_PAGE, at(0)), page(0x800000), data=OVMF),
    ),
    # native
    ("gs-base", TCG): Example(native(gs_base=0x1000), native(gs_base=0x1000, data_base=0x1000)),
    ("rflags", TCG): Example(native(rflags=0), native()),
    ("cr0", TCG): Example(native(cr0=1), native()),
    ("efer", TCG): Example(native(efer=0x100, cr0=0x80000011), native(efer=0x500, cr0=0x80000011)),
    ("long-mode", TCG): Example(
        native(code_attributes=0xA09B), native(code_attributes=0xA09B, efer=0x500)
    ),
    ("paging-dropped", TCG): Example(
        native(efer=0x500, cr0=0x80000011), native(efer=0x500, cr0=0x80000011, cr4=0x20)
    ),
    ("stray-lma", TCG): Example(
        native(efer=0x400, cr0=0x80000011, cr4=0x20), native(efer=0x500, cr0=0x80000011, cr4=0x20)
    ),
    ("paging-in-real-mode", TCG): Example(native(cr0=0x80000010), native(cr0=0x80000011)),
    ("cr4-bits", TCG): Example(native(cr4=1 << 21), native(cr4=1 << 20)),
    ("native-mode", QEMU_SNP): Example(
        native(code_attributes=0xA09B),
        native(code_attributes=0xA09B, efer=0x100, cr0=0x80000011, cr4=0x20),
    ),
    ("native-cr0", QEMU_SNP): Example(native(cr0=0x20000011), native(cr0=0x60000011)),
    ("native-cr3", QEMU_SNP): Example(
        native(efer=0x500, cr0=0x80000011, cr4=0x20, cr3=1 << 52), native(cr3=1 << 52)
    ),
    ("native-bits", QEMU_SNP): Example(native(efer=1 << 32), native(efer=1)),
    ("native-overlap", QEMU_SNP): Example(
        overlapping(NATIVE), bytes_for(NATIVE, area(0), insert(0, 0x1000), page(0x2000))
    ),
    ("native-vp-index", QEMU_SNP): Example(native(index=1), native()),
    # vmsa
    ("vmsa-gpa", QEMU_SNP): Example(FINE_RAM, FINE_SNP),
    ("vmsa-gpa", OPENVMM): Example(FINE_RAM, FINE_SNP),
    ("vmsa-gpa", CH_KVM): Example(guest_bytes(KVM_VMSA, gpa=0xC0000000), FINE_SNP),
    ("vmsa-gpa", CH_MSHV): Example(FINE_SNP, FINE_RAM),
    ("vmsa-field", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(star=1)), guest_bytes(KVM_VMSA.replace(xcr0=1, pat=7))
    ),
    ("vmsa-field", OPENVMM): Example(
        guest_bytes(KVM_VMSA.replace(reserved7=b"PKRU" + bytes(28))),
        guest_bytes(KVM_VMSA.replace(reserved7=b"\0\0\0\0AUX!" + bytes(24))),
    ),
    ("vmsa-field", CH_KVM): Example(
        guest_bytes(KVM_VMSA.replace(pat=7)), guest_bytes(KVM_VMSA.replace(xcr0=1))
    ),
    ("vmsa-fpu", QEMU_SNP): Example(guest_bytes(KVM_VMSA.replace(mxcsr=0)), FINE_SNP),
    ("vmsa-limit", CH_KVM): Example(
        guest_bytes(KVM_VMSA.replace(gdtr=igvm.SEVSelector(limit=0x10000))),
        guest_bytes(KVM_VMSA.replace(gdtr=igvm.SEVSelector(limit=0xFFFF))),
    ),
    ("vmsa-limit", OPENVMM): Example(
        guest_bytes(KVM_VMSA.replace(idtr=igvm.SEVSelector(limit=0x10000))),
        guest_bytes(KVM_VMSA.replace(idtr=igvm.SEVSelector(limit=0xFFFF))),
    ),
    ("vmsa-start", OPENVMM): Example(guest_bytes(KVM_VMSA.replace(rip=0)), FINE_SNP),
    ("sev-features", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(sev_features=igvm.SEVFeatures.DEBUG_SWAP)), FINE_SNP
    ),
    ("sev-features-host", QEMU_SNP): Example(
        guest_bytes(
            KVM_VMSA.replace(sev_features=igvm.SEVFeatures.SNP | igvm.SEVFeatures.SECURE_TSC)
        ),
        FINE_SNP,
    ),
    ("sev-features-host", CH_KVM): Example(
        guest_bytes(KVM_VMSA.replace(sev_features=igvm.SEVFeatures.RESTRICTED_INJECTION)), FINE_SNP
    ),
    ("sev-features-host", OPENVMM): Example(
        guest_bytes(KVM_VMSA.replace(sev_features=igvm.SEVFeatures.RESTRICTED_INJECTION)), FINE_SNP
    ),
    ("sev-features-others", QEMU_SNP): Example(vcpus(0x1, 0x21), TWO_VPS),
    ("sev-features-others", CH_KVM): Example(vcpus(0x1, 0x21), TWO_VPS),
    ("sev-features-vtom", OPENVMM): Example(
        guest_bytes(KVM_VMSA.replace(sev_features=igvm.SEVFeatures.SNP | igvm.SEVFeatures.VTOM)),
        FINE_SNP,
    ),
    ("tr-base", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(tr=igvm.SEVSelector(base=1))),
        guest_bytes(KVM_VMSA.replace(tr=igvm.SEVSelector(base=1), ldtr=igvm.SEVSelector(base=1))),
    ),
    ("vmsa-rewritten", QEMU_SNP): Example(guest_bytes(KVM_VMSA.replace(rflags=0)), FINE_SNP),
    # kvm
    ("kvm-mode", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(cr4=0x40)), guest_bytes(KVM_VMSA.replace(efer=0x1100))
    ),
    ("kvm-mode", CH_KVM): Example(
        guest_bytes(KVM_VMSA.replace(efer=0x1100)),
        guest_bytes(KVM_VMSA.replace(efer=0, cs=CODE_64.replace(attrib=0x9B))),
    ),
    ("kvm-cr0", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(cr0=0x80000010)), guest_bytes(KVM_VMSA.replace(cr0=0xE0000011))
    ),
    ("kvm-xcr0", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(xcr0=0)), guest_bytes(KVM_VMSA.replace(xcr0=0xFF))
    ),
    ("kvm-pat", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(pat=2)), guest_bytes(KVM_VMSA.replace(pat=0x0007040600070406))
    ),
    ("kvm-debug-registers", QEMU_SNP): Example(
        guest_bytes(KVM_VMSA.replace(dr7=0x401)),
        guest_bytes(KVM_VMSA.replace(dr7=0x400, dr6=0xFFFF0FF0)),
    ),
    # identity
    ("id-block-twice", TCG): Example(
        bytes_for((SNP, NATIVE), id_block(3), id_block(3), page(RESET_PAGE, mask=3)),
        bytes_for((SNP, NATIVE), id_block(3), page(RESET_PAGE, mask=3)),
    ),
    ("id-block-twice", CH_KVM): Example(
        bytes_for(SNP, policy(), id_block(), id_block()), bytes_for(SNP, policy(), id_block())
    ),
    ("id-block-ignored", OPENVMM): Example(bytes_for(SNP, policy(), id_block()), FINE_SNP),
    ("id-block-version", QEMU_SNP): Example(
        bytes_for(SNP, id_block(version=2)), bytes_for(SNP, id_block())
    ),
    ("id-block-version", CH_KVM): Example(
        bytes_for(SNP, id_block(version=2)), bytes_for(SNP, id_block())
    ),
    ("id-block-author", QEMU_SNP): Example(
        bytes_for(SNP, id_block(author_key_enabled=1)),
        bytes_for(
            SNP, id_block(author_key_enabled=1, author_public_key=igvm.SNPPublicKey(curve=2))
        ),
    ),
    ("id-block-author", CH_MSHV): Example(
        bytes_for(SNP, id_block(author_key_enabled=1)), bytes_for(SNP, id_block())
    ),
    ("id-block-missing", CH_MSHV): Example(bytes_for(SNP, LOW_PAGE), bytes_for(SNP, id_block())),
    ("id-block-policy", QEMU_SNP): Example(
        bytes_for(SNP, id_block()), bytes_for(SNP, policy(), id_block())
    ),
    ("id-block-policy", CH_MSHV): Example(
        bytes_for(SNP, policy(), id_block()), bytes_for(SNP, policy(0x3001F), id_block())
    ),
    ("id-block-digest", QEMU_SNP): Example(
        bytes_for(SNP, policy(), LOW_PAGE, id_block()), bytes_for(SNP, policy(), LOW_PAGE)
    ),
    ("id-block-values", QEMU_SNP): Example(
        snp_bytes(
            *(
                snp_id_block(
                    igvm.measure(igvm.parse(snp_bytes()), "snp", loader=name, vcpus=1).digest
                )
                for name in (QEMU_SNP, CH_KVM)
            )
        ),
        snp_bytes(snp_id_block()),
    ),
    ("policy-ignored", CH_MSHV): Example(FINE_RAM, bytes_for(SNP, policy(0x3001F), LOW_PAGE)),
    ("policy-default", QEMU_SNP): Example(bytes_for(SNP, LOW_PAGE), FINE_SNP),
    ("policy-default", CH_KVM): Example(bytes_for(SNP, policy(0), LOW_PAGE), FINE_SNP),
    ("policy-agreement", QEMU_SNP): Example(bytes_for(SNP, policy(0x3001F), LOW_PAGE), FINE_SNP),
    ("policy-twice", QEMU_SNP): Example(bytes_for(SNP, policy(), policy(), LOW_PAGE), FINE_SNP),
    ("policy-twice", CH_KVM): Example(bytes_for(SNP, policy(), policy(), LOW_PAGE), FINE_SNP),
    ("policy-twice", OPENVMM): Example(bytes_for(SNP, policy(), policy(), LOW_PAGE), FINE_SNP),
    # openvmm
    ("aarch64", OPENVMM): Example(bytes_for(VBS, LOW_PAGE, architecture=1), FINE_VBS),
    ("platform-vtl", OPENVMM): Example(guest_bytes(KVM_VMSA, vtl=2), FINE_SNP),
    ("platform-boundary", OPENVMM): Example(guest_bytes(KVM_VMSA, boundary=1 << 46), FINE_SNP),
    ("policy-missing", OPENVMM): Example(bytes_for(SNP, LOW_PAGE), FINE_SNP),
    ("context-vtl", OPENVMM): Example(
        bytes_for(VBS, context(at(0)), data=register_list(RIP), vtl=2),
        bytes_for(VBS, context(at(0)), data=register_list(RIP, vtl=2), vtl=2),
    ),
    ("register-twice", OPENVMM): Example(
        bytes_for(VBS, context(at(0)), data=register_list(RIP, RIP)),
        bytes_for(VBS, context(at(0)), data=register_list(RIP, TR, TR)),
    ),
    ("register-tr", OPENVMM): Example(
        bytes_for(VBS, context(at(0)), data=register_list(RIP, TR)), FINE_VBS
    ),
    ("vtl2-memory", OPENVMM): Example(
        bytes_for(VBS, required(0, 4096, flags=1)),
        bytes_for(VBS, required(0, 4096, flags=1), vtl=2),
    ),
    ("required-empty", OPENVMM): Example(
        bytes_for(VBS, required(0, 0), LOW_PAGE), bytes_for(VBS, required(0, 4096), LOW_PAGE)
    ),
    ("error-range", OPENVMM): Example(
        bytes_for(VBS, error_range(0, 1)), bytes_for(VBS, error_range(0, 4096))
    ),
    ("relocation", OPENVMM): Example(bytes_for(SNP, REGION, LOW_PAGE), FINE_SNP),
    ("relocation-vtl", OPENVMM): Example(
        bytes_for(VBS, region(0x200000, high=1 << 32), LOW_PAGE), bytes_for(VBS, REGION, LOW_PAGE)
    ),
    ("relocation-boundary", OPENVMM): Example(
        bytes_for(VBS, REGION, page_tables(0x400000, vtl=2), LOW_PAGE),
        bytes_for(VBS, REGION, page_tables(0x401000, vtl=2), LOW_PAGE),
    ),
    ("relocation-twice", OPENVMM): Example(
        bytes_for(VBS, REGION, region(0x300000, vtl=2, high=1 << 32), LOW_PAGE),
        bytes_for(VBS, REGION, LOW_PAGE),
    ),
}
"""By the rule's name and the first of its loaders."""
