"""Policies in words."""

from __future__ import annotations

import pytest

import igvm
from igvm.report.policy_words import cca_policy_words, policy_words, vbs_policy_words

KIND = igvm.PlatformType


@pytest.mark.parametrize(
    ("words", "value", "kind"),
    [
        ("0x3001f: no debugging, SMT allowed, ABI 0.31 or newer", 0x3001F, KIND.SEV_SNP),
        (
            "0x90100: DEBUGGING ALLOWED, SMT allowed, bit 17 clear, ABI 1.0 or newer",
            0x90100,
            KIND.SEV_SNP,
        ),
        (
            (
                "0x2160000: no debugging, no SMT, migration agent allowed, one socket only, "
                "unknown bits 0x2000000"
            ),
            0x2160000,
            KIND.SEV_SNP,
        ),
        (
            "0x82: no debugging, no migration, no #VE for pending pages, unknown bits 0x80",
            0x82,
            KIND.TDX,
        ),
        ("0x5: DEBUGGING ALLOWED, migration allowed", 5, KIND.TDX),
        ("0x0: no debugging, no migration", 0, KIND.TDX),
        ("0x5: no debugging, SEV-ES only", 5, KIND.SEV_ES),
        (
            (
                "0x11d003a: DEBUGGING ALLOWED, keys not shared, not sent to other hosts, sent "
                "within its domain only, sent to SEV hosts only, API 29.1 or newer"
            ),
            0x011D003A,
            KIND.SEV,
        ),
        ("0x1000001: no debugging, API 0.1 or newer", 0x0100_0001, KIND.SEV),
        ("0x41: no debugging, unknown bits 0x40", 0x41, KIND.SEV),
        ("0x5", 5, KIND.NATIVE),
    ],
)
def test_guest_policy(words: str, value: int, kind: igvm.PlatformType) -> None:
    """Each bit that means something is said, and whether the host may debug in any case."""
    assert words == policy_words(value, kind)


def test_cca_policy() -> None:
    """What a Realm must have and must not have, and whether its firmware may change."""
    policy = igvm.CCAPolicy(
        compatibility_mask=1, attributes_required_zeroes=1, attributes_required_ones=0x102
    )
    assert "SHA256, no debug, mec required, unknown bits 0x100, no live firmware activation" == (
        cca_policy_words(policy)
    )
    open_policy = igvm.CCAPolicy(compatibility_mask=1, lfa_policy=igvm.CCALfaPolicy.LFA_ALLOW)
    assert "SHA256, debug either way, mec either way, LFA_ALLOW" == cca_policy_words(open_policy)


def test_vbs_policy() -> None:
    """Bit 0 of the flags lets the host debug."""
    assert "0x0: no debugging" == vbs_policy_words(0)
    assert "0x3: DEBUGGING ALLOWED, unknown bits 0x2" == vbs_policy_words(3)
