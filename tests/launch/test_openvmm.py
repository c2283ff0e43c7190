"""What OpenVMM with KVM does with a file."""

from __future__ import annotations

import re

import pytest

import igvm
from igvm.errors import LoadError
from tests.launch.plan_rows import rows, vmsas
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA
from tests.small_files.guests import SNP, VMSA_GPA, file_for, guest_for


def test_openvmm() -> None:
    """File order, unmeasured before shared before normal, areas page by page, the VMSAs last."""
    file = guest_for(
        LONG_MODE_VMSA,
        raw.area(1, 0x2000),
        raw.page(0x5000),
        raw.page(0x4000, flags=4),
        raw.page(0x3000, flags=6),
        raw.page(0x2000, kind=2, flags=4),
        raw.insert(1, 0x8000),
        raw.error_range(0xA000, 4096),
    )
    expected = ["NORMAL 5000", "SHARED 4000", "UNMEASURED 3000", "CPUID 2000", "PARAMETER 8000 x2"]
    expected += ["ERROR_RANGE a000", f"VP_CONTEXT {VMSA_GPA:x}", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert expected == rows(file, "openvmm", vcpus=2, cpu="EPYC")


def test_what_openvmm_takes_of_a_context() -> None:
    """Also MSRs and x87 state; CR2 and breakpoints are set and not measured."""
    given = LONG_MODE_VMSA.replace(
        tr=igvm.SEVSelector(base=1), ldtr=igvm.SEVSelector(base=2), efer=0x1D00, cr0=0x80000031,
        cr4=0x60, rflags=2, pat=7, dr6=8, dr7=0, xcr0=3, mxcsr=0x1F00, x87_fcw=2, xss=4, star=5,
        sysenter_eip=6, x87_fsw=7, cr2=3, dr0=4,
    )  # fmt: skip
    started = given.replace(cr2=0, dr0=0)
    given = given.replace(reserved7=bytes(4) + b"\1\2\3\4" + bytes(24))  # TSC_AUX
    assert [started.pack()] == vmsas(guest_for(given), "openvmm", vcpus=1)


def openvmm_refuses(file: igvm.IgvmFile, message: str) -> None:
    """It does so with these words."""
    with pytest.raises(LoadError, match=re.escape(message)):
        rows(file, "openvmm", vcpus=1)


def test_what_openvmm_refuses() -> None:
    """Files for which its backend has no way to launch them."""
    openvmm_refuses(file_for(SNP), "there is no GUEST_POLICY for SEV_SNP")
    openvmm_refuses(file_for(SNP, raw.policy()), "one context, for vCPU 0, and the file has 0")
    openvmm_refuses(guest_for(LONG_MODE_VMSA, index=1), "and the file has 1, for vCPU 1")
    openvmm_refuses(
        guest_for(LONG_MODE_VMSA, raw.page(0, kind=3)), "OpenVMM on KVM has no CPUID_XF page"
    )
    tom = LONG_MODE_VMSA.replace(virtual_tom=1 << 46)
    openvmm_refuses(guest_for(tom), "VP_CONTEXT.virtual_tom: OpenVMM on KVM does not support")
    openvmm_refuses(guest_for(LONG_MODE_VMSA.replace(u_cet=1)), "OpenVMM refuses this u_cet")
    wide = LONG_MODE_VMSA.replace(gdtr=igvm.SEVSelector(limit=0x10000))
    openvmm_refuses(guest_for(wide), "OpenVMM refuses this gdtr")
    openvmm_refuses(
        guest_for(LONG_MODE_VMSA, gpa=0x1000),
        "VP_CONTEXT.gpa: OpenVMM wants a VMSA at 0xff",
    )
    nothing = guest_for(LONG_MODE_VMSA, raw.area(1, 0), raw.insert(1, 0x8000))
    openvmm_refuses(nothing, "OpenVMM does not insert an area of no bytes")
    for name, value in (("cr0", 0x11), ("cr3", 0), ("cr4", 0), ("efer", 0x500), ("rip", 0)):
        odd = guest_for(LONG_MODE_VMSA.replace(**{name: value}))
        openvmm_refuses(odd, f"VP_CONTEXT.{name}: OpenVMM on KVM wants ")
    flat = LONG_MODE_VMSA.replace(cs=LONG_MODE_VMSA.cs.replace(attrib=0xC9B))
    openvmm_refuses(guest_for(flat), "OpenVMM on KVM wants a present segment of 64-bit code")
    moved = guest_for(LONG_MODE_VMSA, raw.region(high=1 << 30))
    openvmm_refuses(moved, "OpenVMM on KVM refuses relocations")
    for name, odd in (
        ("highest_vtl", file_for(SNP, raw.policy(), vtl=2)),
        ("shared_gpa_boundary", file_for(SNP, raw.policy(), boundary=1 << 46)),
    ):
        openvmm_refuses(odd, f"SUPPORTED_PLATFORM.{name}: OpenVMM on KVM wants no {name}")
