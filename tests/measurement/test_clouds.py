"""VMSAs of Amazon EC2 and Google Compute Engine, held against those of sev-snp-measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from igvm.launch.kvm.clouds import EC2, GCE
from igvm.launch.loaders.qemu_kvm import QEMU
from tests.small_files.built_guests import AP_ADDRESS, RESET_VECTOR, reset_context

if TYPE_CHECKING:
    from igvm.launch.kvm.vmm import VMM


@pytest.mark.parametrize(("vmm", "name"), [(EC2, "ec2"), (GCE, "gce")], ids=["EC2", "GCE"])
def test_same_as_sev_snp_measure(vmm: VMM, name: str) -> None:
    """VMSAs are those that sev-snp-measure writes, whatever the address."""
    judge = pytest.importorskip("sevsnpmeasure.vmsa")
    kinds = pytest.importorskip("sevsnpmeasure.vmm_types")
    assert vmm.start is not None
    for address in (RESET_VECTOR, AP_ADDRESS, 0x12345678):
        area = judge.VMSA.build_save_area(address, 0x21, 0, getattr(kinds.VMMType, name))
        assert bytes(area) == vmm.start(address, 0x21).pack()


def test_qemu_is_not_a_cloud() -> None:
    """The reset context of the tests is QEMU's in the same program, and ours."""
    judge = pytest.importorskip("sevsnpmeasure.vmsa")
    area = judge.VMSA.build_save_area(AP_ADDRESS, 1, 0x800F12)
    assert bytes(area) == reset_context(AP_ADDRESS).pack()
    assert QEMU.start is None
