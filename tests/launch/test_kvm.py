"""The VMSAs that KVM builds, against those that a real KVM built."""

from __future__ import annotations

import hashlib

import pytest

from igvm.launch.kvm.vmsa_rewriting import reset_vmsa

# SHA-256 of tests/data/vmsa0.bin and vmsa1.bin of sevctl 8b47f3a: the VMSAs of the first and the
# second vCPU of an SEV-ES guest, as a host of 2022 (QEMU with EPYC-Milan, KVM) measured them.
SEVCTL = {
    0xFFFFFFF0: "f8b52f775502472e5797d2674d9de21f6abc05dc05e9bc49cbb7b6a13688d5e7",
    0x0080B004: "bcee5cb289f72882da17abd8dca5e8a7e9f8e2033e7ad96b4db0ab1a383a6487",
}


@pytest.mark.parametrize(("reset_eip", "expected"), SEVCTL.items(), ids=["first", "second"])
def test_the_reset_state_is_that_of_real_guests(reset_eip: int, expected: str) -> None:
    """Byte for byte, but for the FPU, which KVM does not measure in a VM of its old type."""
    vmsa = reset_vmsa(0xA00F11, 0, reset_eip=reset_eip).replace(mxcsr=0, x87_fcw=0)
    assert expected == hashlib.sha256(vmsa.pack()).hexdigest()
