"""Policies in words: what a guest lets its host do, on every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.spec.enums import CCALfaPolicy, PlatformType
from igvm.spec.policy import CCAAttributes, SNPPolicy, TDXPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from igvm.spec.initialization import CCAPolicy

_DEBUG = ("no debugging", "DEBUGGING ALLOWED")

_SEV_BITS = (
    (1, "keys not shared"),
    (2, "SEV-ES only"),
    (3, "not sent to other hosts"),
    (4, "sent within its domain only"),
    (5, "sent to SEV hosts only"),
)
"""Bits of the policy of SEV and SEV-ES above NODBG (SEV API, guest policy)."""
_SEV_KNOWN = 0xFFFF_003F


def policy_words(value: int, platform: PlatformType) -> str:
    """What the policy of a GUEST_POLICY says on a platform: the number, then in words."""
    words = _WORDS.get(platform)
    return f"{value:#x}: {', '.join(words(value))}" if words else f"{value:#x}"


def cca_policy_words(policy: CCAPolicy) -> str:
    """What a CCA_POLICY requires of a Realm."""
    words = [policy.hash_algorithm.name]
    for bits in CCAAttributes.FIELDS:
        if policy.attributes_required_ones & bits.mask:
            words.append(f"{bits.name} required")
        if policy.attributes_required_zeroes & bits.mask:
            words.append(f"no {bits.name}")
        if not (policy.attributes_required_ones | policy.attributes_required_zeroes) & bits.mask:
            words.append(f"{bits.name} either way")
    known = sum(bits.mask for bits in CCAAttributes.FIELDS)
    unknown = (policy.attributes_required_ones | policy.attributes_required_zeroes) & ~known
    words += _unknown(unknown)
    is_denied = policy.lfa_policy == CCALfaPolicy.LFA_DISALLOW
    words.append("no live firmware activation" if is_denied else policy.lfa_policy.name)
    return ", ".join(words)


def vbs_policy_words(flags: int) -> str:
    """What the policy_flags of a VBS_MEASUREMENT say."""
    return f"{flags:#x}: {', '.join([_DEBUG[flags & 1], *_unknown(flags & ~1)])}"


def _snp(value: int) -> list[str]:
    policy = SNPPolicy(value)
    words = [_DEBUG[policy.debug], "SMT allowed" if policy.smt else "no SMT"]
    words += ["migration agent allowed"] * policy.migrate_ma
    words += ["one socket only"] * policy.single_socket
    words += ["bit 17 clear"] * (not policy.reserved_must_be_one)
    if policy.abi_major or policy.abi_minor:
        words.append(f"ABI {policy.abi_major}.{policy.abi_minor} or newer")
    return words + _unknown(policy.unknown)


def _tdx(value: int) -> list[str]:
    policy = TDXPolicy(value)
    words = [_DEBUG[policy.debug_allowed]]
    words.append("migration allowed" if policy.migratable else "no migration")
    words += ["no #VE for pending pages"] * policy.sept_ve_disable
    return words + _unknown(policy.unknown)


def _sev(value: int) -> list[str]:
    words = [_DEBUG[not value & 1]]
    words += [text for bit, text in _SEV_BITS if value >> bit & 1]
    major, minor = value >> 16 & 0xFF, value >> 24 & 0xFF
    if major or minor:
        words.append(f"API {major}.{minor} or newer")
    return words + _unknown(value & ~_SEV_KNOWN)


def _unknown(bits: int) -> list[str]:
    return [f"unknown bits {bits:#x}"] if bits else []


_WORDS: dict[PlatformType, Callable[[int], list[str]]] = {
    PlatformType.SEV_SNP: _snp,
    PlatformType.TDX: _tdx,
    PlatformType.SEV: _sev,
    PlatformType.SEV_ES: _sev,
}
