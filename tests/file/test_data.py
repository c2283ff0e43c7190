"""What headers refer to: page data, parameter areas, contexts of every platform, CoRIM."""

from __future__ import annotations

import pytest

import igvm
from igvm import FormatError
from tests.small_files import raw
from tests.small_files.contents import PAGE, padded

CONTEXT = raw.context(raw.at(0))


def parsed(*headers: bytes, data: bytes = PAGE, **fixed: int) -> igvm.IgvmFile:
    """A file whose headers may refer to `data`."""
    return igvm.parse(raw.file(*headers, data=data, **fixed))


def test_page_data_is_one_page() -> None:
    """A page's data is a view of the file."""
    file = parsed(raw.platform(), raw.page(0x1000, raw.at(0)), data=PAGE * 2)
    assert PAGE == bytes(file.data(file.directives[0]))


def test_a_2mb_page_has_2mib_of_data() -> None:
    """The specification's 2 MB page refers to 2 MiB."""
    file = parsed(raw.platform(), raw.page(0x200000, raw.at(0), flags=1), data=bytes(2 << 20))
    assert 2 << 20 == len(file.data(file.directives[0]))


def test_other_page_sizes_count() -> None:
    """Page data is as long as the file's page."""
    file = parsed(
        raw.platform(), raw.page(0, raw.at(0)), data=bytes(65536), version=2, page_size=65536
    )
    assert 65536 == len(file.data(file.directives[0]))


def test_no_offset_is_no_data() -> None:
    """A file offset of zero refers to nothing."""
    file = parsed(raw.platform(), raw.page(0x1000), raw.area(0), data=b"")
    assert [0, 0, 0] == [len(file.data(header)) for header in file.headers]


def test_parameter_area_data_is_the_area_size() -> None:
    """The initial contents of an area are as long as the area."""
    file = parsed(raw.platform(), raw.area(3, 8192, raw.at(0)), data=PAGE * 2)
    assert PAGE * 2 == bytes(file.data(file.directives[0]))


@pytest.mark.parametrize("kind", [0x104, 0x105])
def test_corim_data_has_its_own_size(kind: int) -> None:
    """CoRIM documents and signatures say how long they are."""
    file = parsed(raw.platform(), raw.corim(kind, 1, raw.at(0), 5), data=b"hello there")
    assert b"hello" == bytes(file.data(file.initializations[0]))


OUTSIDE = {
    "past the end": (0x10000, 0),
    "over the end": (100, 0),
    "in the fixed header": (8, 0),
    "wraps": (0xFFFFFFFF, 0),
    "2 MB over the end": (80, 1),
}


@pytest.mark.parametrize(("offset", "flags"), OUTSIDE.values(), ids=OUTSIDE.keys())
def test_data_outside_of_the_file_is_an_error(offset: int, flags: int) -> None:
    """A range that is not in the file is refused, and the error names the header."""
    file = parsed(raw.platform(), raw.page(0x1000, offset, flags=flags))
    with pytest.raises(FormatError, match=r"PAGE_DATA\.file_offset"):
        file.data(file.directives[0])


def test_an_area_of_hostile_size_is_an_error() -> None:
    """A size of 2^63 is compared, not allocated."""
    file = parsed(raw.platform(), raw.area(0, 1 << 63, 100), data=b"")
    with pytest.raises(FormatError, match="0x8000000000000000 bytes"):
        file.data(file.directives[0])


@pytest.mark.parametrize("kind", [2, 5], ids=["SNP", "SEV-ES"])
def test_snp_contexts_are_vmsas(kind: int) -> None:
    """On SEV_SNP and SEV_ES a context is a VMSA."""
    vmsa = igvm.SEVVMSA(rip=0xFFF0, cs=igvm.SEVSelector(selector=0xF000, base=0xFFFF0000))
    file = parsed(raw.platform(kind), raw.context(raw.at(0), gpa=0xFFFFFFFFF000), data=vmsa.pack())
    assert vmsa == file.context(file.directives[0])


