"""Where the igvm crate surprises: ranges that reach 2^64, and platforms that share a mask."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import pytest

import igvm
from tests.small_files import raw

if TYPE_CHECKING:
    from tests.oracle.client import Oracle

TOP = (1 << 64) - 4096
CONTEXT = raw.register_list(0x20010).ljust(4096, b"\0")
"""What may be read as a VMSA and as a list of one register."""
VBS, SNP, TDX = 1, 2, 3
SHARED = {
    "snp, vbs": (SNP, VBS),
    "vbs, snp": (VBS, SNP),
    "tdx, vbs": (TDX, VBS),
    "snp, native": (SNP, 0),
}


def _inserted(kind: int, size: int, gpa: int) -> bytes:
    return raw.file(
        raw.platform(kind), raw.policy(), raw.area(0, size), raw.insert(0, gpa), data=bytes(8)
    )


def _sharing(kinds: tuple[int, ...]) -> bytes:
    heads = b"".join(map(raw.platform, kinds)) + raw.policy()
    return raw.file(
        heads, raw.context(raw.at(0), gpa=0x1000), data=bytes(4096) if 0 in kinds else CONTEXT
    )


FILES = {
    f"{name} of {size:#x} at {gpa:#x}": _inserted(kind, size, gpa)
    for name, kind in (("VBS", VBS), ("SNP", SNP), ("TDX", TDX))
    for size, gpa in ((0x1000, TOP), (0x2000, TOP), (0x1000, TOP - 0x1000), (1 << 63, 1 << 63))
    if kind != VBS or size < 1 << 63
}
FILES |= {
    f"VBS error range of {size:#x} at {gpa:#x}": raw.file(
        raw.platform(VBS), raw.error_range(gpa, size), data=bytes(8)
    )
    for size, gpa in ((0x1000, TOP), (0x3000, TOP))
}
FILES |= {f"mask of {name}": _sharing(kinds) for name, kinds in SHARED.items()}


@pytest.mark.parametrize("name", FILES)
def test_digests_are_the_crates(oracle: Oracle, name: str) -> None:
    """Digest for digest, wherever the crate has one."""
    measured = oracle.measure(FILES[name])
    file = igvm.parse(FILES[name])
    assert measured.measurements
    for theirs in measured.measurements:
        assert theirs.verdict.ok
        ours = igvm.measure(file, igvm.PlatformType[theirs.platform])
        assert theirs.digest == ours.digest, theirs.platform


@pytest.mark.parametrize("size", [0x1000, 0x2000], ids=hex)
def test_an_area_that_reaches_the_top_is_not_there(size: int) -> None:
    """Its end wraps to zero or beyond, so that the crate's range of addresses is empty."""
    measurement = igvm.measure(igvm.parse(_inserted(SNP, size, TOP)), "snp")
    assert bytes(48) == measurement.digest
    (sentence,) = measurement.assumptions
    assert "no page of a parameter area that reaches 2^64, as the one at 0x60" in sentence


def test_vbs_counts_pages_past_the_top() -> None:
    """It numbers pages, and numbers of pages go on past the end of the address space."""
    digest = bytes(32)
    for number in (TOP // 4096, TOP // 4096 + 1):
        chunk = struct.pack("<IIQQQ", 0x1020, 2, 0, 4, number) + bytes(4096)
        digest = hashlib.sha256(digest + chunk).digest()
    assert digest == igvm.measure(igvm.parse(_inserted(VBS, 0x2000, TOP)), "vbs").digest


def test_a_context_is_for_the_last_platform_of_a_mask() -> None:
    """A VMSA that the crate takes for VBS registers is not measured for SNP, and that is said."""
    measurement = igvm.measure(igvm.parse(_sharing((SNP, VBS))), "snp")
    assert bytes(48) == measurement.digest
    shared, decoded = measurement.assumptions
    assert "SEV_SNP shares its mask 0x1 with VSM_ISOLATION" in shared
    assert "the igvm crate decodes contexts of mask 0x1 for VSM_ISOLATION" == decoded


def test_loaders_that_read_with_the_crate_are_refused() -> None:
    """What becomes of a context of another format there is not known."""
    file = igvm.parse(_sharing((SNP, VBS)))
    with pytest.raises(igvm.LoadError, match="for the last of the platforms that share its mask"):
        igvm.plan(file, "snp", loader="cloud-hypervisor-kvm")
