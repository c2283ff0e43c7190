"""Opening files: the fixed header, the three sections, headers in place, unknown things kept."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm import FormatError, HeaderType, PlatformType, ValidationError
from tests.small_files import raw
from tests.small_files.contents import PAGE

if TYPE_CHECKING:
    from pathlib import Path


def _simple() -> bytes:
    """A file for SNP and NATIVE: a page of each, one of both, a policy and a parameter area."""
    return raw.file(
        raw.platform(2, 1, vtl=2),
        raw.platform(0, 2),
        raw.policy(),
        raw.area(0),
        raw.parameter(0x307, 0),
        raw.insert(0, 0x5000, 3),
        raw.page(0x1000, raw.at(0), mask=1),
        raw.page(0x2000, raw.at(0), mask=2),
        raw.page(0x3000, mask=3),
        data=PAGE,
    )


def test_version_1_has_the_default_architecture_and_page_size() -> None:
    """A version 1 file is X64 with pages of 4 KiB."""
    file = igvm.parse(_simple())
    assert (1, igvm.Architecture.X64, 4096) == (file.revision, file.architecture, file.page_size)


def test_version_2_says_architecture_and_page_size() -> None:
    """A version 2 file carries both, whatever they are."""
    file = igvm.parse(raw.file(raw.platform(), version=2, architecture=1, page_size=65536))
    assert (2, igvm.Architecture.AARCH64, 65536) == (
        file.revision,
        file.architecture,
        file.page_size,
    )


def test_future_versions_use_the_version_2_header() -> None:
    """The specification says that versions past 2 keep the version 2 fixed header."""
    file = igvm.parse(raw.file(raw.platform(), version=7, architecture=9))
    assert (7, 9) == (file.revision, file.architecture)


BAD_STARTS = {
    "empty": (b"", "fixed header 24"),
    "short": (b"IGVM" + bytes(19), "fixed header 24"),
    "magic": (b"MVGI" + bytes(40), "magic is"),
    "version 0": (
        raw.file(version=1).replace(b"IGVM\x01", b"IGVM\x00"),
        "no format version 0",
    ),
    "version 2 cut": (raw.file(version=2)[:31], "version 2 fixed header 32"),
    "headers past the end": (
        raw.file(raw.platform())[:-1],
        "the variable headers end at 0x30",
    ),
}


@pytest.mark.parametrize(("data", "message"), BAD_STARTS.values(), ids=BAD_STARTS.keys())
def test_what_cannot_be_opened_says_why(data: bytes, message: str) -> None:
    """Only a start that hides the variable headers is refused, and the error names it."""
    with pytest.raises(FormatError, match=message):
        igvm.parse(data)


def test_sections_hold_their_headers() -> None:
    """Each section is a sequence of typed headers."""
    file = igvm.parse(_simple())
    sections = file.platform_headers, file.initializations, file.directives
    assert [2, 1, 6] == [len(section) for section in sections]
    assert (
        igvm.SupportedPlatform(compatibility_mask=2, platform_type=PlatformType.NATIVE)
        == file.platform_headers[1].record
    )
    assert igvm.PageData(gpa=0x3000, compatibility_mask=3) == file.directives[-1].record
    assert ["PARAMETER_AREA", "VP_COUNT_PARAMETER"] == [
        header.name for header in file.directives[:2]
    ]


def test_a_header_knows_its_place_and_its_bytes() -> None:
    """Index, byte offset and raw bytes are those of the file."""
    data = _simple()
    file = igvm.parse(data)
    for index, header in enumerate(file.headers):
        assert index == header.index
        assert data[header.offset : header.offset + len(header.raw)] == header.raw
    assert b"".join(header.raw for header in file.headers) == bytes(file.section)


def test_a_slice_of_a_sequence_is_a_sequence() -> None:
    """Slices and negative indexes work as on a list."""
    directives = igvm.parse(_simple()).directives
    assert [header.index for header in list(directives)[1:5:2]] == [
        header.index for header in directives[1:5:2]
    ]
    assert directives[-1].index == directives[5].index
    with pytest.raises(IndexError):
        directives[6]


def test_optional_headers_are_typed_and_marked() -> None:
    """The optional bit is not part of the type, and it survives."""
    file = igvm.parse(raw.file(raw.platform(), raw.header(0x80000302, raw.page(0x1000)[8:])))
    header = file.directives[0]
    assert (True, HeaderType.PAGE_DATA, 0x80000302) == (
        header.optional,
        header.header_type,
        header.raw_type,
    )
    assert igvm.PageData(gpa=0x1000, compatibility_mask=1) == header.record


@pytest.mark.parametrize(
    ("kind", "section"),
    [(0x42, "platform_headers"), (0x142, "initializations"), (0x3FF, "directives")],
)
def test_unknown_types_are_kept_raw(kind: int, section: str) -> None:
    """A type without a structure is shown with its body, in the section of its range."""
    file = igvm.parse(raw.file(raw.platform(), raw.header(kind, b"hello")))
    header = getattr(file, section)[-1]
    assert igvm.UnknownHeader(HeaderType(kind), b"hello") == header.record
    assert f"UNKNOWN_{kind:#x}" == header.name


def test_a_type_outside_of_the_ranges_stands_in_the_section_before_it() -> None:
    """Types past all ranges belong to the section they are found in."""
    file = igvm.parse(
        raw.file(raw.platform(), raw.page(0), raw.header(0x500, b""), raw.page(0x1000))
    )
    assert 3 == len(file.directives)


def test_a_known_type_of_wrong_length_is_kept_raw() -> None:
    """A body that is not the structure's size is not guessed at."""
    file = igvm.parse(raw.file(raw.platform(), raw.header(0x302, bytes(16))))
    assert igvm.UnknownHeader(HeaderType.PAGE_DATA, bytes(16)) == file.directives[0].record
    assert 0 == len(file.table(igvm.PageData))


