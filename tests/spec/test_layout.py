"""The layout of every record against the table typed from the specification."""

from __future__ import annotations

import re
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from igvm.spec import enums, snp_structures, vmsa
from igvm.spec.payload import MemoryRange
from igvm.wire.openenum import OpenEnum
from tests.spec.layout_table import LAYOUTS
from tests.spec.records import RECORDS

if TYPE_CHECKING:
    from igvm.wire.record import Record

every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)

TYPED = {
    "FixedHeaderV2.architecture": enums.Architecture,
    "SupportedPlatform.platform_type": enums.PlatformType,
    "RelocatableRegion.flags": enums.RelocatableRegionFlags,
    "CCAPolicy.hash_algorithm": enums.CCAHashAlgorithm,
    "CCAPolicy.lfa_policy": enums.CCALfaPolicy,
    "PageData.flags": enums.PageDataFlags,
    "PageData.data_type": enums.PageDataType,
    "RequiredMemory.flags": enums.RequiredMemoryFlags,
    "MemoryMapEntry.entry_type": enums.MemoryMapEntryType,
    "EnvironmentInfoPayload.flags": enums.EnvironmentInfoFlags,
    "SEVVMSA.sev_features": vmsa.SEVFeatures,
    **{f"SEVVMSA.{name}": vmsa.SEVSelector for name in ("es", "cs", "ss", "ds", "fs", "gs")},
    **{f"SEVVMSA.{name}": vmsa.SEVSelector for name in ("gdtr", "ldtr", "idtr", "tr")},
    "SNPIDBlock.id_key_signature": snp_structures.SNPSignature,
    "SNPIDBlock.id_public_key": snp_structures.SNPPublicKey,
    "SNPIDBlock.author_key_signature": snp_structures.SNPSignature,
    "SNPIDBlock.author_public_key": snp_structures.SNPPublicKey,
    "MMIORangesPayload.mmio_ranges": MemoryRange,
    "CPUIDPage.entries": snp_structures.CPUIDEntry,
}
"""The fields that are more than an integer or bytes, and of which class they are."""

REQUIRED = {
    "FixedHeaderV1": "variable_header_offset variable_header_size total_file_size",
    "FixedHeaderV2": "variable_header_offset variable_header_size total_file_size architecture",
    "VariableHeader": "type length",
    "SupportedPlatform": "compatibility_mask platform_type",
    "GuestPolicy": "policy compatibility_mask",
    "RelocatableRegion": "compatibility_mask relocation_alignment relocation_region_gpa "
    "relocation_region_size minimum_relocation_gpa maximum_relocation_gpa",
    "PageTableRelocation": "compatibility_mask gpa size used_size",
    "CorimDocument": "compatibility_mask file_offset size_bytes",
    "CorimSignature": "compatibility_mask file_offset size_bytes",
    "CCAPolicy": "compatibility_mask",
    "ParameterArea": "number_of_bytes parameter_area_index",
    "PageData": "gpa compatibility_mask",
    "ParameterInsert": "gpa compatibility_mask parameter_area_index",
    **dict.fromkeys(
        (name for name, layout in LAYOUTS.items() if layout.source == "IGVM_VHS_PARAMETER"),
        "parameter_area_index",
    ),
    "VPContext": "compatibility_mask file_offset",
    "RequiredMemory": "gpa compatibility_mask number_of_bytes",
    "ErrorRange": "gpa compatibility_mask size_bytes",
    "SNPIDBlock": "compatibility_mask ld",
    "VBSMeasurement": "compatibility_mask",
    "MemoryRange": "starting_gpa_page_number number_of_pages",
    "MMIORangesPayload": "mmio_ranges",
    "MemoryMapEntry": "starting_gpa_page_number number_of_pages",
    "VPCountPayload": "vp_count",
    "VBSContextHeader": "register_count",
    "VBSRegister": "vtl register_name register_value",
    "CPUIDPage": "count entries",
}
"""The fields that have no default; a record that is not here has defaults for all."""

DEFAULTS = {
    "FixedHeaderV1.magic": 0x4D564749,
    "FixedHeaderV1.format_version": 1,
    "FixedHeaderV2.magic": 0x4D564749,
    "FixedHeaderV2.format_version": 2,
    "FixedHeaderV2.page_size": 4096,
    "SupportedPlatform.platform_version": 1,
    "SNPIDBlock.version": 1,
    "VBSMeasurement.version": 1,
}
"""The defaults whose bytes are not zero."""

RESERVED = re.compile(r"reserved[0-9]*|mbz")
"""Fields that must be zero."""

