"""VBS measurements: who vouches for a VBS guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import not_zero
from igvm.checks.rule import headers, rule
from igvm.spec.directive import VBSMeasurement
from igvm.spec.enums import PlatformType, VBSDigestAlgorithm, VBSSigningAlgorithm

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_SHA256_SIZE = 32


@rule(
    "vbs-measurement-platform",
    WARNING,
    "a VBS_MEASUREMENT should be for VSM_ISOLATION alone",
    "IGVM_VHS_VBS_MEASUREMENT.compatibility_mask",
)
def vbs_measurement_platform(inspected: InspectedFile) -> Found:
    """It means nothing on another platform; the reference crate takes it on any."""
    import numpy as np

    table = inspected.table(VBSMeasurement)
    others = np.uint32(inspected.declared_mask & ~inspected.mask_of(PlatformType.VSM_ISOLATION))
    is_for_others = table[VBSMeasurement.compatibility_mask] & others != 0
    yield from headers(table.index, is_for_others, "compatibility_mask")


@rule(
    "vbs-measurement-twice",
    WARNING,
    "a platform should have one VBS_MEASUREMENT",
    "IGVM_VHS_VBS_MEASUREMENT",
)
def vbs_measurement_twice(inspected: InspectedFile) -> Found:
    """A guest has one digest, and it is not specified which of two signatures counts."""
    table = inspected.table(VBSMeasurement)
    mask = table[VBSMeasurement.compatibility_mask]
    yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "vbs-measurement-algorithm",
    ERROR,
    "boot_digest_algo must be 1, SHA-256, and signing_algo 1, ECDSA P-384",
    "VbsDigestAlgorithm, VbsSigningAlgorithm",
)
def vbs_measurement_algorithm(inspected: InspectedFile) -> Found:
    """Zero is invalid, and there are no other algorithms; the reference crate doesn't look."""
    table = inspected.table(VBSMeasurement)
    digest, signing = table[VBSMeasurement.boot_digest_algo], table[VBSMeasurement.signing_algo]
    yield from headers(table.index, digest != VBSDigestAlgorithm.SHA256, "boot_digest_algo")
    yield from headers(table.index, signing != VBSSigningAlgorithm.ECDSA_P384, "signing_algo")


@rule(
    "vbs-measurement-version",
    WARNING,
    "version of a VBS_MEASUREMENT should be 1",
    "IGVM_VHS_VBS_MEASUREMENT.version; OpenVMM, igvmfilegen",
)
def vbs_measurement_version(inspected: InspectedFile) -> Found:
    """It is the version of the structure that is signed, and there is one."""
    table = inspected.table(VBSMeasurement)
    yield from headers(table.index, table[VBSMeasurement.version] != 1, "version")


@rule(
    "vbs-measurement-policy",
    WARNING,
    "policy_flags should have no bits but bit 0, debug",
    "IGVM_VHS_VBS_MEASUREMENT.policy_flags; OpenVMM, igvmfilegen",
)
def vbs_measurement_policy(inspected: InspectedFile) -> Found:
    """Bit 0 lets the host debug the guest; the others have no known meaning."""
    table = inspected.table(VBSMeasurement)
    yield from headers(table.index, table[VBSMeasurement.policy_flags] > 1, "policy_flags")


@rule(
    "vbs-measurement-digest",
    WARNING,
    "boot_measurement_digest should be a SHA-256 digest and zeroes after it",
    "IGVM_VHS_VBS_MEASUREMENT.boot_measurement_digest",
)
def vbs_measurement_digest(inspected: InspectedFile) -> Found:
    """A digest of zeroes was never computed, and one with more than 32 bytes is not SHA-256."""
    table = inspected.table(VBSMeasurement)
    digest = table[VBSMeasurement.boot_measurement_digest]
    is_no_digest = ~not_zero(digest) | not_zero(digest[:, _SHA256_SIZE:])
    message = "{field} is zero or longer"
    yield from headers(table.index, is_no_digest, "boot_measurement_digest", message)
