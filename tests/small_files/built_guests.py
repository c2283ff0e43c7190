"""Guests put together with igvm.Builder: for SNP and TDX, for two vCPUs, a Realm, the example."""

from __future__ import annotations

from typing import Any

import igvm
from examples.make_hello import hello, vmsa
from tests.small_files.contents import REC
from tests.small_files.guests import CCA, SEV_ES, SNP, TDX, VMSA_GPA

# From `igvm measure examples/hello.igvm`; the oracle agrees (tests/measurement).
HELLO_SNP = (
    "c1f57bd124cb58bf8f4292d6c38f8ba2d472eb55680779fd"
    "7d5854164e21c3ec2ae91082465ad06591ebc5229b8b8d54"
)
HELLO_VBS = "4d719891b04bc2c6b319e3afac095bf402a8c6a50f5ffc77546967dc56c0c874"

_CODE_SEGMENT = vmsa().cs.replace(attrib=0x29B)
HELLO_VMSA = vmsa().replace(cs=_CODE_SEGMENT, cr0=0x80000011, cr3=0x1000, cr4=0x20, efer=0x1D00)
"""The example's context in 64-bit mode, which OpenVMM wants."""


def tdx_builder(**fixed: Any) -> igvm.Builder:
    """A builder of a file for TDX, which has a header of 24 bytes and no other."""
    builder = igvm.Builder(**fixed)
    builder.platform(TDX)
    return builder


def hello_guest() -> igvm.IgvmFile:
    """The example for NATIVE, SEV_SNP and VSM_ISOLATION."""
    return igvm.parse(hello().to_bytes())


def snp_tdx_guest(*, byte: int = 1, late: bool = False) -> igvm.IgvmFile:
    """A guest for SNP and TDX with a parameter area, data, empty, shared and unmeasured pages.

    Args:
        byte: what fills its second page.
        late: whether pages come after the context.
    """
    builder = igvm.Builder(revision=2)
    snp, tdx = builder.platform(SNP), builder.platform(TDX)
    platforms = [snp, tdx]
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    area = builder.parameter_area(3 * 4096)
    builder.insert(area, 0x200000, platforms)
    builder.pages(0x100000, bytes([7]) * 4096 + bytes([byte]) * 4096, platforms)
    builder.empty_pages(0x102000, 2, platforms)
    builder.pages(0x104000, b"s" * 4096, platforms, flags=igvm.PageDataFlags.SHARED)
    builder.empty_pages(0x105000, 1, platforms, flags=igvm.PageDataFlags.UNMEASURED)
    builder.context(HELLO_VMSA, snp, gpa=VMSA_GPA)
    if late:
        builder.pages(0x106000, b"l" * 4096, platforms)
    return igvm.parse(builder.to_bytes())


def two_vcpu_guest() -> igvm.IgvmFile:
    """A guest for SNP and SEV-ES with two contexts."""
    builder = igvm.Builder(revision=2)
    snp, sev_es = builder.platform(SNP), builder.platform(SEV_ES)
    platforms = [snp, sev_es]
    builder.policy(igvm.SNPPolicy.of(smt=1), platforms)
    builder.pages(0x100000, b"code", platforms)
    builder.empty_pages(0x101000, 1, platforms)
    for platform, features in ((snp, igvm.SEVFeatures.SNP), (sev_es, igvm.SEVFeatures(0))):
        for index, rip in enumerate((0x100000, 0x5000)):
            context = HELLO_VMSA.replace(rip=rip, sev_features=features)
            builder.context(context, platform, gpa=VMSA_GPA, vp_index=index)
    return igvm.parse(builder.to_bytes())


RESET_VECTOR, AP_ADDRESS = 0xFFFFFFF0, 0x80B004
"""Where the first processor of the firmware starts, and where the others do."""


def reset_context(address: int, signature: int = 0x800F12, **fields: Any) -> igvm.SEVVMSA:
    """A vCPU of QEMU after a reset, as sev-snp-measure 0.0.13 has it (vmsa.py)."""
    data, limit = igvm.SEVSelector(attrib=0x93, limit=0xFFFF), igvm.SEVSelector(limit=0xFFFF)
    base = address & 0xFFFF0000
    made = igvm.SEVVMSA(
        cs=igvm.SEVSelector(selector=0xF000, attrib=0x9B, limit=0xFFFF, base=base),
        ds=data, es=data, fs=data, gs=data, ss=data,
        gdtr=limit, idtr=limit, ldtr=igvm.SEVSelector(attrib=0x82, limit=0xFFFF),
        tr=igvm.SEVSelector(attrib=0x8B, limit=0xFFFF), rip=address & 0xFFFF, rflags=2,
        rdx=signature, cr0=0x10, cr4=0x40, efer=0x1000, dr6=0xFFFF0FF0, dr7=0x400,
        pat=0x7040600070406, xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F, sev_features=igvm.SEVFeatures.SNP,
    )  # fmt: skip
    return made.replace(**fields)


def firmware_guest(platform: igvm.PlatformType = SNP, *, vcpus: int = 2) -> igvm.IgvmFile:
    """Firmware below 4 GiB whose vCPUs start in real mode, with empty pages on SEV-SNP."""
    builder = igvm.Builder()
    kind = builder.platform(platform)
    builder.policy(igvm.SNPPolicy.of(smt=1), kind)
    builder.pages(0xFFFFE000, b"firmware" * 1024, kind)
    if platform == SNP:
        builder.empty_pages(0x800000, 2, kind)
        builder.empty_pages(0x80D000, 1, kind, data_type=igvm.PageDataType.SECRETS)
        builder.empty_pages(0x80E000, 1, kind, data_type=igvm.PageDataType.CPUID_DATA)
        builder.empty_pages(0x80F000, 1, kind)
    for index in range(vcpus):
        context = reset_context(AP_ADDRESS if index else RESET_VECTOR)
        if platform != SNP:
            context = context.replace(sev_features=igvm.SEVFeatures(0))
        builder.context(context, kind, vp_index=index, gpa=VMSA_GPA)
    return igvm.parse(builder.to_bytes())


def realm() -> igvm.IgvmFile:
    """A guest for CCA with a runnable REC and one that is not."""
    builder = igvm.Builder(revision=2, architecture=igvm.Architecture.AARCH64)
    cca = builder.platform(CCA)
    builder.pages(0x100000, b"code", cca)
    builder.empty_pages(0x101000, 1, cca, flags=igvm.PageDataFlags.UNMEASURED)
    builder.context(REC.replace(pc=0x100000), cca)
    builder.context(REC.replace(pc=0x100000, flags=0), cca, vp_index=1)
    return igvm.parse(builder.to_bytes())
