"""Guests that vouch for a digest: with ID blocks and VBS measurements, right or wrong."""

from __future__ import annotations

import igvm
from tests.small_files.contents import KVM_VMSA, PAGE, header_of
from tests.small_files.guests import SNP, VBS, VMSA_GPA, bytes_for
from tests.small_files.raw import at, context, page, policy, register_list

RIP = 0x20010
OF_NOTHING = bytes(47) + b"\1"
"""A digest of nothing."""


def id_block(ld: bytes = OF_NOTHING, *, mask: int = 1) -> bytes:
    """An SNP_ID_BLOCK header for the digest `ld`, which nobody signed."""
    return header_of(igvm.SNPIDBlock(compatibility_mask=mask, ld=ld))


def vbs_measurement(digest: bytes, *, mask: int = 1) -> bytes:
    """A VBS_MEASUREMENT header for a digest."""
    record = igvm.VBSMeasurement(
        compatibility_mask=mask, boot_measurement_digest=digest.ljust(64, b"\0")
    )
    return header_of(record)


def snp_bytes(
    *blocks: bytes,
    code: bytes = PAGE,
    has_context: bool = True,
    has_empty: bool = False,
    platforms: tuple[igvm.PlatformType, ...] = (SNP,),
) -> bytes:
    """A guest of a page that every loader of SEV_SNP starts, with ID blocks at its end."""
    headers = [policy(), page(0x1000, at(0))]
    if has_empty:
        headers.append(page(0x2000))
    if has_context:
        headers.append(context(at(1), gpa=VMSA_GPA))
    return bytes_for(platforms, *headers, *blocks, data=(code, KVM_VMSA.pack()))


def vbs_bytes(*measurements: bytes) -> bytes:
    """A guest of VSM_ISOLATION with a page, and VBS measurements at its end."""
    headers = (page(0x1000, at(0)), context(at(1)), *measurements)
    return bytes_for(VBS, *headers, data=(PAGE, register_list(RIP)))
