"""The policy words bit by bit, against igvm_defs 0.5.0."""

from __future__ import annotations

import pickle

import pytest

from igvm.spec.policy import CCAAttributes, SNPPolicy, TDXPolicy
from igvm.wire.bits import BitField, Bits

FIELDS: dict[type[BitField], dict[str, int]] = {
    SNPPolicy: {
        "abi_minor": 0xFF,
        "abi_major": 0xFF00,
        "smt": 0x10000,
        "reserved_must_be_one": 0x20000,
        "migrate_ma": 0x40000,
        "debug": 0x80000,
        "single_socket": 0x100000,
    },
    TDXPolicy: {"debug_allowed": 0x1, "sept_ve_disable": 0x2, "migratable": 0x4},
    CCAAttributes: {"debug": 0x1, "mec": 0x2},
}
"""Name and mask of every field: SnpPolicy, TdxPolicy and CCA_POLICY_ATTR_*."""

every_policy = pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)


@every_policy
def test_fields(kind: type[BitField]) -> None:
    """The named bits are those of igvm_defs, in bit order."""
    assert FIELDS[kind] == {bits.name: bits.mask for bits in kind.FIELDS}
    assert list(FIELDS[kind]) == [bits.name for bits in kind.FIELDS]
    assert all(bits.doc.endswith(".") for bits in kind.FIELDS)


@every_policy
def test_reading(kind: type[BitField]) -> None:
    """Each field reads its own bits and no others."""
    for name, mask in FIELDS[kind].items():
        ones = mask >> (mask & -mask).bit_length() - 1
        assert ones == getattr(kind(mask), name)
        assert getattr(kind(~mask & (1 << 64) - 1), name) == 0


@every_policy
def test_as_dict(kind: type[BitField]) -> None:
    """The fields and their values, all ones and all zeroes."""
    full = {name: mask >> (mask & -mask).bit_length() - 1 for name, mask in FIELDS[kind].items()}
    assert full == kind((1 << 64) - 1).as_dict()
    assert dict.fromkeys(full, 0) == kind(0).as_dict()


@every_policy
def test_replace(kind: type[BitField]) -> None:
    """One field changes, the other bits stay, unknown ones too, and so does the class."""
    for name, mask in FIELDS[kind].items():
        everything = (1 << 64) - 1
        cleared = kind(everything).replace(**{name: 0})
        assert everything & ~mask == cleared
        assert type(cleared) is kind
        assert mask & -mask == kind(0).replace(**{name: 1})


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [
        (SNPPolicy, 0xFFFFFFFFFFE00000),
        (TDXPolicy, 0xFFFFFFFFFFFFFFF8),
        (CCAAttributes, 0xFFFFFFFFFFFFFFFC),
    ],
)
def test_unknown(kind: type[BitField], unknown: int) -> None:
    """The bits without a name, in place."""
    assert unknown == kind((1 << 64) - 1).unknown
    assert kind(0).unknown == 0
    assert kind((1 << 64) - 1 & ~unknown).unknown == 0


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (0x20000, SNPPolicy.of()),
        (0x30000, SNPPolicy.of(smt=1)),
        (0xA0137, SNPPolicy.of(abi_major=1, abi_minor=0x37, debug=1)),
        (0x1F5537, SNPPolicy(0).replace(abi_major=0x55, abi_minor=0x37).replace(smt=1) | 0x1E0000),
        (0x0, TDXPolicy.of()),
        (0x6, TDXPolicy.of(sept_ve_disable=1, migratable=1)),
        (0x0, CCAAttributes.of()),
        (0x2, CCAAttributes.of(mec=1)),
    ],
    ids=["snp", "snp-smt", "snp-debug", "snp-all", "tdx", "tdx-two", "cca", "cca-mec"],
)
def test_of(expected: int, actual: int) -> None:
    """A value made from names has those bits, and the bit that must be one on SNP."""
    assert expected == actual


def test_must_be() -> None:
    """Of all bits, only bit 17 of the SNP policy has a required value."""
    assert [(SNPPolicy, "reserved_must_be_one", 1)] == [
        (kind, bits.name, bits.must_be)
        for kind in FIELDS
        for bits in kind.FIELDS
        if bits.must_be is not None
    ]


def test_descriptions_are_on_the_class() -> None:
    """On the class a name is the field itself, with its place and its text."""
    bits = SNPPolicy.abi_major
    assert isinstance(bits, Bits)
    assert ("abi_major", 8, 8) == (bits.name, bits.low, bits.width)
    assert bits.doc.startswith("Major part")


@pytest.mark.parametrize(
    ("expected", "policy"),
    [
        ("SNPPolicy()", SNPPolicy(0)),
        ("SNPPolicy(abi_minor=0x33, reserved_must_be_one=0x1)", SNPPolicy(0x20033)),
        ("TDXPolicy(migratable=0x1, unknown=0x100)", TDXPolicy(0x104)),
        ("CCAAttributes(unknown=0x80)", CCAAttributes(0x80)),
    ],
)
def test_repr(expected: str, policy: BitField) -> None:
    """Shown are the fields that are not zero, and the bits without a name."""
    assert expected == repr(policy)


@every_policy
def test_pickling(kind: type[BitField]) -> None:
    """A policy keeps its value and its class."""
    other = pickle.loads(pickle.dumps(kind(0x3_0001)))
    assert (kind, 0x3_0001) == (type(other), other)


def test_policies_are_integers() -> None:
    """A policy goes where its word goes, such as into a GUEST_POLICY."""
    assert bytes.fromhex("0000030000000000") == int(SNPPolicy.of(smt=1)).to_bytes(8, "little")
    assert {0x30000: 1} == {SNPPolicy.of(smt=1): 1}
