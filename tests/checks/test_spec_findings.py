"""What a finding says: header, field, offset and value, and how many there are."""

from __future__ import annotations

import pytest

import igvm
from igvm.checks import check
from igvm.checks.finding import Finding, Severity
from igvm.checks.rule import SPEC_RULES, Place, rule
from tests.small_files import raw
from tests.small_files.contents import REC, RESET_VMSA, padded
from tests.small_files.sound_files import (
    NATIVE_GUEST,
    REALM,
    REGISTERS,
    SNP_GUEST,
    VBS_GUEST,
    X64,
    NamedFile,
    at,
)


def only(file: NamedFile, name: str) -> list[Finding]:
    """The findings of the rule `name` about `file`."""
    return [finding for finding in igvm.check(file.parsed()) if finding.rule == name]


Fields = tuple[str, int | None, str | None, str | None, int, int | str | None]


def fields(finding: Finding) -> Fields:
    """Message without the rule's words, index, type, field, offset and value of a finding."""
    words = SPEC_RULES[finding.rule].words
    return (
        finding.message.removesuffix(words).removesuffix("; "),
        finding.header_index,
        finding.header_type,
        finding.field,
        finding.offset or 0,
        finding.value,
    )


CHECKSUM = VBS_GUEST.parsed().fixed_header.checksum

