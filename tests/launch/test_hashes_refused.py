"""Hashes of a kernel are measured or refused, never dropped."""

from __future__ import annotations

import pytest

import igvm
from examples.make_hello import hello


@pytest.mark.parametrize("profile", ["reference", "igvmmeasure", "qemu-kvm", "openvmm-kvm"])
def test_a_profile_without_hashes_refuses_them(profile: str) -> None:
    """A loader that does not measure a kernel says so."""
    hashes = igvm.KernelHashes.of(b"kernel")
    with pytest.raises(igvm.MeasurementError, match="does not measure the hashes"):
        igvm.plan(hello().build(), igvm.PlatformType.SEV_SNP, profile=profile, hashes=hashes)
