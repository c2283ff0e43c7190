"""Digests of Amazon EC2 and Google Compute Engine, held against sev-snp-measure's own tests.

Its fixture is the last page of a build of OVMF, which is not ours to keep. What the digests depend
on besides is public in the same tests: the digest of the firmware's pages (`--snp-ovmf-hash`), the
sections of its SEV metadata, and where its other processors start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import igvm
from igvm.launch.kernel_hashes import with_hashes
from igvm.launch.kvm.clouds import EC2, GCE
from igvm.launch.loaders.qemu_kvm import QEMU
from igvm.measurement.host_axes import CPUID_ORDER, ZERO_PAGES
from igvm.measurement.technologies.snp import TECHNOLOGY, chain
from tests.small_files.built_guests import AP_ADDRESS, RESET_VECTOR, reset_context
from tests.small_files.guests import SNP

if TYPE_CHECKING:
    from igvm.launch.kvm.vmm import VMM

FIRMWARE = bytes.fromhex(
    "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2"
    "c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"
)
"""The digest after the pages of the firmware (test_guest.py, test_snp_ovmf_hash_full_default)."""
HASHES_GPA = 0x810C00
CALLING_AREA = 0x80F000


def sections() -> igvm.LaunchPlan:
    """The sections of the SEV metadata as QEMU loads them, with the hashes of an empty kernel."""
    builder = igvm.Builder()
    snp = builder.platform(SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.empty_pages(0x800000, 9, snp)
    builder.empty_pages(0x80A000, 3, snp)
    builder.empty_pages(0x80D000, 1, snp, data_type=igvm.PageDataType.SECRETS)
    builder.empty_pages(0x80E000, 1, snp, data_type=igvm.PageDataType.CPUID_DATA)
    builder.empty_pages(CALLING_AREA, 1, snp)
    builder.empty_pages(0x810000, 1, snp)
    builder.empty_pages(0x811000, 15, snp)
    plan = ZERO_PAGES.choice("zero").change(igvm.plan(igvm.parse(builder.to_bytes()), SNP))
    return with_hashes(plan, igvm.KernelHashes.of(b""), HASHES_GPA).measured_part()


def launch_digest(plan: igvm.LaunchPlan, vmm: VMM, vcpus: int, features: int) -> str:
    """The digest of the firmware, `plan` and the VMSAs of `vmm`."""
    *_, after_pages = chain(plan, FIRMWARE)
    addresses = [RESET_VECTOR, *[AP_ADDRESS] * (vcpus - 1)]
    assert vmm.start is not None
    assert TECHNOLOGY.continuation is not None
    pages = [vmm.start(address, features).pack() for address in addresses]
    entries = [TECHNOLOGY.continuation.entry(page, 0xFFFFFFFFF000) for page in pages]
    *_, digest = TECHNOLOGY.continuation.after(after_pages, entries)
    made: bytes = digest
    return made.hex()


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (
            0x21,
            (
                "0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b7"
                "1052498ab52b2f1aa415db338033946ef93aa8278c0d67fb"
            ),
        ),
        (
            0x1,
            (
                "0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab9"
                "85443bbcc65c086b9c15e8a0bd8811050dec7e24964e5056"
            ),
        ),
    ],
    ids=["default", "SNP only"],
)
def test_ec2(features: int, expected: str) -> None:
    """EC2 loads the CPUID page last and starts vCPUs its own way (test_snp_ec2_*)."""
    plan = CPUID_ORDER.choice("last").change(sections())
    assert expected == launch_digest(plan, EC2, 1, features)


@pytest.mark.parametrize(
    ("vcpus", "expected"),
    [
        (
            1,
            (
                "5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0"
                "c08e7827b04b688ea8b4e403c8404efed4397ea5d5d0722e"
            ),
        ),
        (
            4,
            (
                "5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2"
                "e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d"
            ),
        ),
    ],
    ids=["1 vCPU", "4 vCPUs"],
)
def test_gce(vcpus: int, expected: str) -> None:
    """GCE measures no working memory and starts vCPUs its own way (test_snp_gce_*)."""
    plan = ZERO_PAGES.choice("unmeasured").change(sections())
    # The calling area stays a zero page; the firmware, which says where it is, is not in the file.
    rows = plan.rows.copy()
    rows["operation"][rows["gpa"] == np.uint64(CALLING_AREA)] = igvm.Operation.ZERO
    assert expected == launch_digest(plan.with_rows(rows), GCE, vcpus, 1)


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
