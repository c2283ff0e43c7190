"""SNP ID blocks: who vouches for an SNP guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import not_zero
from igvm.checks.rule import headers, rule
from igvm.spec.directive import SNPIDBlock
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
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


def _has_author(inspected: InspectedFile) -> NDArray[np.bool_]:
    """Which ID blocks have an author key, shape (n,), bool."""
    has_author: NDArray[np.bool_]
    has_author = inspected.table(SNPIDBlock)[SNPIDBlock.author_key_enabled] == 1
    return has_author


@rule(
    "id-block-platform",
    WARNING,
    "an SNP_ID_BLOCK should be for SEV_SNP alone",
    "IGVM_VHS_SNP_ID_BLOCK.compatibility_mask",
)
def id_block_platform(inspected: InspectedFile) -> Found:
    """No other platform has a firmware that looks at it."""
    import numpy as np

    table = inspected.table(SNPIDBlock)
    others = np.uint32(inspected.declared_mask & ~inspected.mask_of(PlatformType.SEV_SNP))
    is_for_others = table[SNPIDBlock.compatibility_mask] & others != 0
    yield from headers(table.index, is_for_others, "compatibility_mask")


@rule(
    "id-block-twice",
    ERROR,
    "a platform must have at most one SNP_ID_BLOCK",
    "IGVM_VHS_SNP_ID_BLOCK; SEV-SNP firmware ABI, SNP_LAUNCH_FINISH",
)
def id_block_twice(inspected: InspectedFile) -> Found:
    """The firmware takes one; QEMU refuses a file with two."""
    table = inspected.table(SNPIDBlock)
    mask = table[SNPIDBlock.compatibility_mask]
    yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "id-block-version",
    WARNING,
    "version of an SNP_ID_BLOCK should be 1",
    "IGVM_VHS_SNP_ID_BLOCK.version; SEV-SNP firmware ABI, ID block",
)
def id_block_version(inspected: InspectedFile) -> Found:
    """There is one version of the ID block.

    QEMU writes 1 into the block whatever the file says, so that a signature over another version
    does not verify.
    """
    table = inspected.table(SNPIDBlock)
    yield from headers(table.index, table[SNPIDBlock.version] != 1, "version")


@rule(
    "id-block-digest",
    WARNING,
    "ld of an SNP_ID_BLOCK should be a launch digest",
    "IGVM_VHS_SNP_ID_BLOCK.ld",
)
def id_block_digest(inspected: InspectedFile) -> Found:
    """The firmware compares ld with the digest of what was loaded, which is never zero.

    Measure the file and sign it.
    """
    table = inspected.table(SNPIDBlock)
    yield from headers(table.index, ~not_zero(table[SNPIDBlock.ld]), "ld", "ld is zero")


@rule(
    "id-block-algorithm",
    ERROR,
    "the algorithm of a key must be 1, ECDSA P-384 with SHA-384",
    "IGVM_VHS_SNP_ID_BLOCK.id_key_algorithm, author_key_algorithm; SEV-SNP firmware ABI",
)
def id_block_algorithm(inspected: InspectedFile) -> Found:
    """The firmware knows no other and refuses the launch."""
    table = inspected.table(SNPIDBlock)
    is_other = table[SNPIDBlock.id_key_algorithm] != _ECDSA_P384
    yield from headers(table.index, is_other, "id_key_algorithm")
    is_other = table[SNPIDBlock.author_key_algorithm] != _ECDSA_P384
    yield from headers(table.index, _has_author(inspected) & is_other, "author_key_algorithm")


@rule(
    "id-block-curve",
    ERROR,
    "the curve of a key must be 2, P-384",
    "IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY.curve; SEV-SNP firmware ABI",
)
def id_block_curve(inspected: InspectedFile) -> Found:
    """The firmware knows no other and refuses the launch."""
    table = inspected.table(SNPIDBlock)
    is_other = table.column("id_public_key")["curve"] != _P384
    yield from headers(table.index, is_other, "id_public_key.curve")
    is_other = table.column("author_public_key")["curve"] != _P384
    yield from headers(table.index, _has_author(inspected) & is_other, "author_public_key.curve")


@rule(
    "id-block-unsigned",
    WARNING,
    "an SNP_ID_BLOCK should have a key and a signature",
    "IGVM_VHS_SNP_ID_BLOCK.id_key_signature, id_public_key",
)
def id_block_unsigned(inspected: InspectedFile) -> Found:
    """The firmware verifies the signature and refuses the launch, where a loader hands it on.

    A block without one is a place for a signature that was not made yet.
    """
    table = inspected.table(SNPIDBlock)
    is_unsigned = ~not_zero(table.column("id_key_signature"))
    message = "id_key_signature is zero"
    yield from headers(table.index, is_unsigned, "id_key_signature", message)
    key = table.column("id_public_key")
    has_no_point = ~(not_zero(key["qx"]) | not_zero(key["qy"]))
    yield from headers(table.index, has_no_point, "id_public_key", "id_public_key has no point")


@rule(
    "id-block-numbers",
    WARNING,
    "numbers of P-384 should have 48 bytes and zeroes after them",
    "IGVM_VHS_SNP_ID_BLOCK_SIGNATURE, IGVM_VHS_SNP_ID_BLOCK_PUBLIC_KEY; SEV-SNP firmware ABI",
)
def id_block_numbers(inspected: InspectedFile) -> Found:
    """The numbers are little-endian. Bytes past the 48th make them larger than the curve.

    A number that is written big-endian at the end of the field looks like this.
    """
    table = inspected.table(SNPIDBlock)
    for name, parts in _NUMBERS:
        for part in parts:
            is_large = not_zero(table.column(name)[part][:, _P384_SIZE:])
            message = "{field} has more than 384 bits"
            yield from headers(table.index, is_large, f"{name}.{part}", message)


@rule(
    "id-block-author-enabled",
    ERROR,
    "author_key_enabled must be 0 or 1",
    "IGVM_VHS_SNP_ID_BLOCK.author_key_enabled",
)
def id_block_author_enabled(inspected: InspectedFile) -> Found:
    """1 says that there is an author key; nothing else has a meaning.

    The reference crate doesn't look, QEMU doesn't read the field, and Cloud Hypervisor hands it
    on to KVM.
    """
    table = inspected.table(SNPIDBlock)
    is_undefined = table[SNPIDBlock.author_key_enabled] > 1
    yield from headers(table.index, is_undefined, "author_key_enabled")


@rule(
    "id-block-author-unused",
    ERROR,
    "without an author key its key and signature must be zero",
    "IGVM_VHS_SNP_ID_BLOCK",
)
def id_block_author_unused(inspected: InspectedFile) -> Found:
    """QEMU takes a first byte that is not zero for an author key, whatever the flag says.

    Set author_key_enabled, or clear the fields.
    """
    table = inspected.table(SNPIDBlock)
    is_disabled = table[SNPIDBlock.author_key_enabled] == 0
    for name in ("author_key_signature", "author_public_key"):
        is_present = not_zero(table.column(name))
        yield from headers(table.index, is_disabled & is_present, name, "{field} is not zero")


@rule(
    "id-block-author-algorithm",
    WARNING,
    "without an author key its algorithm should be zero",
    "IGVM_VHS_SNP_ID_BLOCK.author_key_algorithm",
)
def id_block_author_algorithm(inspected: InspectedFile) -> Found:
    """The specification wants the author key fields to be zero without a key.

    igvmmeasure writes 1 in any case, and the firmware does not look at it then.
    """
    table = inspected.table(SNPIDBlock)
    is_disabled = table[SNPIDBlock.author_key_enabled] == 0
    is_set = table[SNPIDBlock.author_key_algorithm] != 0
    yield from headers(table.index, is_disabled & is_set, "author_key_algorithm")


@rule(
    "id-block-author-missing",
    ERROR,
    "an author key that is enabled must be there with its signature",
    "IGVM_VHS_SNP_ID_BLOCK",
)
def id_block_author_missing(inspected: InspectedFile) -> Found:
    """The firmware verifies the author's signature of the ID key and refuses the launch."""
    table = inspected.table(SNPIDBlock)
    for name in ("author_key_signature", "author_public_key"):
        is_missing = _has_author(inspected) & ~not_zero(table.column(name))
        yield from headers(table.index, is_missing, name, "{field} is zero")
