"""Builder.of: a builder that starts from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import igvm
from igvm import Builder, PlatformType, ValidationError
from tests.small_files import raw
from tests.small_files.contents import PAGE

if TYPE_CHECKING:
    from pathlib import Path


def sample() -> igvm.IgvmFile:
    """A file with a header of each section, optional and unknown ones and data."""
    builder = Builder()
    snp, tdx = builder.platform(PlatformType.SEV_SNP), builder.platform(PlatformType.TDX)
    builder.policy(0x30000, snp).corim(b"document", tdx)
    builder.add(igvm.VersionString("1"), optional=True)
    builder.add(igvm.UnknownHeader(igvm.HeaderType(0x3FE), b"odd"), optional=True)
    builder.parameter_area(4096, b"first", index=3)
    builder.pages(0x1000, PAGE * 2, [snp, tdx]).pages(0x9000, PAGE, tdx)
    return builder.context(igvm.SEVVMSA(rip=3), snp, gpa=0xF000).build()


def test_the_same_file() -> None:
    """Without a change the same bytes come out."""
    file = sample()
    assert file.to_bytes() == Builder.of(file).to_bytes()


def test_something_more() -> None:
    """What is added goes behind its section, and numbers go on where the file's end."""
    file = sample()
    builder = Builder.of(file)
    vbs = builder.platform(PlatformType.VSM_ISOLATION)
    assert 4 == vbs.mask
    assert 0 == builder.parameter_area(4096)
    assert (
        4096
        == len(builder.pages(0, PAGE, vbs).build().buffer) - len(file.buffer) - 24 - 24 - 32 + 4096
    )
    new = builder.build()
    names = [header.name for header in file.headers]
    assert [*names[:2], "SUPPORTED_PLATFORM", *names[2:], "PARAMETER_AREA", "PAGE_DATA"] == [
        header.name for header in new.headers
    ]
    assert [bytes(file.data(header)) for header in file.headers[2:]] == [
        bytes(new.data(header)) for header in new.headers[3:-2]
    ]


def test_some_headers() -> None:
    """The headers of one platform make a file of their own, with their data only."""
    file = sample()
    part = Builder.of(file, file.filter(PlatformType.TDX)).build()
    expected = [header for header in file.headers if (header.compatibility_mask or 2) & 2]
    expected.insert(0, file.headers[0])
    assert [header.name for header in expected] == [header.name for header in part.headers]
    assert [bytes(file.data(header)) for header in expected] == [
        bytes(part.data(header)) for header in part.headers
    ]
    assert len(part.buffer) < len(file.buffer)


def test_positions() -> None:
    """Headers may be named by their positions; platforms that are left out are not known."""
    file = sample()
    builder = Builder.of(file, np.array([1, 3]))
    assert [(2, PlatformType.TDX)] == [(each.mask, each.type) for each in builder.platforms]
    assert ["SUPPORTED_PLATFORM", "CORIM_DOCUMENT"] == [h.name for h in builder.build().headers]


def test_sections_are_put_in_order() -> None:
    """Headers in the wrong section move to theirs."""
    headers = raw.page(0) + raw.platform(3) + raw.header(0x101, bytes(16))
    new = Builder.of(igvm.parse(raw.file(headers))).build()
    assert raw.platform(3) + raw.header(0x101, bytes(16)) + raw.page(0) == bytes(new.section)


def test_bits_of_headers_survive() -> None:
    """Padding, reserved bits and unknown versions come through."""
    odd = raw.header(0x3FE, b"12345", padding=7)
    context = raw.header(0x101, bytes(12) + b"\1\2\3\4")
    file = igvm.parse(raw.file(raw.platform(3), context, odd, version=3))
    new = Builder.of(file).build()
    assert (bytes(file.section), 3) == (bytes(new.section), new.revision)


@pytest.mark.parametrize("cut", [1, 3])
def test_missing_padding_is_added(cut: int) -> None:
    """Where the last header's padding is missing, it is added."""
    whole = raw.platform(3) + raw.header(0x3FE, b"12345")
    new = Builder.of(igvm.parse(raw.file(whole[:-cut]))).build()
    assert whole == bytes(new.section)


@pytest.mark.parametrize(
    "header",
    [
        raw.page(0, 8),
        raw.page(0, 0xFFFFFFFF),
        raw.area(0, 1 << 63, 100),
        raw.area(0, (1 << 64) - 1, 100),
        raw.context(0),
        raw.context(100, mask=2),
        raw.header(0x104, b"\1\0\0\0\xff\xff\xff\x7f\0\0\0\0\0\0\0\0"),
    ],
    ids=["page in header", "page past end", "area", "huge area", "context", "mask", "corim"],
)
def test_data_that_is_not_there(header: bytes) -> None:
    """A header whose data cannot be read is named."""
    file = igvm.parse(raw.file(raw.platform(2), header, data=PAGE))
    with pytest.raises(ValidationError) as error:
        Builder.of(file)
    assert 48 <= (error.value.offset or 0) < 80
    assert error.value.field in {"file_offset", "compatibility_mask"}


def test_overlapping_data_is_bounded() -> None:
    """A small file cannot make more work than a large one: what it refers to must fit a file."""
    size = 4 << 20
    headers = raw.platform(3) + b"".join(
        raw.header(
            0x104, b"\1\0\0\0" + at.to_bytes(4, "little") + size.to_bytes(4, "little") + bytes(4)
        )
        for at in range(8192, 8192 + 30)
    )
    file = igvm.parse(raw.file(headers, data=bytes(size + 8192)))
    with pytest.raises(ValidationError, match="overlapping"):
        Builder.of(file)


@pytest.mark.corpus("shapes/*.igvm", "random/*.igvm", "tools/*.igvm")
def test_corpus(corpus_file: Path) -> None:
    """A file that the reference would write is written as it is."""
    with igvm.open(corpus_file) as file:
        assert corpus_file.read_bytes() == Builder.of(file).to_bytes()


@pytest.mark.corpus("shapes/*.igvm", "random/*.igvm", "tools/*.igvm")
def test_corpus_header_by_header(corpus_file: Path) -> None:
    """A file is the same when it is built from its records and their data, one by one."""
    with igvm.open(corpus_file) as file:
        builder = Builder(revision=file.revision, architecture=file.architecture)
        for header in file.headers:
            record = header.record
            data: Any = None
            if header.name == "VP_CONTEXT":
                data = file.context(header)
            elif getattr(record, "file_offset", 0):
                if getattr(record, "flags", 0) & igvm.PageDataFlags.IS_2MB_PAGE:
                    return  # the reference stores 4 KiB of it, and a builder 2 MiB
                data = file.data(header)
            if hasattr(record, "file_offset"):
                record = record.replace(file_offset=0)  # type: ignore[union-attr]
            builder.add(record, data=data, optional=header.optional)
        assert corpus_file.read_bytes() == builder.to_bytes()
