"""Report 12: a digest of QEMU that was given the firmware by -bios is explained as QEMU's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "12-qemu-bios-named-cloud-hypervisor"
DIGEST = (
    "13419f029fb208b1ab3e51ef9ff9784bc305b6329c4b6780b3c24764a34d2c73"
    "a9cc6c4b12a73bdc4aaa3b9d0aa06b42"
)
"""By hashlib in the report's make.py."""


def test_qemu_is_named(ask: Ask) -> None:
    """The match says QEMU, and with its options the digest is measured again."""
    result = ask("find", DIGEST, "firmware.igvm")
    assert 0 == result.exit_code
    assert "found" in result.stdout
    options = "--platform SEV_SNP --loader qemu-bios --vcpus 1 --cpu EPYC --sev-features 0x21"
    assert options in " ".join(result.stdout.split())
    measured = ask("measure", "firmware.igvm", *options.split(), "--bare")
    assert DIGEST == measured.stdout.strip()
