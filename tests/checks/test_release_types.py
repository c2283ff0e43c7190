"""What releases of the crate read is typed out, right, and does not grow with the format."""

from __future__ import annotations

import importlib
import struct
import sys
from typing import TYPE_CHECKING

import pytest

import igvm
import igvm.checks.reference
from igvm.checks.reference.release_types import (
    CCA_CONTEXT_SIZE,
    FIXED_HEADER_SIZE,
    HEADER_TYPES,
    NATIVE_CONTEXT_SIZE,
    SECTIONS,
    TYPE_OF_RECORD,
    VBS_HEAD_SIZE,
    VBS_REGISTER_SIZE,
    VMSA_SIZE_0_4,
    CrateType,
)
from igvm.spec.registry import HEADERS, TYPE_OF, HeaderSpec
from igvm.wire.record import Record, u32
from tests.small_files import raw
from tests.spec.layout_table import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from igvm.checks.finding import Finding

    Verdict = Callable[[igvm.IgvmFile, str], list[Finding]]

every_type = pytest.mark.parametrize(
    "crate_type", HEADER_TYPES["0.5"], ids=lambda crate_type: crate_type.name
)


@every_type
def test_lengths_are_those_of_the_structures(crate_type: CrateType) -> None:
    """A length that was typed in is that of the structure as it is specified."""
    assert LAYOUTS[crate_type.record.__name__].size == crate_type.length


@every_type
def test_types_are_named_as_in_the_format(crate_type: CrateType) -> None:
    """Number, name, structure and section are those of one type of the format."""
    header_type = igvm.HeaderType(crate_type.number)
    assert header_type.name == crate_type.name
    assert HEADERS[header_type].record is crate_type.record
    assert header_type.section.name == crate_type.section.upper()
    assert crate_type.number in SECTIONS[crate_type.section]
    assert issubclass(crate_type.record, igvm.Parameter) == crate_type.is_parameter


def test_each_release_reads_what_the_one_before_did() -> None:
    """0.5 has the CoRIM headers and the CCA policy besides; no structure has two types."""
    types = {release: {row.number for row in rows} for release, rows in HEADER_TYPES.items()}
    assert {0x104, 0x105, 0x106} == types["0.5"] - types["0.4"]
    assert types["0.4"] < types["0.5"]
    assert len(HEADER_TYPES["0.5"]) == len(TYPE_OF_RECORD) == len(types["0.5"])


def test_sizes_are_those_of_the_structures() -> None:
    """Sizes that were typed in are those of the structures as they are specified."""
    assert {1: LAYOUTS["FixedHeaderV1"].size, 2: LAYOUTS["FixedHeaderV2"].size} == FIXED_HEADER_SIZE
    assert LAYOUTS["NativeContextX64"].size == NATIVE_CONTEXT_SIZE
    assert LAYOUTS["CCAContext"].size == CCA_CONTEXT_SIZE
    assert LAYOUTS["VBSContextHeader"].size == VBS_HEAD_SIZE
    assert LAYOUTS["VBSRegister"].size == VBS_REGISTER_SIZE
    assert LAYOUTS["SEVVMSA"].size > VMSA_SIZE_0_4


class LaterParameter(igvm.Parameter):
    """A parameter that no release of the crate knows."""


class LaterHeader(Record):
    """A header that no release of the crate knows."""

    compatibility_mask: u32


LATER_TYPES: dict[int, type[Record]] = {0x108: LaterHeader, 0x314: LaterParameter}


@pytest.fixture
def later_verdict(monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """The verdict of the reference in a program whose `spec` has types that came later."""
    for number, record in LATER_TYPES.items():
        kind = igvm.HeaderType(number)
        spec = HeaderSpec(kind, kind.name, record, kind.section, has_mask=record is LaterHeader)
        monkeypatch.setitem(HEADERS, kind, spec)
        monkeypatch.setitem(TYPE_OF, record, kind)
    # What was computed from the registry when it was smaller is computed again.
    monkeypatch.setattr(igvm.checks, "reference", igvm.checks.reference)
    for name in [name for name in sys.modules if name.startswith("igvm.checks.reference")]:
        monkeypatch.delitem(sys.modules, name)
    verdict: Verdict = importlib.import_module("igvm.checks.reference").verdict
    return verdict


@pytest.mark.parametrize("release", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        (
            [raw.platform(), raw.header(0x108, struct.pack("<I", 1))],
            "InvalidBinaryInitializationHeader.InvalidVariableHeaderType",
        ),
        (
            [raw.platform(), raw.area(7), raw.parameter(0x314, 7), raw.insert(7, 0)],
            "InvalidBinaryDirectiveHeader.InvalidVariableHeaderType",
        ),
    ],
    ids=["header", "parameter"],
)
def test_a_later_type_is_not_one_of_the_crate(
    later_verdict: Verdict, headers: list[bytes], rule: str, release: str
) -> None:
    """A header type that `spec` gains is known to the specification's rules, not to the crate."""
    file = igvm.parse(raw.file(*headers, data=b"data"))
    assert "type-unknown" not in {finding.rule for finding in igvm.check(file)}
    assert [f"igvm-{release}/{rule}"] == [finding.rule for finding in later_verdict(file, release)]
