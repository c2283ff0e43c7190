"""canonical: byte for byte what the reference writes after it has read a file."""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from igvm import Architecture, HvArm64Register, HvX64Register, IgvmError, ValidationError, canonical
from igvm.spec.enums import PAGE_SIZE_2M
from igvm.write.canonical import MOST_BARE_HEADERS, clear_registers
from tests.small_files import raw
from tests.small_files.contents import PAGE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oracle.client import Oracle

SNP_PLATFORM = raw.platform(2)


def canonical_of(headers: bytes, data: bytes = b"", **more: Any) -> igvm.IgvmFile:
    """The canonical form of a file that says what it is by `more`."""
    return canonical(igvm.parse(raw.file(headers, data=data, **more)))


@pytest.mark.corpus("**/*.igvm")
def test_as_recorded(corpus_file: Path) -> None:
    """A file that the reference writes as it was is canonical, and one that it changes is not."""
    record = corpus_file.with_name(corpus_file.name + ".json")
    facts = json.loads(record.read_text()) if record.exists() else {}
    verdict = facts.get("reserialize") or facts.get("reference_release", {}).get("reserialize")
    if verdict is None:
        return  # the reference does not take it
    with igvm.open(corpus_file) as file:
        assert (verdict == "identical") == (canonical(file).to_bytes() == corpus_file.read_bytes())


@pytest.mark.corpus("**/*.igvm")
def test_as_the_oracle(corpus_file: Path, oracle: Oracle) -> None:
    """Every file that the reference reads becomes what the reference writes."""
    answer = oracle.serialise(corpus_file, with_data=True)
    if answer.verdict.ok:
        with igvm.open(corpus_file) as file:
            assert answer.data == canonical(file).to_bytes()


@pytest.mark.corpus("**/*.igvm")
def test_idempotent(corpus_file: Path) -> None:
    """What is canonical stays as it is, whatever it was before."""
    try:
        with igvm.open(corpus_file) as file:
            once = canonical(file)
    except IgvmError:
        return  # its data is not there
    assert once.to_bytes() == canonical(once).to_bytes()
    assert once.checksum == once.fixed_header.checksum


def test_nothing_is_kept_alive() -> None:
    """A file that nobody uses any more is gone at once, not at the next garbage collection."""
    file = canonical_of(SNP_PLATFORM + raw.page(0))
    assert 1 == len(file.table(igvm.PageData))
    gone = weakref.ref(file)
    del file
    assert gone() is None


def test_gap_goes() -> None:
    """The headers follow the fixed header, and unreferenced data goes."""
    headers = SNP_PLATFORM + raw.page(0, 24 + 16 + 24 + 32 + 5)
    file = canonical_of(headers, b"12345" + PAGE + b"behind", gap=bytes(16))
    assert raw.file(SNP_PLATFORM, raw.page(0, 80), data=PAGE) == file.to_bytes()


def test_empty_mask_goes() -> None:
    """A header for no platform goes, whatever its type, with its data; a platform stays."""
    platform = raw.platform(3, 0)
    headers = platform + raw.page(0, 24 + 24 + 32 + 24, mask=0) + raw.header(0x101, bytes(16))
    assert raw.file(platform) == canonical_of(headers, PAGE).to_bytes()


def test_reserved_bits_go() -> None:
    """Reserved fields, flags without a name and padding become zero; page flags stay."""
    dirty = (
        SNP_PLATFORM
        + raw.header(0x102, b"\1\0\0\0\0\0\0\xff" + bytes(40))
        + raw.page(0x1000, flags=0xFFFFFFF0)
        + raw.header(0x305, bytes(8) + b"\1\0\0\0" + bytes(4) + b"\xff" * 8)
        + raw.header(0x30B, b"\1\0\0\0\2abc" + bytes(688))
        + raw.header(0x3FF, b"odd", padding=0xFF)
    )
    clean = (
        SNP_PLATFORM
        + raw.header(0x102, b"\1\0\0\0\0\0\0\7" + bytes(40))
        + raw.page(0x1000, flags=0xFFFFFFF0)
        + raw.header(0x305, bytes(8) + b"\1\0\0\0" + bytes(4) + b"\1\0\0\0" + bytes(4))
        + raw.header(0x30B, b"\1\0\0\0\2abc" + bytes(688))
        + raw.header(0x3FF, b"odd")
    )
    assert clean == bytes(canonical_of(dirty).section)


def test_gpa_of_a_vmsa_stays() -> None:
    """The gpa of a context stays where it says where a VMSA lies, and goes elsewhere."""
    platforms = raw.platform(0, 1) + raw.platform(2, 2)
    at = 32 + len(platforms) + 64
    contexts = raw.context(at, mask=1, gpa=0x5000) + raw.context(at, mask=2, gpa=0x6000, padding=9)
    file = canonical_of(platforms + contexts, bytes(4096), version=2)
    expected = raw.context(at, mask=1) + raw.context(at, mask=2, gpa=0x6000)
    assert platforms + expected == bytes(file.section)


def test_documents_without_offset() -> None:
    """An offset of zero is an empty document, which gets an offset and loses its size."""
    document = raw.header(0x104, b"\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0")
    expected = raw.header(0x104, b"\1\0\0\0\x48\0\0\0" + bytes(8))
    assert SNP_PLATFORM + expected == bytes(canonical_of(SNP_PLATFORM + document).section)


