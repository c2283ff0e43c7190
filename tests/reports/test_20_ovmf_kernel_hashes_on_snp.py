"""Report 20: more vCPUs than contexts, another processor, DEBUG_SWAP and a kernel on SEV-SNP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "20-ovmf-kernel-hashes-on-snp"
PLAIN = (
    "be6be417ff22c425e060acba09cb3f7f52b3f937b8360f5449fb003829432261"
    "0390850935cb33a683730608773365f3"
)
DEBUG_SWAP = (
    "209e0c7a72ff25074212ddc6dc5b7ccac06f25107dca13516eef7733d3d6cade"
    "480bbff4e2a9bb21488475bef883ae7c"
)
MILAN = (
    "3e743a6906da1c3c0e5e0ff59b6176808eebcfc6b7dd8709f72627b34a3b004c"
    "1724fb6def8b446b7541922647ec6a2c"
)
"""By hashlib in the report's make.py, which sev-snp-measure confirms over its firmware.fd."""

KERNEL = ("--kernel", "kernel", "--initrd", "initrd", "--append", "console=ttyS0")


@pytest.mark.parametrize(
    ("digest", "options"),
    [
        (PLAIN, "--vcpus 1 --cpu EPYC"),
        (DEBUG_SWAP, "--vcpus 4 --cpu EPYC --sev-features 0x21 --kernel ..."),
        (MILAN, "--vcpus 8 --cpu EPYC-Milan --kernel ..."),
    ],
    ids=["plain", "debug-swap", "milan"],
)
def test_found(ask: Ask, digest: str, options: str) -> None:
    """The digest is found, and what led to it told."""
    result = ask("find", digest, "firmware.igvm", *KERNEL)
    assert 0 == result.exit_code
    assert "found" in result.stdout
    assert "not found" not in result.stdout
    assert f"--loader qemu-bios {options}" in " ".join(result.stdout.split())


def test_measured_without_a_file(ask: Ask) -> None:
    """The firmware alone leads to the digest as well."""
    options = ["--platform", "snp", "--vcpus", "8", "--cpu", "EPYC-Milan", "--bare"]
    result = ask("measure", "--firmware", "firmware.fd", *options, *KERNEL)
    assert MILAN == result.stdout.strip()
