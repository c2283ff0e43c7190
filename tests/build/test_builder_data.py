"""Builder: what data each header has, and what data it cannot have."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import pytest

import igvm
from igvm import (
    SEVVMSA,
    Architecture,
    Builder,
    CCAContext,
    HeaderType,
    NativeContextX64,
    PlatformType,
    UnknownHeader,
    ValidationError,
    VBSContext,
    VBSRegister,
    VersionString,
)
from tests.small_files.built_guests import tdx_builder
from tests.small_files.contents import PAGE

REGISTERS = VBSContext(
    Architecture.X64,
    (VBSRegister(vtl=0, register_name=0x20010, register_value=bytes([1] * 8 + [0] * 8)),),
)


def test_page_is_padded() -> None:
    """A short page is stored as a whole one."""
    file = tdx_builder().add(igvm.PageData(gpa=0, compatibility_mask=1), data=b"short").build()
    assert b"short" + bytes(4091) == bytes(file.data(file.directives[0]))


def test_page_without_data() -> None:
    """No data and empty data are file_offset 0."""
    page = igvm.PageData(gpa=0, compatibility_mask=1)
    file = Builder().add(page).add(page, data=b"").build()
    assert [0, 0] == file.table(igvm.PageData).column("file_offset").tolist()


def test_other_page_sizes() -> None:
    """A page has as many bytes as the file's page."""
    builder = tdx_builder(page_size=65536).add(
        igvm.PageData(gpa=0, compatibility_mask=1), data=b"x"
    )
    builder.pages(0, bytes(65537), "tdx")
    file = builder.build()
    assert [65536] * 3 == [len(file.data(header)) for header in file.directives]


def test_parameter_areas() -> None:
    """Areas get free numbers, and first contents as long as they are."""
    builder = tdx_builder()
    assert 0 == builder.parameter_area(0x1000)
    assert 5 == builder.parameter_area(0x2000, b"first", index=5)
    assert 1 == builder.parameter_area(0x1000, PAGE)
    builder.parameter(igvm.MemoryMap, 0, 8).insert(0, 0x5000, "tdx")
    file = builder.build()
    assert [b"", b"first" + bytes(8187), PAGE] == [
        bytes(file.data(file.directives[i])) for i in range(3)
    ]
    assert igvm.MemoryMap(parameter_area_index=0, byte_offset=8) == file.directives[3].record
    assert 0x5000 == file.all_of(igvm.ParameterInsert)[0].record.gpa


def test_contexts() -> None:
    """Every kind of registers is stored as its platform has it."""
    builder = Builder()
    kinds = (PlatformType.SEV_SNP, PlatformType.VSM_ISOLATION, PlatformType.NATIVE)
    snp, vbs, native = map(builder.platform, kinds)
    vmsa = SEVVMSA(rip=0xFFF0)
    builder.context(vmsa, snp, vp_index=1, gpa=0xFFFFFFFFF000)
    builder.context(REGISTERS, vbs).context(NativeContextX64(rip=7), native)
    file = builder.build()
    contexts = [file.context(header) for header in file.directives]
    assert [vmsa, REGISTERS, NativeContextX64(rip=7)] == contexts
    assert [4096, 36, 4096] == [len(file.data(header)) for header in file.directives]
    first = file.all_of(igvm.VPContext)[0].record
    assert (0xFFFFFFFFF000, 1) == (first.gpa, first.vp_index)


def test_cca_context() -> None:
    """CCA registers fill a page."""
    builder = Builder(architecture=Architecture.AARCH64)
    file = builder.context(CCAContext(pc=8), builder.platform(PlatformType.CCA)).build()
    assert CCAContext(pc=8).pack() + bytes(4016) == bytes(file.data(file.directives[0]))


def test_contexts_as_bytes() -> None:
    """Raw registers of VBS stay as they are, all others are padded to 4 KiB."""
    builder = Builder()
    vbs, snp = builder.platform(PlatformType.VSM_ISOLATION), builder.platform(PlatformType.SEV_SNP)
    for mask, data in ((vbs.mask, REGISTERS.pack()), (snp.mask, b"vmsa")):
        builder.add(igvm.VPContext(gpa=0, compatibility_mask=mask, file_offset=0), data=data)
    file = builder.build()
    assert [36, 4096] == [len(file.data(header)) for header in file.directives]