CASES: dict[str, tuple[NamedFile, Fields]] = {
    "checksum": (
        VBS_GUEST.with_fixed(checksum=0x12345678),
        (
            f"checksum is 0x12345678 and the headers give {CHECKSUM:#010x}",
            None,
            "FIXED_HEADER",
            "checksum",
            20,
            0x12345678,
        ),
    ),
    "padding-zero": (
        SNP_GUEST.but(text=raw.header(0x107, b"1.2.3", padding=0x30)),
        (
            "the padding is 30 30 30 (as igvm-tooling does)",
            4,
            "VERSION_STRING",
            None,
            SNP_GUEST.offset("text") + 13,
            "303030",
        ),
    ),
    "page-alignment": (
        SNP_GUEST.but(zero={"gpa": 0x6800}),
        ("gpa is 0x6800", 10, "PAGE_DATA", "gpa", SNP_GUEST.offset("zero") + 8, 0x6800),
    ),
    "reserved-flags": (
        SNP_GUEST.but(zero={"flags": igvm.PageDataFlags(0x10)}),
        ("flags is 0x10", 10, "PAGE_DATA", "flags", SNP_GUEST.offset("zero") + 24, 0x10),
    ),
    "id-block-curve": (
        SNP_GUEST.but(
            id_block={"id_public_key": igvm.SNPPublicKey(curve=7, qx=b"\1" * 48 + bytes(24))}
        ),
        (
            "id_public_key.curve is 7",
            17,
            "SNP_ID_BLOCK",
            "id_public_key.curve",
            SNP_GUEST.offset("id_block") + 8 + 4 + 4 + 48 + 16 + 16 + 16 + 144,
            7,
        ),
    ),
    "context-reserved": (
        SNP_GUEST.data(vmsa=RESET_VMSA.replace(reserved8=1 << 8).pack()),
        (
            "the byte at 0x321 of the context is 0x01",
            16,
            "VP_CONTEXT",
            "reserved8",
            SNP_GUEST.place("vmsa") + 0x321,
            1,
        ),
    ),
    "context-tail": (
        REALM.data(cca=padded(REC.pack() + b"!")),
        (
            "the byte at 0x50 of the context is 0x21",
            3,
            "VP_CONTEXT",
            None,
            REALM.place("cca") + 80,
            0x21,
        ),
    ),
    "vbs-register-unsupported": (
        VBS_GUEST.data(vbs=raw.register_list(*REGISTERS, (X64.RAX, 1), vtl=2)),
        (
            "the crate does not take RAX",
            8,
            "VP_CONTEXT",
            "registers[3].register_name",
            VBS_GUEST.place("vbs") + 4 + 3 * 32 + 1,
            0x20000,
        ),
    ),
    "memory-overlap": (
        SNP_GUEST.but(zero={"gpa": 0x11000}),
        ("it overlaps header 8", 10, "PAGE_DATA", "gpa", SNP_GUEST.offset("zero") + 8, 0x11000),
    ),
    "area-inserted": (
        SNP_GUEST.but(late=igvm.VPCount(parameter_area_index=7)),
        (
            "area 7 is inserted already",
            18,
            "VP_COUNT_PARAMETER",
            "parameter_area_index",
            SNP_GUEST.offset("id_block") + 704 + 8,
            7,
        ),
    ),
    "data-unreferenced": (
        SNP_GUEST.data(more=b"hidden"),
        ("nothing refers to 0x6 bytes", None, None, None, len(SNP_GUEST.to_bytes()), 6),
    ),
    "version-string-utf8": (
        SNP_GUEST.but(text=raw.header(0x107, b"1.\xff")),
        (
            "the byte 0xff is not part of a character",
            4,
            "VERSION_STRING",
            "text",
            SNP_GUEST.offset("text") + 10,
            0xFF,
        ),
    ),
    "header-length": (
        SNP_GUEST.but(zero=raw.header(0x302, bytes(23))),
        ("length is 23 and not 24", 10, "PAGE_DATA", "length", SNP_GUEST.offset("zero") + 4, 23),
    ),
    "policy-platform": (
        NATIVE_GUEST.but(policy={"compatibility_mask": 3}),
        (
            "it is for NATIVE",
            2,
            "GUEST_POLICY",
            "compatibility_mask",
            NATIVE_GUEST.offset("policy") + 16,
            3,
        ),
    ),
    "page-table-root": (
        VBS_GUEST.data(vbs=raw.register_list(REGISTERS[0], (X64.CR3, 0x805123), vtl=2)),
        (
            "the root table is at 0x805123",
            2,
            "PAGE_TABLE_RELOCATION_REGION",
            "gpa",
            VBS_GUEST.offset("tables") + 16,
            0x801000,
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_finding_names_the_place(name: str) -> None:
    """Index, type, field, offset and value are those of what is wrong."""
    file, expected = CASES[name]
    assert [expected] == [fields(finding) for finding in only(file, name)]


def _unaligned(count: int) -> NamedFile:
    return SNP_GUEST.but(
        **{
            f"page{i}": igvm.PageData(gpa=0x10000000 + 0x1000 * i + 8, compatibility_mask=1)
            for i in range(count)
        }
    )


@pytest.mark.parametrize(
    ("most", "listed", "more"), [(1, 1, 4), (3, 3, 2), (4, 4, 1), (5, 5, 0), (100, 5, 0), (0, 1, 4)]
)
def test_most_limits_the_places_of_a_rule(most: int, listed: int, more: int) -> None:
    """The last finding of a rule counts those that are not listed."""
    file = _unaligned(5).parsed()
    findings = [finding for finding in check(file, most=most) if finding.rule == "page-alignment"]
    assert [0] * (listed - 1) + [more] == [finding.more for finding in findings]


def test_most_counts_across_the_fields_of_a_rule() -> None:
    """A rule that looks at several fields has one limit for all of them."""
    file = VBS_GUEST.but(errors={"gpa": 0x900001, "size_bytes": 1})
    assert ["gpa", "size_bytes"] == [
        finding.field for finding in only(file, "error-range-alignment")
    ]
    findings = check(file.parsed(), most=1)
    assert [("gpa", 1)] == [
        (finding.field, finding.more)
        for finding in findings
        if finding.rule == "error-range-alignment"
    ]


def test_a_rule_has_one_name() -> None:
    """A second rule of a name is refused, or its page would replace the first one's."""
    with pytest.raises(ValueError, match="there is a rule page-alignment already"):
        rule("page-alignment", Severity.NOTE, "words", "source")(lambda _: [Place("nothing")])


def test_findings_are_in_the_order_of_the_rules() -> None:
    """The order of findings does not hang on the order of headers."""
    file = SNP_GUEST.but(zero={"gpa": 0x6800}, policy={"policy": 0})
    order = list(SPEC_RULES)
    positions = [order.index(finding.rule) for finding in igvm.check(file.parsed())]
    assert sorted(positions) == positions


def test_a_sound_file_opens_with_strict() -> None:
    """Only errors stop a strict parse, and the error names the rule."""
    assert 18 == len(igvm.parse(SNP_GUEST.to_bytes(), strict=True).headers)
    with pytest.raises(igvm.ValidationError, match="gpa is 0x6800") as caught:
        igvm.parse(SNP_GUEST.but(zero={"gpa": 0x6800}).to_bytes(), strict=True)
    assert "rule page-alignment" == caught.value.hint


def test_a_file_can_be_closed_after_a_check() -> None:
    """No finding holds on to columns of the file."""
    file = _unaligned(3).but(page={"file_offset": at("page", 1)}).parsed()
    findings = igvm.check(file)
    file.close()
    assert findings
