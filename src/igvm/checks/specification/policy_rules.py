"""Guest policies: SNP, TDX and CCA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Many, Place, headers, rule
from igvm.spec.directive import VBSMeasurement
from igvm.spec.enums import Architecture, CCAHashAlgorithm, CCALfaPolicy, PlatformType
from igvm.spec.initialization import CCAPolicy, GuestPolicy
from igvm.spec.isolation import ISOLATIONS, enumerated, platforms_with
from igvm.spec.policy import CCAAttributes, SNPPolicy, TDXPolicy
from igvm.spec.registry import HEADERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found
    from igvm.file.table import Table
    from igvm.wire.bits import BitField

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_WITH_POLICY = platforms_with(lambda isolation: isolation.has_guest_policy)

_WITH_SEV_POLICY = platforms_with(
    lambda isolation: isolation.has_guest_policy and isolation.policy is None
)
_SEV_NO_DEBUG = 1
"""NODBG of the policy of SEV and SEV-ES: debugging is forbidden where it is set."""
_NEWER_SNP = 0x1F << 21
"""CXL_ALLOW, MEM_AES_256_XTS, RAPL_DIS, CIPHERTEXT_HIDING_DRAM, PAGE_SWAP_DISABLE."""


def _policies_for(
    inspected: InspectedFile, platform: PlatformType
) -> tuple[Table[GuestPolicy], NDArray[np.bool_], NDArray[np.uint64]]:
    """The guest policies and which of them are for `platform`.

    Returns:
        Their table, of n headers; shape (n,), bool; the policies as numbers, shape (n,), uint64.
    """
    import numpy as np

    table = inspected.table(GuestPolicy)
    mask = np.uint32(inspected.mask_of(platform))
    is_for_platform = (table[GuestPolicy.compatibility_mask] & mask) != 0
    return table, is_for_platform, table[GuestPolicy.policy]


def _named_bits(bit_field: type[BitField]) -> int:
    """The bits of `bit_field` that have a name."""
    return sum(bits.mask for bits in bit_field.FIELDS)


@rule(
    "policy-snp-bit-17",
    ERROR,
    "bit 17 of an SNP policy must be one",
    "SnpPolicy.reserved_must_be_one",
)
def policy_snp_bit_17(inspected: InspectedFile) -> Found:
    """The SNP firmware refuses a launch with a policy whose bit 17 is zero.

    A policy that is all zero looks like a placeholder. 0x30000 allows SMT and nothing else.
    """
    import numpy as np

    table, is_snp, policy = _policies_for(inspected, PlatformType.SEV_SNP)
    is_clear = policy & np.uint64(SNPPolicy.reserved_must_be_one.mask) == 0
    yield from headers(table.index, is_snp & is_clear, "policy")


@rule(
    "policy-snp-reserved",
    ERROR,
    "reserved bits of an SNP policy must be zero",
    "SnpPolicy.reserved; SEV-SNP firmware ABI, guest policy",
)
def policy_snp_reserved(inspected: InspectedFile) -> Found:
    """The SNP firmware refuses a launch with a reserved bit set.

    Bits 21 to 25 have a meaning in newer firmware, see policy-snp-newer.
    """
    import numpy as np

    table, is_snp, policy = _policies_for(inspected, PlatformType.SEV_SNP)
    known_bits = np.uint64(_named_bits(SNPPolicy) | _NEWER_SNP)
    yield from headers(table.index, is_snp & (policy & ~known_bits != 0), "policy")


@rule(
    "policy-snp-newer",
    NOTE,
    "bits 21 to 25 of an SNP policy need firmware that knows them",
    "SnpPolicy.reserved; SEV-SNP firmware ABI 1.58, guest policy",
)
def policy_snp_newer(inspected: InspectedFile) -> Found:
    """igvm_defs has them reserved; the firmware ABI has given them a meaning since.

    They are CXL_ALLOW, MEM_AES_256_XTS, RAPL_DIS, CIPHERTEXT_HIDING_DRAM and PAGE_SWAP_DISABLE.
    Older firmware refuses the launch.
    """
    import numpy as np

    table, is_snp, policy = _policies_for(inspected, PlatformType.SEV_SNP)
    yield from headers(table.index, is_snp & (policy & np.uint64(_NEWER_SNP) != 0), "policy")


@rule(
    "policy-tdx-reserved",
    ERROR,
    "reserved bits of a TDX policy must be zero",
    "TdxPolicy.reserved",
)
def policy_tdx_reserved(inspected: InspectedFile) -> Found:
    """The policy has three bits, and they are not where ATTRIBUTES of a TD has them.

    Debugging is bit 0, no #VE for pending pages bit 1, migration bit 2.
    """
    import numpy as np

    table, is_tdx, policy = _policies_for(inspected, PlatformType.TDX)
    known_bits = np.uint64(_named_bits(TDXPolicy))
    yield from headers(table.index, is_tdx & (policy & ~known_bits != 0), "policy")


@rule(
    "policy-debug",
    WARNING,
    "the policy lets the host debug the guest",
    "SnpPolicy.debug, TdxPolicy.debug_allowed, CCA_POLICY_ATTR_DEBUG, "
    "IGVM_VHS_VBS_MEASUREMENT.policy_flags; SEV API, guest policy (NODBG)",
)
def policy_debug(inspected: InspectedFile) -> Found:
    """A host that may debug the guest can read and write its memory.

    That is right for a test image. In production nobody should trust the guest: a build of images
    for release stops on it with `igvm check --fail-on policy-debug`, and one of test images says
    `--ignore policy-debug`. On SEV and SEV-ES bit 0 of the policy forbids debugging, so it is the
    clear bit that allows it.
    """
    import numpy as np

    for platform, debug_bit in (
        (PlatformType.SEV_SNP, SNPPolicy.debug.mask),
        (PlatformType.TDX, TDXPolicy.debug_allowed.mask),
    ):
        table, is_for_platform, policy = _policies_for(inspected, platform)
        allows_debug = policy & np.uint64(debug_bit) != 0
        yield from headers(table.index, is_for_platform & allows_debug, "policy")
    for platform in _WITH_SEV_POLICY:
        table, is_for_platform, policy = _policies_for(inspected, platform)
        allows_debug = policy & np.uint64(_SEV_NO_DEBUG) == 0
        yield from headers(table.index, is_for_platform & allows_debug, "policy")
    signed = inspected.table(VBSMeasurement)
    is_for_vbs = signed[VBSMeasurement.compatibility_mask] & np.uint32(
        inspected.mask_of(PlatformType.VSM_ISOLATION)
    )
    allows_debug = (signed[VBSMeasurement.policy_flags] & 1 != 0) & (is_for_vbs != 0)
    yield from headers(signed.index, allows_debug, "policy_flags")
    realms = inspected.table(CCAPolicy)
    ones = realms[CCAPolicy.attributes_required_ones]
    requires_debug = ones & np.uint64(CCAAttributes.debug.mask) != 0
    yield from headers(realms.index, requires_debug, "attributes_required_ones")


@rule(
    "policy-platform",
    WARNING,
    f"a GUEST_POLICY should be for {enumerated(_WITH_POLICY, 'or')}",
    "IGVM_VHS_GUEST_POLICY.policy",
)
def policy_platform(inspected: InspectedFile) -> Found:
    """The specification defines the word for SNP and TDX; SEV has a policy of its own.

    It has no meaning on other platforms. A Realm has a CCA_POLICY.
    """
    import numpy as np

    table = inspected.table(GuestPolicy)
    mask = table[GuestPolicy.compatibility_mask]
    with_policy = inspected.mask_of(*_WITH_POLICY)
    is_for_others = mask & np.uint32(inspected.declared_mask & ~with_policy) != 0
    yield from headers(
        table.index,
        is_for_others,
        "compatibility_mask",
        lambda row: f"it is for {inspected.names(int(mask[is_for_others][row]) & ~with_policy)}",
    )


@rule(
    "policy-twice",
    WARNING,
    "a platform should have one policy",
    "IGVM_VHS_GUEST_POLICY, IGVM_VHS_CCA_POLICY",
)
def policy_twice(inspected: InspectedFile) -> Found:
    """Loaders differ in which one they take: the first, the last, or none of them.

    What the guest is launched with then depends on the loader. Keep one.
    """
    for record in (GuestPolicy, CCAPolicy):
        table = inspected.table(record)
        mask = table.column("compatibility_mask")
        yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "policy-missing",
    WARNING,
    "SEV_SNP should have a GUEST_POLICY, and CCA a CCA_POLICY",
    "IGVM_VHS_GUEST_POLICY, IGVM_VHS_CCA_POLICY",
)
def policy_missing(inspected: InspectedFile) -> Found:
    """Without one the host chooses what the guest is launched with.

    The reference crate cannot measure an SNP guest without a policy, and the hash that measures
    a Realm is part of the policy.
    """
    for platform in platforms_with(lambda isolation: isolation.policy_header):
        header_type = ISOLATIONS[platform].policy_header
        record = HEADERS[header_type].record if header_type is not None else None
        if record is None:
            continue
        masks = inspected.table(record).column("compatibility_mask")
        bits = inspected.mask_of(platform)
        if bits and not (masks & masks.dtype.type(bits)).any():
            yield Place(f"{platform.name} has none", offset=inspected.file.section_offset)


@rule(
    "policy-cca-architecture",
    ERROR,
    "a CCA_POLICY must be in an AARCH64 file",
    "IGVM_VHS_CCA_POLICY; the igvm crate",
)
def policy_cca_architecture(inspected: InspectedFile) -> Found:
    """Realms exist on Arm only; the reference crate refuses the file."""
    table = inspected.table(CCAPolicy)
    if inspected.file.architecture != Architecture.AARCH64 and len(table):
        yield Many(table.index, describe="the file is for X64")


@rule(
    "policy-cca-platform",
    ERROR,
    "a CCA_POLICY must be for CCA platforms alone",
    "IGVM_VHS_CCA_POLICY.compatibility_mask; the igvm crate",
)
def policy_cca_platform(inspected: InspectedFile) -> Found:
    """The policy means nothing to another platform; the reference crate refuses the file."""
    import numpy as np

    table = inspected.table(CCAPolicy)
    mask = table[CCAPolicy.compatibility_mask]
    others = np.uint32(inspected.declared_mask & ~inspected.mask_of(PlatformType.CCA))
    yield from headers(table.index, mask & others != 0, "compatibility_mask")


@rule(
    "policy-cca-conflict",
    ERROR,
    "no attribute may be required to be both zero and one",
    "IGVM_VHS_CCA_POLICY.attributes_required_zeroes",
)
def policy_cca_conflict(inspected: InspectedFile) -> Found:
    """No Realm fulfils such a policy; the reference crate refuses the file."""
    table = inspected.table(CCAPolicy)
    zeroes = table[CCAPolicy.attributes_required_zeroes]
    ones = table[CCAPolicy.attributes_required_ones]
    yield from headers(table.index, zeroes & ones != 0, "attributes_required_zeroes")


@rule(
    "policy-cca-attributes",
    WARNING,
    "a CCA_POLICY should require attributes that are defined",
    "CCA_POLICY_ATTR_DEBUG, CCA_POLICY_ATTR_MEC",
)
def policy_cca_attributes(inspected: InspectedFile) -> Found:
    """Bits 0 (debug) and 1 (MEC shared) are defined; a loader cannot know the others."""
    import numpy as np

    table = inspected.table(CCAPolicy)
    known_bits = np.uint64(_named_bits(CCAAttributes))
    for name in ("attributes_required_zeroes", "attributes_required_ones"):
        yield from headers(table.index, table.column(name) & ~known_bits != 0, name)


@rule(
    "policy-cca-values",
    ERROR,
    "hash_algorithm and lfa_policy must be values that the specification defines",
    "CcaHashAlgorithm, CcaLfaPolicy",
)
def policy_cca_values(inspected: InspectedFile) -> Found:
    """There is no Realm with a hash or an update policy that is not defined.

    The reference crate takes such a file.
    """
    table = inspected.table(CCAPolicy)
    for name, values in (("hash_algorithm", CCAHashAlgorithm), ("lfa_policy", CCALfaPolicy)):
        yield from headers(table.index, table.column(name) > max(values), name)
