"""Guest policies and SNP ID blocks: what reaches the firmware, and what must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.rule import Many, Place
from igvm.launch.lint.loader import (
    CH,
    CH_IGVM,
    CH_KVM,
    CH_MSHV,
    CH_ON_MSHV,
    IGVM_C,
    OPENVMM,
    OPENVMM_IGVM,
    OPENVMM_KVM,
    QEMU_SNP,
    SEV_C,
)
from igvm.launch.lint.rule import ERROR, NOTE, WARNING, loader_rule
from igvm.spec.directive import SNPIDBlock
from igvm.spec.enums import PlatformType
from igvm.spec.initialization import GuestPolicy

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.facts import LoaderFacts

QEMU_POLICY = 0x30000
"""The policy of a sev-snp-guest object that is not told another."""
MSHV_POLICY = 0x3001F
"""The policy of every guest on MSHV (mshv-bindings 0.7.0, get_default_snp_guest_policy)."""


def _snp(facts: LoaderFacts, record: Any) -> tuple[Any, Any]:
    """Positions and records of the headers of `record`, where SEV_SNP is what is started."""
    index, rows = facts.mine(record)
    return (index, rows) if facts.platform == PlatformType.SEV_SNP else (index[:0], rows[:0])


@loader_rule("id-block-twice", QEMU_SNP, ERROR, "{who} ends at a second ID block", IGVM_C)
@loader_rule("id-block-twice", CH, ERROR, "{who} ends at a second ID block", CH_IGVM)
def id_block_twice(facts: LoaderFacts) -> Found:
    """A guest is launched with one. Keep the one that holds its digest."""
    index, _ = _snp(facts, SNPIDBlock)
    if len(index) > 1:
        yield Many(index[1:], "", "there is an ID block already")


@loader_rule(
    "id-block-ignored",
    OPENVMM,
    WARNING,
    "{who} launches without the file's ID block",
    OPENVMM_KVM,
)
def id_block_ignored(facts: LoaderFacts) -> Found:
    """Nothing is compared at the launch, and attestation reports have no ID in them.

    Whoever owns the guest must go by the launch digest.
    """
    index, _ = facts.mine(SNPIDBlock)
    if len(index):
        yield Many(index, "", "there is an ID block")


@loader_rule("id-block-version", QEMU_SNP, WARNING, "{who} gives every ID block version 1", IGVM_C)
@loader_rule(
    "id-block-version",
    CH_KVM,
    WARNING,
    "{who} on KVM gives every ID block version 1",
    "cloud-hypervisor ae44c29, hypervisor/src/kvm/x86_64/sev.rs",
)
def id_block_version(facts: LoaderFacts) -> Found:
    """The signature is over another version, and the firmware refuses the block."""
    index, rows = _snp(facts, SNPIDBlock)
    wrong = rows["version"] != 1
    if wrong.any():
        yield Many(index[wrong], "version")


@loader_rule(
    "id-block-author",
    QEMU_SNP,
    WARNING,
    "{who} ignores author_key_enabled and goes by the first byte of the author key",
    f"{IGVM_C}; target/i386/sev.c",
)
def qemu_author(facts: LoaderFacts) -> Found:
    """The curve of the key is 2 (P-384) with an author key, and 0 without."""
    index, rows = _snp(facts, SNPIDBlock)
    key = rows["author_public_key"]["curve"] & 0xFF != 0
    wrong = (rows["author_key_enabled"] != 0) != key
    if wrong.any():
        yield Many(index[wrong], "author_key_enabled")


@loader_rule("id-block-author", CH_MSHV, WARNING, "{who} on MSHV never has an author key", CH_IGVM)
def mshv_author(facts: LoaderFacts) -> Found:
    """The digest of the author key is then missing from attestation reports."""
    index, rows = _snp(facts, SNPIDBlock)
    wrong = rows["author_key_enabled"] != 0
    if wrong.any():
        yield Many(index[wrong], "author_key_enabled")


@loader_rule(
    "id-block-missing",
    CH_MSHV,
    WARNING,
    "{who} on MSHV always asks for an ID block, of zeroes where the file has none",
    CH_IGVM,
)
def id_block_missing(facts: LoaderFacts) -> Found:
    """The firmware compares the digest in the block with the guest's. Sign the file."""
    if facts.platform is not None and not len(_snp(facts, SNPIDBlock)[0]):
        yield Place("the file has no SNP_ID_BLOCK", offset=facts.file.section_offset)


