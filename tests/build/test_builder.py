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
from tests import raw

if TYPE_CHECKING:
    from pathlib import Path

PAGE = bytes(range(256)) * 16


def names(file: igvm.IgvmFile) -> list[str]:
    """The headers of a file, by name."""
    return [header.name for header in file.headers]


def test_smallest_file() -> None:
    """One platform makes a file."""
    builder = Builder()
    assert 1 == builder.platform(PlatformType.TDX)
    assert raw.Raw(raw.platform(3)).file() == builder.to_bytes()


def test_sections_sort_themselves() -> None:
    """Headers go to their section, and keep the order of the calls in it."""
    builder = Builder()
    builder.required_memory(0x1000, 0x2000, 1).error_range(0x3000, 0x1000, 1)
    builder.policy(0x30000, 1)
    builder.add(UnknownHeader(HeaderType(0x3FF), b"directive"), optional=True)
    builder.add(UnknownHeader(HeaderType(0x20), b"platform"), optional=True)
    builder.add(UnknownHeader(HeaderType(0x500), b"nowhere"))
    builder.add(VersionString("1.2"), optional=True)
    builder.platform(PlatformType.SEV_SNP)
    assert [
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
    builder = Builder().add(VersionString("v"), optional=True).policy(1, 1)
    assert [True, False] == [header.optional for header in builder.build().headers]
    assert struct.pack("<IIQ", 0x80000107, 1, ord("v")) in builder.to_bytes()


def test_free_mask_bits() -> None:
    """A platform gets the lowest bit that none before it has."""
    builder = Builder()
    assert 2 == builder.platform(PlatformType.TDX, compatibility_mask=2)
    assert 1 == builder.platform(PlatformType.SEV_SNP)
    assert 4 == builder.platform(PlatformType.VSM_ISOLATION)
    assert {
        2: PlatformType.TDX,
        1: PlatformType.SEV_SNP,
        4: PlatformType.VSM_ISOLATION,
    } == builder.platforms


def test_no_free_mask_bit() -> None:
    """After 32 platforms there is no bit left."""
    builder = Builder()
    assert [1 << i for i in range(32)] == [builder.platform(PlatformType.TDX) for _ in range(32)]
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
    assert 2 == Builder().context(NativeContextX64(), 1).revision


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
    with pytest.raises(FormatError, match=r"ErrorRange.size_bytes: 4294967296"):
        builder.error_range(0, 1 << 32, 1)
    assert [] == names(builder.build())


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
    builder.error_range(0, 4096, 1).save(path, overwrite=True)
    assert builder.to_bytes() == path.read_bytes()


def test_writing_twice() -> None:
    """A builder can go on after it has written."""
    builder = Builder()
    builder.pages(0x1000, PAGE * 20, builder.platform(PlatformType.TDX))
    assert builder.to_bytes() == builder.to_bytes()
    assert 21 == len(builder.build().headers)
    assert 22 == len(builder.pages(0, PAGE, 1).build().headers)