def test_vbs_registers_of_another_architecture() -> None:
    """Registers belong to the architecture of the file."""
    builder = Builder(architecture=Architecture.AARCH64)
    vbs = builder.platform("vbs")
    with pytest.raises(ValidationError, match="registers of X64 in a file for AARCH64"):
        builder.context(REGISTERS, vbs)


def test_corim() -> None:
    """A document and its signature are stored as they are, an empty one at a real offset."""
    builder = tdx_builder()
    snp = builder.platform("snp")
    builder.corim(b"document", "tdx", signature=b"signed").corim(b"", snp)
    file = builder.build()
    headers = list(file.initializations)
    assert [b"document", b"signed", b""] == [bytes(file.data(header)) for header in headers]
    start = 24 + 2 * 24 + 72
    assert [start, start + 8, start + 14] == [header.file_offset for header in headers]


def test_equal_data_of_all_kinds_is_stored_once() -> None:
    """A page, an area, a VMSA and a document with the same bytes share them."""
    builder = Builder()
    snp = builder.platform(PlatformType.SEV_SNP)
    vmsa = SEVVMSA(rip=1)
    builder.parameter_area(4096, vmsa.pack())
    builder.corim(vmsa.pack(), snp).pages(0, vmsa.pack(), snp).context(vmsa, snp)
    file = builder.build()
    assert 4096 == len(file.buffer) - 24 - len(file.section)


@pytest.mark.parametrize(
    "data",
    [
        bytearray(PAGE),
        memoryview(PAGE),
        memoryview(PAGE).cast("I"),
        np.frombuffer(PAGE, "<u8").reshape(64, 8),
    ],
    ids=["bytearray", "memoryview", "words", "array"],
)
def test_kinds_of_buffers(data: Any) -> None:
    """Data may be any contiguous buffer."""
    file = tdx_builder().pages(0, data, "tdx").build()
    assert PAGE == bytes(file.data(file.directives[0]))


def test_mapped_data() -> None:
    """Data may be a mapping."""
    mapping = mmap.mmap(-1, 8192)
    mapping[:4096] = PAGE
    file = tdx_builder().pages(0, mapping, "tdx").build()
    assert [PAGE, bytes(4096)] == [bytes(file.data(header)) for header in file.directives]


@pytest.mark.parametrize(
    ("data", "message"),
    [(np.zeros((4, 4), np.uint8)[:, ::2], "not contiguous"), (7, "int is not a buffer of bytes")],
    ids=["strided", "number"],
)
def test_no_buffer(data: Any, message: str) -> None:
    """What is no contiguous buffer is refused."""
    with pytest.raises(ValidationError, match=message):
        tdx_builder().pages(0, data, "tdx")


@pytest.mark.parametrize(
    ("record", "data", "message"),
    [
        (igvm.GuestPolicy(policy=0, compatibility_mask=1), b"x", "refers to no data"),
        (UnknownHeader(HeaderType(0x3FF), b""), b"x", "refers to no data"),
        (VersionString("v"), b"x", "refers to no data"),
        (igvm.PageData(gpa=0, compatibility_mask=1), bytes(4097), "0x1001 bytes of data are more"),
        (
            igvm.PageData(gpa=0, compatibility_mask=1),
            SEVVMSA(),
            "registers are the data of a VP_CONTEXT",
        ),
        (igvm.PageData(gpa=0, compatibility_mask=1, file_offset=8), None, "leave it 0"),
        (
            igvm.ParameterArea(number_of_bytes=4096, parameter_area_index=0),
            bytes(5000),
            "are more than",
        ),
        (
            igvm.ParameterArea(number_of_bytes=1 << 40, parameter_area_index=0),
            b"x",
            "total_file_size has 32 bits",
        ),
        (igvm.VPContext(gpa=0, compatibility_mask=1, file_offset=0), None, "registers are missing"),
        (igvm.VPContext(gpa=0, compatibility_mask=1, file_offset=0), bytes(4097), "are more than"),
    ],
    ids=range(10),
)
def test_wrong_data(record: Any, data: Any, message: str) -> None:
    """Data where none can be, too much, or none where some must be is refused."""
    with pytest.raises(ValidationError, match=message):
        Builder().add(record, data=data)
