"""Guest policies and SNP ID blocks: what reaches the firmware, and what must agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from igvm.checks.rule import Many, Place
from igvm.spec.directive import SNPIDBlock
from igvm.spec.enums import PlatformType
from igvm.spec.initialization import GuestPolicy

if TYPE_CHECKING:
    from igvm.checks.rule import Found
    from igvm.launch.lint.inspected_launch import InspectedLaunch

QEMU_POLICY = 0x30000
"""The policy of a sev-snp-guest object that is not told another."""
MSHV_POLICY = 0x3001F
"""The policy of every guest on MSHV (mshv-bindings 0.7.0, get_default_snp_guest_policy)."""


def _snp(inspected: InspectedLaunch, record: Any) -> tuple[Any, Any]:
    """Positions and records of the headers of `record`, where SEV_SNP is what is started."""
    index, rows = inspected.mine(record)
    return (index, rows) if inspected.platform == PlatformType.SEV_SNP else (index[:0], rows[:0])


def id_block_twice(inspected: InspectedLaunch) -> Found:
    """A guest is launched with one. Keep the one that holds its digest."""
    index, _ = inspected.mine(SNPIDBlock)
    if len(index) > 1:
        yield Many(index[1:], "", "there is an ID block already")


def id_block_ignored(inspected: InspectedLaunch) -> Found:
    """Nothing is compared at the launch, and attestation reports have no ID in them.

    Whoever owns the guest must go by the launch digest.
    """
    index, _ = inspected.mine(SNPIDBlock)
    if len(index):
        yield Many(index, "", "there is an ID block")


def id_block_version(inspected: InspectedLaunch) -> Found:
    """The signature is over another version, and the firmware refuses the block."""
    index, rows = _snp(inspected, SNPIDBlock)
    wrong = rows["version"] != 1
    if wrong.any():
        yield Many(index[wrong], "version")


def qemu_author(inspected: InspectedLaunch) -> Found:
    """The curve of the key is 2 (P-384) with an author key, and 0 without."""
    index, rows = _snp(inspected, SNPIDBlock)
    key = rows["author_public_key"]["curve"] & 0xFF != 0
    wrong = (rows["author_key_enabled"] != 0) != key
    if wrong.any():
        yield Many(index[wrong], "author_key_enabled")


def mshv_author(inspected: InspectedLaunch) -> Found:
    """The digest of the author key is then missing from attestation reports."""
    index, rows = _snp(inspected, SNPIDBlock)
    wrong = rows["author_key_enabled"] != 0
    if wrong.any():
        yield Many(index[wrong], "author_key_enabled")


def id_block_missing(inspected: InspectedLaunch) -> Found:
    """The firmware compares the digest in the block with the guest's. Sign the file."""
    if inspected.platform is not None and not len(_snp(inspected, SNPIDBlock)[0]):
        yield Place("the file has no SNP_ID_BLOCK", offset=inspected.file.section_offset)


def qemu_no_policy(inspected: InspectedLaunch) -> Found:
    """The firmware refuses an ID block whose policy is not the guest's.

    Add a GUEST_POLICY with the policy that the ID block was signed for.
    """
    index, _ = _snp(inspected, SNPIDBlock)
    if len(index) and not len(_snp(inspected, GuestPolicy)[0]):
        yield Place("there is no GUEST_POLICY", int(index[0]))


def _unlike_mshv(inspected: InspectedLaunch) -> tuple[Any, Any]:
    """The policies of the file that a guest on MSHV does not have."""
    index, rows = _snp(inspected, GuestPolicy)
    other = rows["policy"] != MSHV_POLICY
    return index[other], rows[other]


def mshv_block_policy(inspected: InspectedLaunch) -> Found:
    """A block that was signed for another policy does not verify."""
    policies, rows = _unlike_mshv(inspected)
    if len(_snp(inspected, SNPIDBlock)[0]) and len(policies):
        value = int(rows["policy"][0])
        yield Place(f"the file's policy is {value:#x}", int(policies[0]), field="policy")


def mshv_policy(inspected: InspectedLaunch) -> Found:
    """Attestation reports show that policy. It does not allow debugging, for one."""
    index, _ = _unlike_mshv(inspected)
    if len(index):
        yield Many(index, "policy", "the file's policy is {shown}")


def no_policy(inspected: InspectedLaunch) -> Found:
    """The specification wants a GUEST_POLICY for SEV_SNP, and the crate's measurement needs it."""
    _, rows = _snp(inspected, GuestPolicy)
    if inspected.platform == PlatformType.SEV_SNP and not rows["policy"].any():
        yield Place("the file has no policy for SEV_SNP", offset=inspected.file.section_offset)


def policy_agreement(inspected: InspectedLaunch) -> Found:
    """Start QEMU with `-object sev-snp-guest,policy=` and the policy of the file."""
    index, rows = _snp(inspected, GuestPolicy)
    if len(index) and int(rows["policy"][-1]) not in {0, QEMU_POLICY}:
        yield Many(index[-1:], "policy", "the file's policy is {shown}")


def policy_twice(inspected: InspectedLaunch) -> Found:
    """Loaders choose differently. Keep one for each platform."""
    index, _ = _snp(inspected, GuestPolicy)
    if len(index) > 1:
        yield Many(index[1:], "policy", "there is a policy already; this one is {shown}")
