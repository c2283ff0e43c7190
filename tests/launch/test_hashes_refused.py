"""Hashes of a kernel are measured or refused, never dropped."""

from __future__ import annotations

import pytest

import igvm
from examples.make_hello import hello


@pytest.mark.parametrize("loader", ["reference", "igvmmeasure", "qemu-kvm", "openvmm"])
def test_a_loader_without_hashes_refuses_them(loader: str) -> None:
    """A loader that does not measure a kernel says so."""
    hashes = igvm.KernelHashes.of(b"kernel")
    with pytest.raises(igvm.ValidationError, match="does not measure the hashes"):
        igvm.plan(hello().build(), igvm.PlatformType.SEV_SNP, loader=loader, hashes=hashes)
