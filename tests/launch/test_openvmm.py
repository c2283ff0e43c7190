"""What OpenVMM with KVM does with a file."""

from __future__ import annotations

import re
import struct

import pytest

import igvm
from igvm.errors import LoadError
from igvm.launch.kvm.vmsa_rewriting import VMSA_GPA
from tests import raw
from tests.launch.guests import POLICY, VMSA, blob, pages, rows, vmsas, with_context
from tests.measure.files import SNP, build


def test_openvmm() -> None:
    """File order, unmeasured before shared before normal, areas page by page, the VMSAs last."""
    file = with_context(
        VMSA,
        raw.area(1, 0x2000),
        *pages(0x5000),
        *pages(0x4000, flags=4),
        *pages(0x3000, flags=6),
        *pages(0x2000, kind=2, flags=4),
        raw.insert(1, 0x8000),
        raw.header(0x30D, struct.pack("<QII", 0xA000, 1, 4096)),
    )
    expected = ["NORMAL 5000", "SHARED 4000", "UNMEASURED 3000", "CPUID 2000", "PARAMETER 8000 x2"]
    expected += ["ERROR_RANGE a000", f"VP_CONTEXT {VMSA_GPA:x}", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert expected == rows(file, "openvmm", vcpus=2, cpu="EPYC")


def test_what_openvmm_takes_of_a_context() -> None:
    """Also MSRs and x87 state; CR2 and breakpoints are set and not measured."""
    given = VMSA.replace(
        tr=igvm.SEVSelector(base=1), ldtr=igvm.SEVSelector(base=2), efer=0x1D00, cr0=0x80000031,
        cr4=0x60, rflags=2, pat=7, dr6=8, dr7=0, xcr0=3, mxcsr=0x1F00, x87_fcw=2, xss=4, star=5,
        sysenter_eip=6, x87_fsw=7, cr2=3, dr0=4,
    )  # fmt: skip
    made = given.replace(cr2=0, dr0=0)
    given = given.replace(reserved7=bytes(4) + b"\1\2\3\4" + bytes(24))  # TSC_AUX
    assert [blob(made)] == vmsas(with_context(given), "openvmm", vcpus=1)


def openvmm_refuses(file: igvm.IgvmFile, message: str) -> None:
    """It does so with these words."""
    with pytest.raises(LoadError, match=re.escape(message)):
        rows(file, "openvmm", vcpus=1)


def test_what_openvmm_refuses() -> None:
    """Files for which its backend has no way to launch them."""
    openvmm_refuses(build(SNP, lambda _: []), "there is no GUEST_POLICY for SEV_SNP")
    openvmm_refuses(build(SNP, lambda _: [POLICY]), "one context, for vCPU 0, and the file has 0")
    second = build(SNP, lambda at: [POLICY, raw.context(at[0], index=1)], blob(VMSA))
    openvmm_refuses(second, "and the file has 1, for vCPU 1")
    openvmm_refuses(with_context(VMSA, *pages(0, kind=3)), "OpenVMM on KVM has no CPUID_XF page")
    tom = VMSA.replace(virtual_tom=1 << 46)
    openvmm_refuses(with_context(tom), "VP_CONTEXT.virtual_tom: OpenVMM on KVM does not support")
    openvmm_refuses(with_context(VMSA.replace(u_cet=1)), "OpenVMM refuses this u_cet")
    wide = VMSA.replace(gdtr=igvm.SEVSelector(limit=0x10000))
    openvmm_refuses(with_context(wide), "OpenVMM refuses this gdtr")
    openvmm_refuses(with_context(VMSA, gpa=0x1000), "VP_CONTEXT.gpa: OpenVMM wants a VMSA at 0xff")
    nothing = with_context(VMSA, raw.area(1, 0), raw.insert(1, 0x8000))
    openvmm_refuses(nothing, "OpenVMM does not insert an area of no bytes")
    for name, value in (("cr0", 0x11), ("cr3", 0), ("cr4", 0), ("efer", 0x500), ("rip", 0)):
        odd = with_context(VMSA.replace(**{name: value}))
        openvmm_refuses(odd, f"VP_CONTEXT.{name}: OpenVMM on KVM wants ")
    flat = VMSA.replace(cs=VMSA.cs.replace(attrib=0xC9B))
    openvmm_refuses(with_context(flat), "OpenVMM on KVM wants a present segment of 64-bit code")
    region = raw.header(0x102, struct.pack("<IHBBQQQQQ", 1, 0, 0, 0, 4096, 4096, 4096, 0, 1 << 30))
    moved = build(SNP, lambda at: [POLICY, region, raw.context(at[0])], blob(VMSA))
    openvmm_refuses(moved, "OpenVMM on KVM refuses relocations")
    for name, platform in (
        ("highest_vtl", raw.platform(2, vtl=2)),
        ("shared_gpa_boundary", raw.platform(2, boundary=1 << 46)),
    ):
        odd = igvm.parse(raw.Raw(platform + POLICY, bytes(8)).file())
        openvmm_refuses(odd, f"SUPPORTED_PLATFORM.{name}: OpenVMM on KVM wants no {name}")