def test_a_version_string_is_text() -> None:
    """VERSION_STRING carries its text in the header itself."""
    file = igvm.parse(raw.file(raw.platform(), raw.header(0x107, "1.0 \N{SNOWMAN}".encode())))
    assert igvm.VersionString("1.0 \N{SNOWMAN}") == file.initializations[0].record


def test_headers_cut_short_end_the_walk() -> None:
    """What cannot be a header any more is kept as trailing bytes."""
    file = igvm.parse(raw.file(raw.platform(), b"\x02\x03\x00\x00\xff\xff"))
    assert (1, b"\x02\x03\x00\x00\xff\xff") == (len(file.headers), bytes(file.trailing))


def test_padding_is_kept() -> None:
    """Padding that is not zero is still there."""
    file = igvm.parse(raw.file(raw.platform(), raw.context(0, padding=0x30)))
    assert b"0000" == bytes(file.directives[0].padding)


def test_the_checksum_covers_both_headers_and_no_data() -> None:
    """The CRC-32 is that of the fixed header, its checksum zero, and the variable headers."""
    data = bytearray(_simple())
    file = igvm.parse(data)
    assert file.fixed_header.checksum == file.checksum
    data[-1] ^= 1
    assert file.fixed_header.checksum == igvm.parse(data).checksum
    data[40] ^= 1
    assert file.fixed_header.checksum != igvm.parse(data).checksum


def test_filter_keeps_what_a_loader_looks_at() -> None:
    """All platforms, what has no mask, and what shares a bit with the platform."""
    file = igvm.parse(_simple())
    native = file.filter(PlatformType.NATIVE)
    names = ["PARAMETER_AREA", "VP_COUNT_PARAMETER", "PARAMETER_INSERT", "PAGE_DATA", "PAGE_DATA"]
    assert (2, 0, names) == (
        len(native.platform_headers),
        len(native.initializations),
        [header.name for header in native.directives],
    )
    assert [0x2000, 0x3000] == native.table(igvm.PageData)[igvm.PageData.gpa].tolist()


