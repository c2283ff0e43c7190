"""Report 16: a file for NATIVE alone is given to Cloud Hypervisor on KVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "16-native-file-on-cloud-hypervisor"


def test_loader_says_what_it_starts(ask: Ask) -> None:
    """Cloud Hypervisor's verdict names the platform that it starts."""
    result = ask("check", "stage0.igvm", "--loader", "cloud-hypervisor-kvm")
    assert 1 == result.exit_code
    assert "Cloud Hypervisor starts SEV_SNP" in " ".join(result.output.split())


def test_qemu_takes_it(ask: Ask) -> None:
    """QEMU without confidential guests starts it."""
    result = ask("check", "stage0.igvm", "--loader", "qemu-tcg")
    assert 0 == result.exit_code
    assert "accepted" in result.output
