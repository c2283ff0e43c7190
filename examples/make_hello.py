"""Makes examples/hello.igvm: one small guest for three platforms, with the Builder alone.

The guest is the few bytes of hello.S; around them stand the headers that real files have: a
policy, a page for each special purpose, two parameter areas, required memory and a context of
each kind. QEMU starts it on q35, pc and microvm as they come.
"""

from __future__ import annotations

import sys
from pathlib import Path

from igvm import (
    SEVVMSA,
    Architecture,
    Builder,
    HvSegmentRegister,
    HvX64Register,
    MemoryMap,
    NativeContextX64,
    PageDataType,
    PlatformType,
    SEVFeatures,
    SEVSelector,
    SNPPolicy,
    VBSContext,
    VBSRegister,
    VPCount,
)

CODE_GPA = 0x100000

# hello.S, assembled for CODE_GPA.
CODE = (
    bytes.fromhex(
        "be 14 00 10 00"  # mov    $message, %esi
        "66 ba f8 03"  # mov    $0x3f8, %dx
        "ac"  # lodsb
        "84 c0"  # test   %al, %al
        "74 03"  # jz     done
        "ee"  # out    %al, %dx
        "eb f8"  # jmp    next
        "f4"  # hlt
        "eb fd"  # jmp    done
    )
    + b"Hello from IGVM\n\0"
)

FLAT_CODE = 0xC09B
FLAT_DATA = 0xC093


def native() -> NativeContextX64:
    """32-bit protected mode with flat segments."""
    return NativeContextX64(
        rip=CODE_GPA,
        rflags=2,
        cr0=0x11,
        code_selector=8,
        code_attributes=FLAT_CODE,
        code_limit=0xFFFFFFFF,
        data_selector=16,
        data_attributes=FLAT_DATA,
        data_limit=0xFFFFFFFF,
    )


def vmsa() -> SEVVMSA:
    """The same as a VMSA; its attributes have no gap at bits 8 to 11."""
    code = SEVSelector(selector=8, attrib=0xC9B, limit=0xFFFFFFFF)
    data = SEVSelector(selector=16, attrib=0xC93, limit=0xFFFFFFFF)
    return SEVVMSA(
        cs=code, ds=data, es=data, ss=data, fs=data, gs=data,
        rip=CODE_GPA, rflags=2, cr0=0x11, efer=0x1000, pat=0x0007040600070406,
        dr6=0xFFFF0FF0, dr7=0x400, xcr0=1, sev_features=SEVFeatures.SNP,
    )  # fmt: skip


def vbs() -> VBSContext:
    """The same as Hyper-V registers of VTL 0."""
    code = HvSegmentRegister(selector=8, attributes=FLAT_CODE, limit=0xFFFFFFFF)
    data = HvSegmentRegister(selector=16, attributes=FLAT_DATA, limit=0xFFFFFFFF)
    numbers = {HvX64Register.RIP: CODE_GPA, HvX64Register.RFLAGS: 2, HvX64Register.CR0: 0x11}
    segments = {
        HvX64Register.CS: code,
        HvX64Register.DS: data,
        HvX64Register.SS: data,
        HvX64Register.ES: data,
    }
    values = {name: value.to_bytes(16, "little") for name, value in numbers.items()}
    values |= {name: value.pack() for name, value in segments.items()}
    return VBSContext(
        Architecture.X64,
        tuple(
            VBSRegister(vtl=0, register_name=name, register_value=value)
            for name, value in values.items()
        ),
    )


def hello() -> Builder:
    """The whole file."""
    builder = Builder(revision=2)
    plain = builder.platform(PlatformType.NATIVE)
    snp = builder.platform(PlatformType.SEV_SNP)
    hyperv = builder.platform(PlatformType.VSM_ISOLATION)
    everyone = [plain, snp, hyperv]
    builder.policy(SNPPolicy.of(smt=1), snp)
    # From 1 MiB on: below it QEMU's machines have devices and ROM in the middle of RAM.
    builder.required_memory(0x100000, 0x100000, everyone)
    # QEMU writes a memory map at the start of its area, over all that is there.
    count_area, map_area = builder.parameter_area(0x1000), builder.parameter_area(0x1000)
    builder.parameter(VPCount, count_area)
    builder.parameter(MemoryMap, map_area)
    builder.insert(count_area, 0x102000, everyone)
    builder.insert(map_area, 0x105000, everyone)
    builder.pages(CODE_GPA, CODE, everyone)
    builder.empty_pages(0x101000, 1, everyone)
    builder.empty_pages(0x103000, 1, snp, data_type=PageDataType.SECRETS)
    builder.empty_pages(0x104000, 1, snp, data_type=PageDataType.CPUID_DATA)
    builder.context(native(), plain)
    builder.context(vmsa(), snp, gpa=0xFFFFFFFFF000)
    builder.context(vbs(), hyperv)
    return builder


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("hello.igvm")
    hello().save(target, overwrite=True)
    print(f"{target}: {target.stat().st_size} bytes")
