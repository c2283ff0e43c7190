"""Report 18: QEMU collects pages in runs, inserts areas at once, and KVM completes VMSAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "18-qemu-page-runs"
DIGEST = (
    "41d6e40983170251d658f5476c0767ad6ad3f1218bdcf54724de3fc9e8ebd3d8"
    "1c104a88fb9edee8d8707ff01458ab2c"
)
"""By hashlib in the report's make.py."""


def test_qemus_digest(ask: Ask) -> None:
    """The digest of QEMU on KVM with two vCPUs is the report's."""
    result = ask("measure", "runs.igvm", "--loader", "qemu-kvm", "--vcpus", "2", "--bare")
    assert 0 == result.exit_code
    assert DIGEST == result.output.strip()