def test_filter_refuses_a_platform_the_file_is_not_for() -> None:
    """Nothing is guessed: an absent platform is an error that names those there are."""
    with pytest.raises(ValidationError, match="for SEV_SNP, NATIVE, not for TDX"):
        igvm.parse(_simple()).filter(PlatformType.TDX)


def test_open_maps_and_closes(tmp_path: Path) -> None:
    """A file opened by path is mapped, and closing gives the mapping back."""
    path = tmp_path / "a.igvm"
    path.write_bytes(_simple())
    with igvm.open(path) as file:
        assert 9 == len(file.headers)
        assert file.to_bytes() == path.read_bytes()
    for use in (
        lambda: bytes(file.buffer),
        lambda: file.headers[0],
        lambda: file.table(igvm.PageData),
        lambda: file.platforms,
        lambda: file.filter("snp"),
        file.to_bytes,
    ):
        with pytest.raises(ValidationError, match=r"a\.igvm: the file is closed"):
            use()
    assert f"<IgvmFile {path}: closed>" == repr(file)
    file.close()  # once more does nothing


def test_closing_while_columns_are_in_use_is_refused(tmp_path: Path) -> None:
    """Columns keep their file alive."""
    path = tmp_path / "a.igvm"
    path.write_bytes(_simple())
    file = igvm.open(path)
    column = file.table(igvm.PageData)[igvm.PageData.gpa]
    with pytest.raises(ValidationError, match="in use"):
        file.close()
    assert 0x1000 == column[0]
    assert 9 == len(file.headers)
    del column
    file.close()


def test_open_with_copy_survives_a_shrinking_file(tmp_path: Path) -> None:
    """With copy=True the bytes are in memory."""
    path = tmp_path / "a.igvm"
    path.write_bytes(_simple())
    file = igvm.open(path, copy=True)
    path.write_bytes(b"")
    assert _simple() == file.to_bytes()


def test_open_reads_what_cannot_be_mapped(tmp_path: Path) -> None:
    """A pipe is read to its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    if os.fork() == 0:
        path.write_bytes(_simple())
        os._exit(0)
    assert 9 == len(igvm.open(path).headers)
    os.wait()


def test_an_empty_file_is_no_file(tmp_path: Path) -> None:
    """An empty file is refused like any other short one, with its path."""
    path = tmp_path / "empty.igvm"
    path.touch()
    with pytest.raises(FormatError, match=r"empty\.igvm.*0 bytes"):
        igvm.open(path)


def test_a_path_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    """The operating system's own errors stay what they are."""
    with pytest.raises(FileNotFoundError):
        igvm.open(tmp_path / "none")


def test_strict_raises_the_first_error() -> None:
    """With strict=True a file that breaks a rule is refused with that rule."""
    with pytest.raises(ValidationError, match="checksum"):
        igvm.parse(raw.file(raw.platform(), raw.page(0), data=bytes(8), checksum=1), strict=True)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_parsed(kind: type) -> None:
    """Anything with the buffer protocol is viewed without a copy."""
    assert 9 == len(igvm.parse(kind(_simple())).headers)


def test_unchanged_bytes_are_the_same_object() -> None:
    """A file parsed from bytes gives these bytes back, not a copy."""
    data = _simple()
    assert igvm.parse(data).to_bytes() is data


def test_a_strided_buffer_is_refused() -> None:
    """A buffer that is not contiguous cannot be a file."""
    with pytest.raises(FormatError, match="contiguous"):
        igvm.parse(memoryview(_simple())[::2])


def test_errors_keep_their_fields_when_pickled() -> None:
    """An error crosses a process boundary whole."""
    error = FormatError(
        "bad", path="a.igvm", offset=0x58, header="PAGE_DATA", field="gpa", hint="mend it"
    )
    again = pickle.loads(pickle.dumps(error))
    assert ("a.igvm+0x58: PAGE_DATA.gpa: bad", "mend it") == (str(again), again.hint)
