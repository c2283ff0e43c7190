"""Guest policies: SNP, TDX and CCA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Place, headers, rule
from igvm.spec.enums import Architecture, CCAHashAlgorithm, CCALfaPolicy, PlatformType
from igvm.spec.initialization import CCAPolicy, GuestPolicy
from igvm.spec.policy import CCAAttributes, SNPPolicy, TDXPolicy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found
    from igvm.file.table import Table
    from igvm.wire.bits import BitField

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_NEWER_SNP = 0x1F << 21
"""CXL_ALLOW, MEM_AES_256_XTS, RAPL_DIS, CIPHERTEXT_HIDING_DRAM, PAGE_SWAP_DISABLE."""


def _for(
    facts: Facts, kind: PlatformType
) -> tuple[Table[GuestPolicy], NDArray[np.bool_], NDArray[np.uint64]]:
    """The guest policies, which of them are for `kind`, and their words."""
    import numpy as np

    table = facts.table(GuestPolicy)
    mine = (table[GuestPolicy.compatibility_mask] & np.uint32(facts.bits(kind))) != 0
    return table, mine, table[GuestPolicy.policy]


def _bits(kind: type[BitField]) -> int:
    """The bits of `kind` that have a name."""
    return sum(bits.mask for bits in kind.FIELDS)


@rule(
    "policy-snp-bit-17",
    ERROR,
    "bit 17 of an SNP policy must be one",
    "SnpPolicy.reserved_must_be_one",
)
def policy_snp_bit_17(facts: Facts) -> Found:
    """The SNP firmware refuses a launch with a policy whose bit 17 is zero.

    A policy that is all zero is a placeholder somebody forgot. 0x30000 allows SMT and nothing
    else.
    """
    import numpy as np

    table, mine, policy = _for(facts, PlatformType.SEV_SNP)
    clear = policy & np.uint64(SNPPolicy.reserved_must_be_one.mask) == 0
    yield from headers(table.index, mine & clear, "policy")


@rule(
    "policy-snp-reserved",
    ERROR,
    "reserved bits of an SNP policy must be zero",
    "SnpPolicy.reserved; SEV-SNP firmware ABI, guest policy",
)
def policy_snp_reserved(facts: Facts) -> Found:
    """The SNP firmware refuses a launch with a reserved bit set.

    Bits 21 to 25 have a meaning in newer firmware, see policy-snp-newer.
    """
    import numpy as np

    table, mine, policy = _for(facts, PlatformType.SEV_SNP)
    known = np.uint64(_bits(SNPPolicy) | _NEWER_SNP)
    yield from headers(table.index, mine & (policy & ~known != 0), "policy")


@rule(
    "policy-snp-newer",
    NOTE,
    "bits 21 to 25 of an SNP policy need firmware that knows them",
    "SnpPolicy.reserved; SEV-SNP firmware ABI 1.58, guest policy",
)
def policy_snp_newer(facts: Facts) -> Found:
    """igvm_defs has them reserved; the firmware ABI has given them a meaning since.

    They are CXL_ALLOW, MEM_AES_256_XTS, RAPL_DIS, CIPHERTEXT_HIDING_DRAM and PAGE_SWAP_DISABLE.
    Older firmware refuses the launch.
    """
    import numpy as np

    table, mine, policy = _for(facts, PlatformType.SEV_SNP)
    yield from headers(table.index, mine & (policy & np.uint64(_NEWER_SNP) != 0), "policy")


@rule(
    "policy-tdx-reserved",
    ERROR,
    "reserved bits of a TDX policy must be zero",
    "TdxPolicy.reserved",
)
def policy_tdx_reserved(facts: Facts) -> Found:
    """The policy has three bits, and they are not where ATTRIBUTES of a TD has them.

    Debugging is bit 0, no #VE for pending pages bit 1, migration bit 2.
    """
    import numpy as np

    table, mine, policy = _for(facts, PlatformType.TDX)
    yield from headers(table.index, mine & (policy & ~np.uint64(_bits(TDXPolicy)) != 0), "policy")


@rule(
    "policy-debug",
    NOTE,
    "the policy lets the host debug the guest",
    "SnpPolicy.debug, TdxPolicy.debug_allowed, CCA_POLICY_ATTR_DEBUG",
)
def policy_debug(facts: Facts) -> Found:
    """A host that may debug the guest reads and writes all of its memory.

    That is right for a test image. In production nobody should trust the guest.
    """
    import numpy as np

    for kind, bit in (
        (PlatformType.SEV_SNP, SNPPolicy.debug.mask),
        (PlatformType.TDX, TDXPolicy.debug_allowed.mask),
    ):
        table, mine, policy = _for(facts, kind)
        yield from headers(table.index, mine & (policy & np.uint64(bit) != 0), "policy")
    realm = facts.table(CCAPolicy)
    ones = realm[CCAPolicy.attributes_required_ones]
    debug = ones & np.uint64(CCAAttributes.debug.mask) != 0
    yield from headers(realm.index, debug, "attributes_required_ones")


@rule(
    "policy-platform",
    WARNING,
    "a GUEST_POLICY should be for SEV_SNP, TDX, SEV or SEV_ES",
    "IGVM_VHS_GUEST_POLICY.policy",
)
def policy_platform(facts: Facts) -> Found:
    """The specification defines the word for SNP and TDX; SEV has a policy of its own.

    On other platforms nobody reads it. A Realm has a CCA_POLICY.
    """
    import numpy as np

    table = facts.table(GuestPolicy)
    mask = table[GuestPolicy.compatibility_mask]
    fit = facts.bits(PlatformType.SEV_SNP, PlatformType.TDX, PlatformType.SEV, PlatformType.SEV_ES)
    other = mask & np.uint32(facts.declared & ~fit) != 0
    yield from headers(
        table.index,
        other,
        "compatibility_mask",
        lambda k: f"it is for {facts.names(int(mask[other][k]) & ~fit)}",
    )


@rule(
    "policy-twice",
    WARNING,
    "a platform should have one policy",
    "IGVM_VHS_GUEST_POLICY, IGVM_VHS_CCA_POLICY",
)
def policy_twice(facts: Facts) -> Found:
    """Loaders differ in which one they take: the first, the last, or none of them.

    What the guest is launched with then depends on the loader. Keep one.
    """
    for record in (GuestPolicy, CCAPolicy):
        table = facts.table(record)
        mask = table.column("compatibility_mask")
        yield from headers(table.index, facts.second(mask), "compatibility_mask")


@rule(
    "policy-missing",
    WARNING,
    "SEV_SNP should have a GUEST_POLICY, and CCA a CCA_POLICY",
    "IGVM_VHS_GUEST_POLICY, IGVM_VHS_CCA_POLICY",
)
def policy_missing(facts: Facts) -> Found:
    """Without one the host chooses what the guest is launched with.

    The reference crate cannot measure an SNP guest without a policy, and the hash that measures
    a Realm is part of the policy.
    """
    for kind, record in ((PlatformType.SEV_SNP, GuestPolicy), (PlatformType.CCA, CCAPolicy)):
        masks = facts.table(record).column("compatibility_mask")
        bits = facts.bits(kind)
        if bits and not (masks & masks.dtype.type(bits)).any():
            yield Place(f"{kind.name} has none", offset=facts.file.section_offset)


@rule(
    "policy-cca-architecture",
    ERROR,
    "a CCA_POLICY must be in an AARCH64 file",
    "IGVM_VHS_CCA_POLICY; the igvm crate",
)
def policy_cca_architecture(facts: Facts) -> Found:
    """Realms exist on Arm only; the reference crate refuses the file."""
    table = facts.table(CCAPolicy)
    if facts.file.architecture != Architecture.AARCH64:
        some = table[CCAPolicy.compatibility_mask] == table[CCAPolicy.compatibility_mask]
        yield from headers(table.index, some, describe="the file is for X64")


@rule(
    "policy-cca-platform",
    ERROR,
    "a CCA_POLICY must be for CCA platforms alone",
    "IGVM_VHS_CCA_POLICY.compatibility_mask; the igvm crate",
)
def policy_cca_platform(facts: Facts) -> Found:
    """The policy means nothing to another platform; the reference crate refuses the file."""
    import numpy as np

    table = facts.table(CCAPolicy)
    mask = table[CCAPolicy.compatibility_mask]
    other = mask & np.uint32(facts.declared & ~facts.bits(PlatformType.CCA)) != 0
    yield from headers(table.index, other, "compatibility_mask")


@rule(
    "policy-cca-conflict",
    ERROR,
    "no attribute may be required to be both zero and one",
    "IGVM_VHS_CCA_POLICY.attributes_required_zeroes",
)
def policy_cca_conflict(facts: Facts) -> Found:
    """No Realm fulfils such a policy; the reference crate refuses the file."""
    table = facts.table(CCAPolicy)
    zeroes = table[CCAPolicy.attributes_required_zeroes]
    ones = table[CCAPolicy.attributes_required_ones]
    yield from headers(table.index, zeroes & ones != 0, "attributes_required_zeroes")


@rule(
    "policy-cca-attributes",
    WARNING,
    "a CCA_POLICY should require attributes that are defined",
    "CCA_POLICY_ATTR_DEBUG, CCA_POLICY_ATTR_MEC",
)
def policy_cca_attributes(facts: Facts) -> Found:
    """Bits 0 (debug) and 1 (MEC shared) are defined; a loader cannot know the others."""
    import numpy as np

    table = facts.table(CCAPolicy)
    known = np.uint64(_bits(CCAAttributes))
    for name in ("attributes_required_zeroes", "attributes_required_ones"):
        yield from headers(table.index, table.column(name) & ~known != 0, name)


@rule(
    "policy-cca-values",
    ERROR,
    "hash_algorithm and lfa_policy must be values that the specification defines",
    "CcaHashAlgorithm, CcaLfaPolicy",
)
def policy_cca_values(facts: Facts) -> Found:
    """The Realm cannot be created with an unknown hash or update policy.

    The reference crate takes such a file, and the measurement fails later.
    """
    table = facts.table(CCAPolicy)
    for name, kind in (("hash_algorithm", CCAHashAlgorithm), ("lfa_policy", CCALfaPolicy)):
        yield from headers(table.index, table.column(name) > max(kind), name)