def test_area_without_bytes() -> None:
    """An area of size zero has no data, whatever its offset."""
    assert SNP_PLATFORM + raw.area(0, 0) == bytes(
        canonical_of(SNP_PLATFORM + raw.area(0, 0, 30)).section
    )


def test_trailing_bytes_go() -> None:
    """Bytes of the section that are no header go."""
    assert SNP_PLATFORM == bytes(canonical_of(SNP_PLATFORM + b"\xff" * 12).section)


def test_optional_and_unknown_headers_stay() -> None:
    """What the reference does not read is kept."""
    headers = SNP_PLATFORM + raw.header(0x80000107, b"1.2.3") + raw.header(0x3FE, bytes(8))
    assert headers == bytes(canonical_of(headers).section)


def test_wrong_length_stays() -> None:
    """A known type of another length is kept as it is."""
    headers = SNP_PLATFORM + raw.header(0x302, bytes(30))
    assert headers == bytes(canonical_of(headers).section)


def test_headers_move_to_their_section() -> None:
    """Headers that stand in the wrong section move to theirs."""
    policy = raw.header(0x101, bytes(8) + b"\1" + bytes(7))
    assert SNP_PLATFORM + policy + raw.page(0) == bytes(
        canonical_of(raw.page(0) + policy + SNP_PLATFORM).section
    )


def test_pages_of_2_mib() -> None:
    """A page of 2 MiB keeps its data where all of it is there, as the specification says."""
    at = 24 + 24 + 64
    headers = SNP_PLATFORM + raw.page(0, at, flags=1) + raw.page(0x1000, at + PAGE_SIZE_2M)
    whole = raw.file(headers, data=bytes(PAGE_SIZE_2M) + PAGE)
    assert whole == canonical(igvm.parse(whole)).to_bytes()


def test_short_pages_of_2_mib() -> None:
    """A page of 2 MiB has 4 KiB where there is no more, as the reference writes it."""
    short = raw.file(SNP_PLATFORM, raw.page(0, 80, flags=1), data=PAGE)
    assert short == canonical(igvm.parse(short)).to_bytes()


def test_other_page_sizes() -> None:
    """Pages are as long as the file says."""
    whole = raw.file(
        SNP_PLATFORM, raw.page(0, 88), data=bytes(65535) + b"x", version=2, page_size=65536
    )
    assert whole == canonical(igvm.parse(whole)).to_bytes()


@pytest.mark.parametrize("size", [0, 3, 4095])
def test_page_size_that_is_none(size: int) -> None:
    """A page size that is not a power of two cannot be written."""
    with pytest.raises(ValidationError, match="not a power of two"):
        canonical_of(SNP_PLATFORM, version=2, page_size=size)


def test_missing_data() -> None:
    """A file whose data is not there has no canonical form."""
    with pytest.raises(ValidationError, match=r"PAGE_DATA.file_offset: 0x1000 bytes at 0x50"):
        canonical_of(SNP_PLATFORM + raw.page(0, 80), bytes(4095))


def test_one_mask_for_two_platforms() -> None:
    """Where two platforms share a mask, the last says how registers are stored."""
    platforms = raw.platform(2, 1) + raw.platform(1, 1)
    registers = b"\1\0\0\0\0\x10\0\2\0" + bytes(27)
    headers = platforms + raw.context(24 + 48 + 32)
    file = canonical_of(headers, registers)
    assert headers == bytes(file.section)
    assert registers == bytes(file.data(file.directives[0]))


@pytest.mark.parametrize(
    ("architecture", "number", "kept"),
    [
        (Architecture.X64, HvX64Register.RIP, range(8)),
        (Architecture.X64, HvX64Register.MTRR_FIX4K_F8000, range(8)),
        (Architecture.X64, HvX64Register.GDTR, range(6, 16)),
        (Architecture.X64, HvX64Register.CS, range(16)),
        (Architecture.X64, HvX64Register.XMM0, range(16)),
        (Architecture.AARCH64, HvArm64Register.PC, range(8)),
        (Architecture.AARCH64, HvX64Register.GDTR, range(16)),
    ],
    ids=str,
)
def test_registers(architecture: Architecture, number: int, kept: range) -> None:
    """A register keeps the bytes that its kind of value has."""
    value = bytes(range(1, 17))
    expected = bytes(byte if i in kept else 0 for i, byte in enumerate(value))
    dirty = raw.register_list(raw.register(number, value, vtl=2, mbz=7))
    assert raw.register_list(raw.register(number, expected, vtl=2)) == clear_registers(
        dirty, architecture
    )


def test_register_lists_become_equal() -> None:
    """Lists that differ in meaningless bits are stored once."""
    platform = raw.platform(1)
    at = 24 + 24 + 64
    value = bytes([1] * 8 + [0] * 8)
    lists = [
        raw.register_list(raw.register(HvX64Register.RIP, value, vtl=2, mbz=mbz)) for mbz in (3, 0)
    ]
    headers = platform + raw.context(at) + raw.context(at + 36)
    expected = raw.file(platform, raw.context(at) * 2, data=lists[1])
    assert expected == canonical_of(headers, b"".join(lists)).to_bytes()


def test_more_headers_than_data_are_refused() -> None:
    """A file of headers alone is written anew up to a limit, which the refusal names."""
    headers = raw.policy() * (MOST_BARE_HEADERS // len(raw.policy()))
    file = igvm.parse(raw.file(raw.platform(2), headers))
    with pytest.raises(ValidationError, match=r"at most 10,485,760 are written anew"):
        igvm.canonical(file)
