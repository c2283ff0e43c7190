"""SNP ID blocks: who vouches for an SNP guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.inspected_file import some
from igvm.checks.rule import headers, rule
from igvm.spec.directive import SNPIDBlock
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_ECDSA_P384 = 1
_P384 = 2
_P384_SIZE = 48
_NUMBERS = (
    ("id_key_signature", ("r_comp", "s_comp")),
    ("id_public_key", ("qx", "qy")),
    ("author_key_signature", ("r_comp", "s_comp")),
    ("author_public_key", ("qx", "qy")),
)


def _author(facts: Facts) -> NDArray[np.bool_]:
    """Which ID blocks have an author key."""
    enabled: NDArray[np.bool_] = facts.table(SNPIDBlock)[SNPIDBlock.author_key_enabled] == 1
    return enabled


@rule(
    "id-block-platform",
    WARNING,
    "an SNP_ID_BLOCK should be for SEV_SNP alone",
    "IGVM_VHS_SNP_ID_BLOCK.compatibility_mask",
)
def id_block_platform(facts: Facts) -> Found:
    """No other platform has a firmware that looks at it, and loaders ignore or refuse it."""
    import numpy as np

    table = facts.table(SNPIDBlock)
    other = np.uint32(facts.declared & ~facts.bits(PlatformType.SEV_SNP))
    wrong = table[SNPIDBlock.compatibility_mask] & other != 0
    yield from headers(table.index, wrong, "compatibility_mask")


@rule(
    "id-block-twice",
    ERROR,
    "a platform must have at most one SNP_ID_BLOCK",
    "IGVM_VHS_SNP_ID_BLOCK; SEV-SNP firmware ABI, SNP_LAUNCH_FINISH",
)
def id_block_twice(facts: Facts) -> Found:
    """The firmware takes one; QEMU refuses a file with two."""
    table = facts.table(SNPIDBlock)
    mask = table[SNPIDBlock.compatibility_mask]
    yield from headers(table.index, facts.second(mask), "compatibility_mask")


@rule(
    "id-block-version",
    WARNING,
    "version of an SNP_ID_BLOCK should be 1",
    "IGVM_VHS_SNP_ID_BLOCK.version; SEV-SNP firmware ABI, ID block",
)
def id_block_version(facts: Facts) -> Found:
    """There is one version of the ID block.

    QEMU writes 1 into the block whatever the file says, so that a signature over another version
    does not verify.
    """
    table = facts.table(SNPIDBlock)
    yield from headers(table.index, table[SNPIDBlock.version] != 1, "version")


@rule(
    "id-block-digest",
    WARNING,
    "ld of an SNP_ID_BLOCK should be a launch digest",
    "IGVM_VHS_SNP_ID_BLOCK.ld",
)
def id_block_digest(facts: Facts) -> Found:
    """The firmware compares ld with the digest of what was loaded, which is never zero.

    Measure the file and sign it.
    """
    table = facts.table(SNPIDBlock)
    yield from headers(table.index, ~some(table[SNPIDBlock.ld]), "ld", "ld is zero")


@rule(
    "id-block-algorithm",
    ERROR,
    "the algorithm of a key must be 1, ECDSA P-384 with SHA-384",
    "IGVM_VHS_SNP_ID_BLOCK.id_key_algorithm, author_key_algorithm; SEV-SNP firmware ABI",
)
def id_block_algorithm(facts: Facts) -> Found:
    """The firmware knows no other and refuses the launch."""
    table = facts.table(SNPIDBlock)
    mine = table[SNPIDBlock.id_key_algorithm]
    yield from headers(table.index, mine != _ECDSA_P384, "id_key_algorithm")
    wrong = _author(facts) & (table[SNPIDBlock.author_key_algorithm] != _ECDSA_P384)
    yield from headers(table.index, wrong, "author_key_algorithm")


@rule(
    "id-block-curve",
    ERROR,
    "the curve of a key must be 2, P-384",
    "IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY.curve; SEV-SNP firmware ABI",
)
def id_block_curve(facts: Facts) -> Found:
    """The firmware knows no other and refuses the launch."""
    table = facts.table(SNPIDBlock)
    mine = table.column("id_public_key")["curve"]
    yield from headers(table.index, mine != _P384, "id_public_key.curve")
    wrong = _author(facts) & (table.column("author_public_key")["curve"] != _P384)
    yield from headers(table.index, wrong, "author_public_key.curve")


@rule(
    "id-block-unsigned",
    WARNING,
    "an SNP_ID_BLOCK should have a key and a signature",
    "IGVM_VHS_SNP_ID_BLOCK.id_key_signature, id_public_key",
)
def id_block_unsigned(facts: Facts) -> Found:
    """The firmware verifies the signature and refuses the launch.

    A block without one is a place for a signature that was never made.
    """
    table = facts.table(SNPIDBlock)
    signature = table.column("id_key_signature")
    yield from headers(
        table.index, ~some(signature), "id_key_signature", "id_key_signature is zero"
    )
    key = table.column("id_public_key")
    empty = ~(some(key["qx"]) | some(key["qy"]))
    yield from headers(table.index, empty, "id_public_key", "id_public_key has no point")


@rule(
    "id-block-numbers",
    WARNING,
    "numbers of P-384 should have 48 bytes and zeroes after them",
    "IGVM_VHS_SNP_ID_BLOCK_SIGNATURE, IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY; SEV-SNP firmware ABI",
)
def id_block_numbers(facts: Facts) -> Found:
    """The numbers are little-endian. Bytes past the 48th make them larger than the curve.

    A tool that writes them big-endian at the end of the field, as most formats do, gets this.
    """
    table = facts.table(SNPIDBlock)
    for name, parts in _NUMBERS:
        for part in parts:
            large = some(table.column(name)[part][:, _P384_SIZE:])
            yield from headers(
                table.index, large, f"{name}.{part}", "{field} has more than 384 bits"
            )


@rule(
    "id-block-author-enabled",
    ERROR,
    "author_key_enabled must be 0 or 1",
    "IGVM_VHS_SNP_ID_BLOCK.author_key_enabled",
)
def id_block_author_enabled(facts: Facts) -> Found:
    """1 says that there is an author key; nothing else has a meaning.

    The reference crate doesn't look, QEMU doesn't read the field, and Cloud Hypervisor hands it
    on to KVM.
    """
    table = facts.table(SNPIDBlock)
    wrong = table[SNPIDBlock.author_key_enabled] > 1
    yield from headers(table.index, wrong, "author_key_enabled")


@rule(
    "id-block-author-unused",
    ERROR,
    "without an author key its key and signature must be zero",
    "IGVM_VHS_SNP_ID_BLOCK",
)
def id_block_author_unused(facts: Facts) -> Found:
    """QEMU takes a first byte that is not zero for an author key, whatever the flag says.

    Set author_key_enabled, or clear the fields.
    """
    table = facts.table(SNPIDBlock)
    off = table[SNPIDBlock.author_key_enabled] == 0
    for name in ("author_key_signature", "author_public_key"):
        there = off & some(table.column(name))
        yield from headers(table.index, there, name, "{field} is not zero")


@rule(
    "id-block-author-algorithm",
    WARNING,
    "without an author key its algorithm should be zero",
    "IGVM_VHS_SNP_ID_BLOCK.author_key_algorithm",
)
def id_block_author_algorithm(facts: Facts) -> Found:
    """The specification wants the author key fields to be zero without a key.

    igvmmeasure writes 1 in any case, and the firmware does not look at it then.
    """
    table = facts.table(SNPIDBlock)
    off = table[SNPIDBlock.author_key_enabled] == 0
    there = table[SNPIDBlock.author_key_algorithm] != 0
    yield from headers(table.index, off & there, "author_key_algorithm")


@rule(
    "id-block-author-missing",
    ERROR,
    "an author key that is enabled must be there with its signature",
    "IGVM_VHS_SNP_ID_BLOCK",
)
def id_block_author_missing(facts: Facts) -> Found:
    """The firmware verifies the author's signature of the ID key and refuses the launch."""
    table = facts.table(SNPIDBlock)
    for name in ("author_key_signature", "author_public_key"):
        empty = _author(facts) & ~some(table.column(name))
        yield from headers(table.index, empty, name, "{field} is zero")
