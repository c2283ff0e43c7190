"""A launch that a loader refuses is one that the lint of its loader has an error for."""

from __future__ import annotations

import random
from typing import Any

import pytest

import igvm
from igvm.errors import LoadError
from tests.small_files.contents import LONG_MODE_VMSA
from tests.small_files.guests import guest_for

ON_KVM = ("qemu-kvm", "cloud-hypervisor-kvm", "openvmm")
"""The loaders that have KVM build VMSAs."""

# Values around what KVM and the loaders look at, and far from it.
VALUES: dict[str, tuple[int, ...]] = {
    "cr0": (0x80000011, 0x11, 0x80000010, 0xA0000011, 0xE0000011, 0x180000011),
    "cr3": (0x1000, 0),
    "cr4": (0x20, 0, 0x60, 0x100000020),
    "efer": (0x1D00, 0xD00, 0x500, 0x100, 0x400, 0),
    "dr6": (0xFFFF0FF0, 0, 1 << 32),
    "dr7": (0x400, 0, 1, 0x401),
    "xcr0": (1, 0, 3, 5, 7, 0xE3, 0xE7, 0x27, 0x19, 9, 0x60001),
    "pat": (0x0007040600070406, 0, 2, 8, 3),
    "rip": (0xFFF0, 0),
    "star": (0, 1),
    "u_cet": (0, 1),
    "mxcsr": (0x1F80, 0),
    "sev_features": (1, 3, 0x21),
}


def draw(seed: int) -> igvm.SEVVMSA:
    """A VMSA with some of its fields odd."""
    chance = random.Random(seed)
    names = chance.sample(sorted(VALUES), chance.randrange(5))
    change: dict[str, Any] = {name: chance.choice(VALUES[name]) for name in names}
    if "sev_features" in change:
        change["sev_features"] = igvm.SEVFeatures(change["sev_features"])
    vmsa = LONG_MODE_VMSA.replace(**change)
    limit = chance.choice((0xFFFF,) * 5 + (0x10000,))
    code = chance.choice((0x29B,) * 3 + (0xC9B, 0x21B))
    return vmsa.replace(cs=vmsa.cs.replace(attrib=code), gdtr=vmsa.gdtr.replace(limit=limit))


def refused(file: igvm.IgvmFile, loader: str) -> str | None:
    """The header for which there is no plan; None if there is one."""
    try:
        igvm.plan(file, igvm.PlatformType.SEV_SNP, loader=loader, vcpus=1)
    except LoadError as error:
        return error.header
    return None


@pytest.mark.parametrize("loader", ON_KVM)
def test_plan_and_lint_agree(loader: str) -> None:
    """For VMSAs of all kinds: no digest means an error at the context, and the other way round."""
    count = 0
    for seed in range(400):
        file = guest_for(draw(seed))
        rules = {
            finding.rule
            for finding in igvm.lint(file, loader)
            if finding.is_error and finding.header_type == "VP_CONTEXT"
        }
        header = refused(file, loader)
        assert ("VP_CONTEXT" if rules else None) == header, (seed, rules)
        count += header is not None
    assert 40 < count < 390