@pytest.mark.parametrize("kind", [0, 4], ids=["NATIVE", "SEV"])
def test_native_contexts_are_x64_registers(kind: int) -> None:
    """On NATIVE and SEV a context is a page that starts with x64 registers."""
    context = igvm.NativeContextX64(rip=0x1000, efer=0x500)
    file = parsed(raw.platform(kind), CONTEXT, data=padded(context.pack()))
    assert context == file.context(file.directives[0])
    assert 4096 == len(file.data(file.directives[0]))


def test_cca_contexts_are_realm_registers() -> None:
    """On CCA a context is a page that starts with the registers of a REC."""
    context = igvm.CCAContext(x0=1, pc=0x8000, flags=1)
    file = parsed(raw.platform(6), CONTEXT, data=padded(context.pack()), version=2, architecture=1)
    assert context == file.context(file.directives[0])


def test_vbs_contexts_are_register_lists() -> None:
    """On VSM_ISOLATION a context is a counted list of named registers."""
    rip = igvm.VBSRegister(
        vtl=2, register_name=igvm.HvX64Register.RIP, register_value=(0x1234).to_bytes(16, "little")
    )
    segment = igvm.HvSegmentRegister(base=0, limit=0xFFFFFFFF, selector=8, attributes=0xA09B)
    cs = igvm.VBSRegister(vtl=2, register_name=igvm.HvX64Register.CS, register_value=segment.pack())
    table = igvm.HvTableRegister(limit=0x1F, base=0x5000)
    gdtr = igvm.VBSRegister(
        vtl=2, register_name=igvm.HvX64Register.GDTR, register_value=table.pack()
    )
    expected = igvm.VBSContext(igvm.Architecture.X64, (rip, cs, gdtr))
    file = parsed(raw.platform(1), CONTEXT, data=expected.pack() + b"tail")
    context = file.context(file.directives[0])
    assert expected == context
    assert isinstance(context, igvm.VBSContext)
    assert {"RIP": 0x1234, "CS": segment, "GDTR": table} == context.values()
    assert expected.pack() == bytes(file.data(file.directives[0]))


def test_arm_register_names_go_by_the_architecture() -> None:
    """The same number is another register on AArch64."""
    pc = igvm.VBSRegister(
        vtl=0, register_name=igvm.HvArm64Register.PC, register_value=(64).to_bytes(16, "little")
    )
    context = igvm.VBSContext(igvm.Architecture.AARCH64, (pc,))
    file = parsed(raw.platform(1), CONTEXT, data=context.pack(), version=2, architecture=1)
    read = file.context(file.directives[0])
    assert isinstance(read, igvm.VBSContext)
    assert {"PC": 64} == read.values()


BAD_CONTEXTS = {
    "no platform": (raw.platform(0), 2, "no platform"),
    "TDX": (raw.platform(3), 1, "TDX"),
    "two formats": (raw.platform(0) + raw.platform(2, 2), 3, "NATIVE and SEV_SNP"),
}


@pytest.mark.parametrize(
    ("platforms", "mask", "message"), BAD_CONTEXTS.values(), ids=BAD_CONTEXTS.keys()
)
def test_a_context_of_no_known_format_is_an_error(
    platforms: bytes, mask: int, message: str
) -> None:
    """A mask that does not say the format is refused with the platforms that it names."""
    file = parsed(platforms, raw.context(raw.at(0), mask=mask))
    with pytest.raises(FormatError, match=message):
        file.context(file.directives[0])


def test_a_register_count_past_the_data_is_an_error() -> None:
    """A count of 2^32 registers is compared, not allocated."""
    file = parsed(raw.platform(1), CONTEXT, data=b"\xff\xff\xff\xff" + bytes(32))
    with pytest.raises(FormatError, match=r"VP_CONTEXT\.file_offset"):
        file.context(file.directives[0])


def test_only_a_context_has_registers() -> None:
    """Asking another header for registers is an error."""
    file = parsed(raw.platform(), raw.page(0), data=b"")
    with pytest.raises(FormatError, match="only a VP_CONTEXT"):
        file.context(file.directives[0])