DOCUMENTED = {
    "VPCount": "IGVM_VHT_VP_COUNT_PARAMETER",
    "SRAT": "IGVM_VHT_SRAT",
    "MADT": "IGVM_VHT_MADT",
    "MMIORanges": "IGVM_VHT_MMIO_RANGES",
    "MemoryMap": "IGVM_VHT_MEMORY_MAP",
    "CommandLine": "IGVM_VHT_COMMAND_LINE",
    "SLIT": "IGVM_VHT_SLIT",
    "PPTT": "IGVM_VHT_PPTT",
    "DeviceTree": "IGVM_VHT_DEVICE_TREE",
    "EnvironmentInfo": "IGVM_VHT_ENVIRONMENT_INFO_PARAMETER",
    "VPCountPayload": "u32",
    "HvTableRegister": "HV_X64_TABLE_REGISTER",
    "HvSegmentRegister": "HV_X64_SEGMENT_REGISTER",
    "CPUIDEntry": "CPUID_FUNCTION",
    "CPUIDPage": "CPUID_DATA",
}
"""What to grep for, where it is not the name of the structure."""


def test_every_record_has_a_layout_and_every_layout_a_record() -> None:
    """The table and the classes of igvm.spec name the same structures."""
    assert set(LAYOUTS) == set(RECORDS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_whole(name: str) -> None:
    """The table itself has no gap, no overlap and no byte too few."""
    end = 0
    for _, offset, size in LAYOUTS[name].fields:
        assert end == offset
        end += size
    assert LAYOUTS[name].size == end


@every_record
def test_fields_lie_where_the_specification_has_them(record: type[Record]) -> None:
    """Names, offsets and sizes of the fields, in order, and the size of the whole."""
    expected = LAYOUTS[record.__name__]
    assert expected.fields == tuple((item.name, item.offset, item.size) for item in record.FIELDS)
    assert expected.size == record.SIZE


@every_record
def test_packed_size(record: type[Record]) -> None:
    """Unpacking takes as many bytes as the specification says, and packing gives as many."""
    size = LAYOUTS[record.__name__].size
    assert size == len(record.unpack_from(bytes(size)).pack())


@every_record
def test_numpy_sees_the_same_layout(record: type[Record]) -> None:
    """The dtype has the fields of the table at the same places."""
    expected = LAYOUTS[record.__name__]
    dtype = record.dtype()
    assert expected.size == dtype.itemsize
    assert dtype.fields is not None
    actual = tuple(
        (name, int(where), kind.itemsize)
        for name in dtype.names or ()
        for kind, where, *_ in [dtype.fields[name]]
    )
    assert expected.fields == actual


@every_record
def test_numpy_scalars_are_little_endian_and_unsigned(record: type[Record]) -> None:
    """Each scalar has its own width in a column, in the byte order of the file."""
    dtype = record.dtype()
    for item in record.FIELDS:
        if item.kind in {"integer", "enum", "flags"}:
            assert np.dtype(f"<u{item.size}") == dtype[item.name]


def test_types_of_fields() -> None:
    """The fields that hold enums, flags or structures hold those that the specification says."""
    actual = {
        f"{name}.{item.name}": item.type
        for name, record in RECORDS.items()
        for item in record.FIELDS
        if item.type is not None
    }
    assert TYPED == actual


def test_kinds_of_fields() -> None:
    """A field with a type is of the kind that its type asks for, and one without is not."""
    for name, record in RECORDS.items():
        for item in record.FIELDS:
            kind: object = TYPED.get(f"{name}.{item.name}")
            match kind:
                case type() if issubclass(kind, OpenEnum):
                    expected = {"enum"}
                case type() if issubclass(kind, IntFlag):
                    expected = {"flags"}
                case type():
                    expected = {"array" if item.count > 1 else "record"}
                case _:
                    expected = {"integer", "octets"}
            assert item.kind in expected, (name, item.name)


@every_record
def test_required_fields(record: type[Record]) -> None:
    """The fields without a default are those whose value nobody can guess."""
    required = tuple(item.name for item in record.FIELDS if item.default is ...)
    assert tuple(REQUIRED.get(record.__name__, "").split()) == required


def test_defaults_that_are_not_zero() -> None:
    """All other defaults are zeroes as bytes."""

    def bits(value: Any) -> int:
        if isinstance(value, int):
            return int(value)
        return int.from_bytes(value if isinstance(value, bytes) else value.pack(), "little")

    actual = {
        f"{name}.{item.name}": bits(item.default)
        for name, record in RECORDS.items()
        for item in record.FIELDS
        if item.default is not ... and bits(item.default)
    }
    assert DEFAULTS == actual


@every_record
def test_reserved_fields(record: type[Record]) -> None:
    """What must be zero is marked so, defaults to zero, and nothing else is."""
    expected = [name for name, *_ in LAYOUTS[record.__name__].fields if RESERVED.fullmatch(name)]
    assert expected == [item.name for item in record.FIELDS if item.is_reserved]
    assert all(item.default is not ... for item in record.FIELDS if item.is_reserved)


@every_record
def test_docstrings_name_the_structure(record: type[Record]) -> None:
    """A grep for the name in the specification finds the class."""
    name = record.__name__
    expected = DOCUMENTED.get(name, LAYOUTS[name].source)
    assert re.search(rf"\b{expected}\b", record.__doc__ or "")