@loader_rule(
    "id-block-policy",
    QEMU_SNP,
    ERROR,
    "{who} puts policy 0 into the ID block of a file without GUEST_POLICY, and launches with "
    "another",
    f"{IGVM_C}; target/i386/sev.c",
)
def qemu_no_policy(facts: LoaderFacts) -> Found:
    """The firmware refuses an ID block whose policy is not the guest's.

    Add a GUEST_POLICY with the policy that the ID block was signed for.
    """
    index, _ = _snp(facts, SNPIDBlock)
    if len(index) and not len(_snp(facts, GuestPolicy)[0]):
        yield Place("there is no GUEST_POLICY", int(index[0]))


def _unlike_mshv(facts: LoaderFacts) -> tuple[Any, Any]:
    """The policies of the file that a guest on MSHV does not have."""
    index, rows = _snp(facts, GuestPolicy)
    other = rows["policy"] != MSHV_POLICY
    return index[other], rows[other]


@loader_rule(
    "id-block-policy",
    CH_MSHV,
    WARNING,
    "{who} on MSHV puts its own policy into the ID block, 0x3001f",
    f"{CH_ON_MSHV}; mshv-bindings 0.7.0",
)
def mshv_block_policy(facts: LoaderFacts) -> Found:
    """A block that was signed for another policy does not verify."""
    policies, rows = _unlike_mshv(facts)
    if len(_snp(facts, SNPIDBlock)[0]) and len(policies):
        value = int(rows["policy"][0])
        yield Place(f"the file's policy is {value:#x}", int(policies[0]), field="policy")


@loader_rule(
    "policy-ignored",
    CH_MSHV,
    WARNING,
    "{who} on MSHV launches with a policy of its own, 0x3001f, whatever the file's is",
    f"{CH_ON_MSHV}; mshv-bindings 0.7.0",
)
def mshv_policy(facts: LoaderFacts) -> Found:
    """Attestation reports show that policy. It does not allow debugging, for one."""
    index, _ = _unlike_mshv(facts)
    if len(index):
        yield Many(index, "policy", "the file's policy is {shown}")


@loader_rule(
    "policy-default",
    QEMU_SNP,
    NOTE,
    "{who} launches with the policy of its own option, 0x30000 unless told otherwise",
    SEV_C,
)
@loader_rule(
    "policy-default",
    CH_KVM,
    NOTE,
    "without a policy {who} on KVM launches with 0x30000",
    f"{CH_IGVM}; vmm/src/vm.rs",
)
def no_policy(facts: LoaderFacts) -> Found:
    """The specification wants a GUEST_POLICY for SEV_SNP, and the crate's measurement needs it."""
    _, rows = _snp(facts, GuestPolicy)
    if facts.platform == PlatformType.SEV_SNP and not rows["policy"].any():
        yield Place("the file has no policy for SEV_SNP", offset=facts.file.section_offset)


@loader_rule(
    "policy-agreement",
    QEMU_SNP,
    WARNING,
    "{who} launches with the policy of its own option, 0x30000 unless told otherwise; the file's "
    "policy goes into the ID block only, and the two must agree",
    SEV_C,
)
def policy_agreement(facts: LoaderFacts) -> Found:
    """Start QEMU with `-object sev-snp-guest,policy=` and the policy of the file."""
    index, rows = _snp(facts, GuestPolicy)
    if len(index) and int(rows["policy"][-1]) not in {0, QEMU_POLICY}:
        yield Many(index[-1:], "policy", "the file's policy is {shown}")


@loader_rule("policy-twice", QEMU_SNP, WARNING, "of several policies {who} takes the last", IGVM_C)
@loader_rule(
    "policy-twice",
    CH_KVM,
    WARNING,
    "of several policies {who} on KVM takes the first that is not 0",
    CH_IGVM,
)
@loader_rule(
    "policy-twice", OPENVMM, WARNING, "of several policies {who} takes the first", OPENVMM_IGVM
)
def policy_twice(facts: LoaderFacts) -> Found:
    """Loaders choose differently. Keep one for each platform."""
    index, _ = _snp(facts, GuestPolicy)
    if len(index) > 1:
        yield Many(index[1:], "policy", "there is a policy already; this one is {shown}")
