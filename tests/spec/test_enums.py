"""Every constant, enum value and flag against igvm_defs 0.5.0, and what unknown values become."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from enum import IntFlag
from typing import Any

import pytest

import igvm.spec
from igvm.spec import enums, fixed, vmsa
from igvm.spec.hyperv import HvArm64Register, HvX64Register
from igvm.spec.operations import Operation
from igvm.wire.openenum import OpenEnum

CONSTANTS: dict[str, dict[str, int | str]] = {
    "igvm.spec.enums": {
        "OPTIONAL_BIT": 0x80000000,
        "PAGE_SIZE_4K": 0x1000,
        "PAGE_SIZE_2M": 0x200000,
        "PLATFORM_VERSION": 0x1,
        "DEVICE_TREE_IGVM_TYPE_PROPERTY": "microsoft,igvm-type",
        "DEVICE_TREE_VTL_PROPERTY": "microsoft,vtl",
    },
    "igvm.spec.fixed": {
        "MAGIC": 0x4D564749,
        "FORMAT_VERSION_1": 0x1,
        "FORMAT_VERSION_2": 0x2,
    },
}

VALUES: dict[type[OpenEnum], dict[str, int]] = {
    enums.Architecture: {"X64": 0x0, "AARCH64": 0x1},
    enums.HeaderType: {
        "INVALID": 0x0,
        "SUPPORTED_PLATFORM": 0x1,
        "GUEST_POLICY": 0x101,
        "RELOCATABLE_REGION": 0x102,
        "PAGE_TABLE_RELOCATION_REGION": 0x103,
        "CORIM_DOCUMENT": 0x104,
        "CORIM_SIGNATURE": 0x105,
        "CCA_POLICY": 0x106,
        "VERSION_STRING": 0x107,
        "PARAMETER_AREA": 0x301,
        "PAGE_DATA": 0x302,
        "PARAMETER_INSERT": 0x303,
        "VP_CONTEXT": 0x304,
        "REQUIRED_MEMORY": 0x305,
        "RESERVED_DO_NOT_USE": 0x306,
        "VP_COUNT_PARAMETER": 0x307,
        "SRAT": 0x308,
        "MADT": 0x309,
        "MMIO_RANGES": 0x30A,
        "SNP_ID_BLOCK": 0x30B,
        "MEMORY_MAP": 0x30C,
        "ERROR_RANGE": 0x30D,
        "COMMAND_LINE": 0x30E,
        "SLIT": 0x30F,
        "PPTT": 0x310,
        "VBS_MEASUREMENT": 0x311,
        "DEVICE_TREE": 0x312,
        "ENVIRONMENT_INFO_PARAMETER": 0x313,
    },
    enums.PlatformType: {
        "NATIVE": 0x0,
        "VSM_ISOLATION": 0x1,
        "SEV_SNP": 0x2,
        "TDX": 0x3,
        "SEV": 0x4,
        "SEV_ES": 0x5,
        "CCA": 0x6,
    },
    enums.PageDataType: {"NORMAL": 0x0, "SECRETS": 0x1, "CPUID_DATA": 0x2, "CPUID_XF": 0x3},
    enums.MemoryMapEntryType: {
        "MEMORY": 0x0,
        "PLATFORM_RESERVED": 0x1,
        "PERSISTENT": 0x2,
        "VTL2_PROTECTABLE": 0x3,
        "SPECIFIC_PURPOSE": 0x4,
        "HIDDEN": 0x5,
    },
    enums.CCAHashAlgorithm: {"SHA256": 0x0, "SHA512": 0x1, "SHA384": 0x2},
    enums.CCALfaPolicy: {"LFA_DISALLOW": 0x0, "LFA_ALLOW": 0x1},
    enums.VBSDigestAlgorithm: {"INVALID": 0x0, "SHA256": 0x1},
    enums.VBSSigningAlgorithm: {"INVALID": 0x0, "ECDSA_P384": 0x1},
    # Not of igvm_defs: a name for its three ranges, in file order.
    enums.Section: {"PLATFORM": 0, "INITIALIZATION": 1, "DIRECTIVE": 2, "UNKNOWN": 3},
}

FLAGS: dict[type[IntFlag], dict[str, int]] = {
    enums.PageDataFlags: {"IS_2MB_PAGE": 0x1, "UNMEASURED": 0x2, "SHARED": 0x4},
    enums.RequiredMemoryFlags: {"VTL2_PROTECTABLE": 0x1},
    enums.RelocatableRegionFlags: {"IS_VTL2": 0x1, "APPLY_PC": 0x2, "APPLY_GDTR": 0x4},
    enums.EnvironmentInfoFlags: {"MEMORY_IS_SHARED": 0x1},
    # The bits of snp_defs.rs, and those that the APM has besides: 10 to 13, 16, 21 and 63.
    vmsa.SEVFeatures: {
        "SNP": 0x1,
        "VTOM": 0x2,
        "REFLECT_VC": 0x4,
        "RESTRICTED_INJECTION": 0x8,
        "ALTERNATE_INJECTION": 0x10,
        "DEBUG_SWAP": 0x20,
        "PREVENT_HOST_IBS": 0x40,
        "BTB_ISOLATION": 0x80,
        "VMPL_SSS": 0x100,
        "SECURE_TSC": 0x200,
        "VMGEXIT_PARAMETER": 0x400,
        "PMC_VIRTUALIZATION": 0x800,
        "IBS_VIRTUALIZATION": 0x1000,
        "GUEST_INTERCEPT_CONTROL": 0x2000,
        "VMSA_REG_PROTECTION": 0x4000,
        "SMT_PROTECTION": 0x8000,
        "SECURE_AVIC": 0x10000,
        "IBPB_ON_ENTRY": 0x200000,
        "ALLOWED_SEV_FEATURES_ENABLE": 0x8000000000000000,
    },
}

RUST_NAMES: dict[type[OpenEnum | IntFlag], str] = {
    enums.Architecture: "IgvmArchitecture",
    enums.HeaderType: "IgvmVariableHeaderType",
    enums.PlatformType: "IgvmPlatformType",
    enums.PageDataType: "IgvmPageDataType",
    enums.MemoryMapEntryType: "MemoryMapEntryType",
    enums.CCAHashAlgorithm: "CcaHashAlgorithm",
    enums.CCALfaPolicy: "CcaLfaPolicy",
    enums.VBSDigestAlgorithm: "VbsDigestAlgorithm",
    enums.VBSSigningAlgorithm: "VbsSigningAlgorithm",
    enums.PageDataFlags: "IgvmPageDataFlags",
    enums.RequiredMemoryFlags: "RequiredMemoryFlags",
    enums.RelocatableRegionFlags: "IGVM_VHF_RELOCATABLE_REGION_*",
    enums.EnvironmentInfoFlags: "IgvmEnvironmentInfo",
    vmsa.SEVFeatures: "SEV_FEATURES",
    HvX64Register: "HvX64RegisterName",
    HvArm64Register: "HvArm64RegisterName",
}

OPEN: tuple[type[OpenEnum], ...] = (*VALUES, HvX64Register, HvArm64Register)
"""Every open enum; `test_hyperv.py` has the values of the registers."""

every_open_enum = pytest.mark.parametrize("kind", OPEN, ids=lambda kind: kind.__name__)
every_flags = pytest.mark.parametrize("kind", FLAGS, ids=lambda kind: kind.__name__)
unknown_values = pytest.mark.parametrize("value", [0x999, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF], ids=hex)


def test_every_enum_is_in_a_table() -> None:
    """No enum and no flags of igvm.spec are left out."""
    classes = {
        value
        for info in pkgutil.iter_modules(igvm.spec.__path__, "igvm.spec.")
        for value in vars(importlib.import_module(info.name)).values()
        if isinstance(value, type)
        and issubclass(value, (OpenEnum, IntFlag))
        and value.__module__ == info.name
    }
    assert {*OPEN, *FLAGS} == classes - {Operation}  # a word of plans, not of the format


@pytest.mark.parametrize("module", [enums, fixed], ids=lambda module: module.__name__)
def test_constants(module: object) -> None:
    """The constants are those of igvm_defs, no more and no less."""
    name = str(getattr(module, "__name__", ""))
    imported = {"PAGE_SIZE_4K"} if module is fixed else {"TYPE_CHECKING", "PAST_TYPES"}
    assert CONSTANTS[name] == {
        key: value
        for key, value in vars(module).items()
        if key.isupper() and isinstance(value, (int, str)) and key not in imported
    }


def test_magic_is_the_word_igvm() -> None:
    """The magic reads IGVM in a file."""
    assert b"IGVM" == fixed.MAGIC.to_bytes(4, "little")


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_values(kind: type[OpenEnum]) -> None:
    """Names and values are those of igvm_defs, no more, no less and no aliases."""
    assert VALUES[kind] == {name: int(member) for name, member in kind.__members__.items()}


@every_flags
def test_flags(kind: type[IntFlag]) -> None:
    """Names and bits are those of the specification, no more, no less and no aliases."""
    assert FLAGS[kind] == {name: int(member) for name, member in kind.__members__.items()}


@pytest.mark.parametrize("kind", RUST_NAMES, ids=lambda kind: kind.__name__)
def test_docstrings_name_the_type(kind: type[object]) -> None:
    """A grep for the name in the specification finds the class."""
    assert RUST_NAMES[kind] in (kind.__doc__ or "")  # type: ignore[index]


@every_open_enum
@unknown_values
def test_unknown_values_survive(kind: type[OpenEnum], value: int) -> None:
    """A value without a name is a member that equals it, and says what it is."""
    member = kind(value)
    assert isinstance(member, kind)
    assert (value, f"UNKNOWN_{value:#x}", False) == (member.value, member.name, member.is_known)
    assert value == int(member)
    assert kind(value) == member
    assert hash(kind(value)) == hash(member)
    assert f"<{kind.__name__}.UNKNOWN_{value:#x}: {value}>" == repr(member)


@every_open_enum
def test_known_values_are_known(kind: type[OpenEnum]) -> None:
    """Each named value is its one member."""
    for member in kind:
        assert member.is_known
        assert kind(int(member)) is member


@every_open_enum
def test_enums_do_not_grow(kind: type[OpenEnum]) -> None:
    """Unknown values are not recorded, however many a file brings."""
    before = (list(kind), dict(kind.__members__), dict(kind._value2member_map_))
    for value in range(0x80000, 0x80000 + 5000):
        kind(value)
    assert before == (list(kind), dict(kind.__members__), dict(kind._value2member_map_))


@every_open_enum
@pytest.mark.parametrize("value", [-1, "0", None, 0.5], ids=repr)
def test_what_is_no_value_is_refused(kind: type[OpenEnum], value: Any) -> None:
    """Open means any unsigned number, not anything."""
    with pytest.raises(ValueError, match="is not a valid"):
        kind(value)


@every_open_enum
@pytest.mark.parametrize("value", [0, 2, 0x999], ids=hex)
def test_enums_survive_pickling_and_copying(kind: type[OpenEnum], value: int) -> None:
    """Known members come back as themselves, unknown ones as equals of the same class."""
    member = kind(value)
    for other in (pickle.loads(pickle.dumps(member)), copy.copy(member), copy.deepcopy(member)):
        assert (kind, member.name, member) == (type(other), other.name, other)
        assert (other is member) or not member.is_known


@every_flags
def test_unknown_flags_survive(kind: type[IntFlag]) -> None:
    """All 32 bits set are all 32 bits set, and the named ones are found among them."""
    value = kind(0xFFFFFFFF)
    assert isinstance(value, kind)
    assert int(value) == 0xFFFFFFFF
    assert {bit for bit in kind if bit < 1 << 32} == {bit for bit in kind if bit & value}
    assert value == pickle.loads(pickle.dumps(value))


@every_flags
def test_flags_combine_with_unknown_bits(kind: type[IntFlag]) -> None:
    """A bit without a name stays when one with a name is set and taken away again."""
    unknown = 1 << 30
    for flag in kind:
        combined = kind(unknown) | flag
        assert unknown | int(flag) == int(combined)
        assert unknown == int(combined ^ flag)
        assert int(flag) == int(combined & flag)


@pytest.mark.parametrize(
    ("value", "section"),
    [
        (0x0, "UNKNOWN"),
        (0x1, "PLATFORM"),
        (0x100, "PLATFORM"),
        (0x101, "INITIALIZATION"),
        (0x200, "INITIALIZATION"),
        (0x201, "UNKNOWN"),
        (0x300, "UNKNOWN"),
        (0x301, "DIRECTIVE"),
        (0x400, "DIRECTIVE"),
        (0x401, "UNKNOWN"),
        (0x80000001, "UNKNOWN"),
        (0xFFFFFFFF, "UNKNOWN"),
    ],
)
def test_sections_are_ranges_of_types(value: int, section: str) -> None:
    """A type lies in the section of IGVM_VHT_RANGE_*, named or not."""
    assert enums.Section[section] is enums.HeaderType(value).section
