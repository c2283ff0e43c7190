"""Builder: every kind of header, its section, its data and its errors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm import (
    Architecture,
    Builder,
    FormatError,
    HeaderType,
    NativeContextX64,
    PlatformType,
    SaveError,
    UnknownHeader,
    ValidationError,
    VersionString,
)
from tests.small_files import raw
from tests.small_files.contents import PAGE

if TYPE_CHECKING:
    from pathlib import Path


def names(file: igvm.IgvmFile) -> list[str]:
    """The headers of a file, by name."""
    return [header.name for header in file.headers]


def test_smallest_file() -> None:
    """One platform makes a file."""
    builder = Builder()
    assert 1 == builder.platform(PlatformType.TDX).mask
    assert raw.file(raw.platform(3)) == builder.to_bytes()


def test_sections_sort_themselves() -> None:
    """Headers go to their section, and keep the order of the calls in it."""
    builder = Builder()
    snp = builder.platform(PlatformType.SEV_SNP)
    builder.required_memory(0x1000, 0x2000, snp).error_range(0x3000, 0x1000, snp)
    builder.policy(0x30000, snp)
    builder.add(UnknownHeader(HeaderType(0x3FF), b"directive"), optional=True)
    builder.add(UnknownHeader(HeaderType(0x20), b"platform"), optional=True)
    builder.add(UnknownHeader(HeaderType(0x500), b"nowhere"))
    builder.add(VersionString("1.2"), optional=True)
    builder.platform(PlatformType.TDX)
    assert [
        "SUPPORTED_PLATFORM",
        "UNKNOWN_0x20",
        "SUPPORTED_PLATFORM",
        "GUEST_POLICY",
        "VERSION_STRING",
        "REQUIRED_MEMORY",
        "ERROR_RANGE",
        "UNKNOWN_0x3ff",
        "UNKNOWN_0x500",
    ] == names(builder.build())


def test_optional_bit() -> None:
    """An optional header has bit 31 set, and no other header has."""
    builder = Builder().add(VersionString("v"), optional=True)
    builder.policy(1, builder.platform(PlatformType.SEV_SNP))
    assert [False, True, False] == [header.optional for header in builder.build().headers]
    assert struct.pack("<IIQ", 0x80000107, 1, ord("v")) in builder.to_bytes()


def test_free_mask_bits() -> None:
    """A platform gets the lowest bit that none before it has."""
    builder = Builder()
    assert 2 == builder.platform(PlatformType.TDX, compatibility_mask=2).mask
    assert 1 == builder.platform(PlatformType.SEV_SNP).mask
    assert 4 == builder.platform(PlatformType.VSM_ISOLATION).mask
    assert [
        (2, PlatformType.TDX),
        (1, PlatformType.SEV_SNP),
        (4, PlatformType.VSM_ISOLATION),
    ] == [(platform.mask, platform.type) for platform in builder.platforms]


def test_no_free_mask_bit() -> None:
    """After 32 platforms there is no bit left."""
    builder = Builder()
    masks = [builder.platform(PlatformType.TDX).mask for _ in range(32)]
    assert [1 << i for i in range(32)] == masks
    with pytest.raises(ValidationError, match="all 32 mask bits are taken"):
        builder.platform(PlatformType.TDX)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        (PlatformType.NATIVE, 2),
        (PlatformType.VSM_ISOLATION, 1),
        (PlatformType.SEV_SNP, 1),
        (PlatformType.TDX, 1),
        (PlatformType.SEV, 2),
        (PlatformType.SEV_ES, 2),
        (PlatformType.CCA, 2),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_version_by_platform(kind: PlatformType, version: int) -> None:
    """Platforms that version 1 does not have make a version 2 file."""
    builder = Builder()
    builder.platform(kind)
    assert version == builder.build().revision


@pytest.mark.parametrize(
    "more", [{"architecture": Architecture.AARCH64}, {"page_size": 65536}], ids=str
)
def test_version_by_what_the_file_is(more: dict[str, Any]) -> None:
    """Another architecture or page size makes a version 2 file, and cannot be in version 1."""
    assert 2 == Builder(**more).build().revision
    with pytest.raises(ValidationError, match="version 1 file is X64"):
        Builder(revision=1, **more)


def test_version_by_context() -> None:
    """Native registers make a version 2 file."""
    builder = Builder()
    snp = builder.platform(PlatformType.SEV_SNP)
    assert 1 == builder.revision
    assert 2 == builder.context(NativeContextX64(), snp).revision


def test_given_version_wins() -> None:
    """A version that was asked for stays."""
    builder = Builder(revision=1)
    builder.platform(PlatformType.NATIVE)
    assert 1 == builder.build().revision
    assert 2 == Builder(revision=2).build().revision
    with pytest.raises(ValidationError, match="no format version 0"):
        Builder(revision=0)


def test_a_huge_area_without_data() -> None:
    """An area may be larger than any file as long as nothing is stored for it."""
    builder = Builder()
    builder.parameter_area(1 << 63)
    assert 1 << 63 == builder.build().all_of(igvm.ParameterArea)[0].record.number_of_bytes


def test_value_that_does_not_fit() -> None:
    """A value too large for its field is named, and nothing is added."""
    builder = Builder()
    tdx = builder.platform(PlatformType.TDX)
    with pytest.raises(FormatError, match=r"ErrorRange.size_bytes: 4294967296"):
        builder.error_range(0, 1 << 32, tdx)
    assert ["SUPPORTED_PLATFORM"] == names(builder.build())


def test_strict() -> None:
    """With `strict` a file that breaks a rule is an error, and without it is not."""
    builder = Builder()
    builder.pages(0x1001, b"x", builder.platform(PlatformType.TDX))
    assert 2 == len(builder.build().headers)
    with pytest.raises(ValidationError, match="0x1001"):
        builder.to_bytes(strict=True)
    with pytest.raises(ValidationError, match="0x1001"):
        builder.build(strict=True)


def test_save(tmp_path: Path) -> None:
    """Saving writes what `to_bytes` gives, and replaces nothing unasked."""
    builder = Builder()
    builder.pages(0x1000, PAGE, builder.platform(PlatformType.TDX))
    path = tmp_path / "guest.igvm"
    builder.save(path, strict=True)
    assert builder.to_bytes() == path.read_bytes()
    with pytest.raises(SaveError):
        builder.save(path)
    builder.error_range(0, 4096, "tdx").save(path, overwrite=True)
    assert builder.to_bytes() == path.read_bytes()


def test_writing_twice() -> None:
    """A builder can go on after it has written."""
    builder = Builder()
    builder.pages(0x1000, PAGE * 20, builder.platform(PlatformType.TDX))
    assert builder.to_bytes() == builder.to_bytes()
    assert 21 == len(builder.build().headers)
    assert 22 == len(builder.pages(0, PAGE, "tdx").build().headers)


@pytest.mark.parametrize(
    "platform",
    [PlatformType.SEV_SNP, "snp", "SEV-SNP", "sev_snp", [PlatformType.SEV_SNP], ("snp",)],
    ids=str,
)
def test_a_platform_is_meant_by_its_type_or_name(platform: Any) -> None:
    """SEV_SNP is the platform, whatever its mask, and never mask 2."""
    builder = Builder()
    builder.platform("tdx")
    builder.platform("native")
    snp = builder.platform("snp")
    header = builder.pages(0x1000, PAGE, platform).build().directives[0]
    assert 4 == snp.mask == header.compatibility_mask


def test_one_header_for_several_platforms() -> None:
    """A list of platforms is one header with the bits of all."""
    builder = Builder()
    snp, tdx = builder.platform("snp"), builder.platform("tdx")
    file = builder.pages(0x1000, PAGE, [snp, tdx]).build()
    assert [3] == file.table(igvm.PageData)["compatibility_mask"].tolist()


@pytest.mark.parametrize("number", [0, 1, 2, True])
def test_a_number_is_no_platform(number: int) -> None:
    """A mask or the number of a type is refused in words."""
    builder = Builder()
    builder.platform("snp")
    with pytest.raises(ValidationError, match="a platform is a Platform") as error:
        builder.pages(0x1000, PAGE, number)  # type: ignore[arg-type]
    assert "igvm.PlatformType.SEV_SNP" in str(error.value.hint)


def test_a_platform_that_was_not_added() -> None:
    """A platform must be there before a header is for it."""
    builder = Builder()
    builder.platform("snp")
    with pytest.raises(ValidationError, match="for SEV_SNP, not for TDX"):
        builder.pages(0x1000, PAGE, PlatformType.TDX)
    other = Builder()
    other.platform("native")
    with pytest.raises(ValidationError, match="not of this file"):
        builder.pages(0x1000, PAGE, other.platform("snp"))
    with pytest.raises(ValidationError, match="there is no platform 'snq'") as error:
        builder.pages(0x1000, PAGE, "snq")
    assert "did you mean SNP?" == error.value.hint
