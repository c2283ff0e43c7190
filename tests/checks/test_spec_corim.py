"""Forms of CoRIM documents and signatures: of now, of earlier drafts, of no draft."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.checks.inspection.cbor_items import is_one_item
from tests.small_files.guests import SNP, bytes_for
from tests.small_files.raw import at, corim, page, policy

if TYPE_CHECKING:
    from pathlib import Path

MAP = b"\xa1\x00\x62id"
SIGN1 = b"\x84\x43\xa1\x01\x26\xa0\xf6\x42\x00\x00"
T18, T500, T501, T502 = b"\xd2", b"\xd9\x01\xf4", b"\xd9\x01\xf5", b"\xd9\x01\xf6"
RANDOM = hashlib.sha256(b"no CBOR").digest() * 9
DOCUMENT, SIGNATURE = 0x104, 0x105


def findings(document: bytes, signature: bytes | None = None) -> list[igvm.Finding]:
    """What is said about the CoRIM headers of a file."""
    headers = [corim(DOCUMENT, 1, at(0), len(document))]
    pieces = [document]
    if signature is not None:
        headers.append(corim(SIGNATURE, 1, at(1), len(signature)))
        pieces.append(signature)
    data = bytes_for(SNP, policy(), *headers, page(0x1000), data=pieces)
    found = igvm.check(igvm.parse(data))
    return [finding for finding in found if finding.rule.startswith("corim")]


def rules(document: bytes, signature: bytes | None = None) -> list[str]:
    """The rules of these."""
    return [finding.rule for finding in findings(document, signature)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(T501 + MAP, [], id="501"),
        pytest.param(T500 + T501 + MAP, ["corim-older-form"], id="500 501"),
        pytest.param(T502 + MAP, ["corim-older-form"], id="502"),
        pytest.param(T500 + T502 + T18 + SIGN1, ["corim-older-form"], id="500 502 18, signed"),
        pytest.param(MAP, ["corim-tag"], id="a map without a tag"),
        pytest.param(T501 + b"\x62id", ["corim-tag"], id="501 and no map"),
        pytest.param(b"\xd9\x01\xf7" + MAP, ["corim-tag"], id="503"),
        pytest.param(T501 + MAP + b"\0", ["corim-cbor"], id="a byte after it"),
        pytest.param((T501 + MAP)[:-1], ["corim-cbor"], id="cut"),
        pytest.param(RANDOM, ["corim-cbor"], id="random bytes"),
        pytest.param(b"\xff" * 9, ["corim-cbor"], id="breaks"),
        pytest.param(T501 + b"\xbf\x00\x62id\xff", [], id="a map of indefinite length"),
        pytest.param(T501 + b"\xbf\x00\xff", ["corim-cbor"], id="half a pair"),
        pytest.param(T501 * 9 + MAP, ["corim-tag"], id="nine tags"),
    ],
)
def test_documents(document: bytes, expected: list[str]) -> None:
    """A document is a map with tag 501; what earlier drafts had is known, other bytes are not."""
    assert expected == rules(document)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        pytest.param(T18 + SIGN1, [], id="18"),
        pytest.param(SIGN1, ["corim-older-form"], id="untagged COSE_Sign1"),
        pytest.param(T502 + T18 + SIGN1, ["corim-older-form"], id="502 18"),
        pytest.param(T500 + T502 + T18 + SIGN1, ["corim-older-form"], id="500 502 18"),
        pytest.param(T18 + b"\x83\x40\xa0\xf6", ["corim-tag"], id="three parts"),
        pytest.param(T501 + MAP, ["corim-tag"], id="a document"),
        pytest.param(RANDOM, ["corim-cbor"], id="random bytes"),
    ],
)
def test_signatures(signature: bytes, expected: list[str]) -> None:
    """A signature is a COSE_Sign1, an array of four, with tag 18 or as it was once."""
    assert expected == rules(T501 + MAP, signature)


def test_severities_and_words() -> None:
    """An older form is a note that says so, bytes that are no CBOR are an error."""
    (older,) = findings(T500 + T501 + MAP)
    assert igvm.Severity.NOTE == older.severity
    assert older.message.startswith("tag 500, tag 501, a map; older form: ")
    (broken,) = findings(RANDOM)
    assert igvm.Severity.ERROR == broken.severity
    assert "no CBOR" in broken.message


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(b"\x62id", "the profile is bare text", id="bare text"),
        pytest.param(b"\xd8\x20\x62id", "the profile is a URI, tag 32", id="URI"),
        pytest.param(b"\x81\x62id", "the profile is neither", id="array"),
    ],
)
def test_both_forms_of_a_profile_are_known(profile: bytes, expected: str) -> None:
    """A note says which form it is, since no form is read by every library."""
    (finding,) = findings(T501 + b"\xa2\x00\x62id\x03" + profile)
    assert ("corim-profile", expected) == (finding.rule, finding.found)


@pytest.mark.corpus("corim/*.cbor")
def test_documents_of_the_reference(corpus_file: Path) -> None:
    """What igvm 0.5.0 writes, with the profile in either form, has nothing but the note."""
    (finding,) = findings(corpus_file.read_bytes())
    assert "corim-profile" == finding.rule
    form = "a URI, tag 32" if "uri" in corpus_file.name else "bare text"
    assert f"the profile is {form}" == finding.found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param("00", True, id="number"),
        pytest.param("1903e8", True, id="two bytes"),
        pytest.param("fb3ff199999999999a", True, id="float"),
        pytest.param("f4", True, id="false"),
        pytest.param("f818", False, id="simple value below 32 in two bytes"),
        pytest.param("f8ff", True, id="simple value 255"),
        pytest.param("5f42010243030405ff", True, id="chunks of bytes"),
        pytest.param("5f6161ff", False, id="text in bytes"),
        pytest.param("5f5f4100ffff", False, id="chunks in chunks"),
        pytest.param("9f018202039f0405ffff", True, id="arrays of indefinite length"),
        pytest.param("bf61610103ff", False, id="three items in a map"),
        pytest.param("c1ff", False, id="a tag and a break"),
        pytest.param("1c", False, id="reserved length"),
        pytest.param("1f", False, id="number of indefinite length"),
        pytest.param("9bffffffffffffffff", False, id="more items than bytes"),
        pytest.param("5bffffffffffffffff00", False, id="more bytes than there are"),
        pytest.param("81" * 80 + "00", False, id="deeper than documents are"),
        pytest.param("", False, id="nothing"),
        pytest.param("0000", False, id="two items"),
    ],
)
def test_well_formed(data: str, expected: bool) -> None:  # noqa: FBT001
    """Well-formedness is that of RFC 8949, appendix A and F, with a bound on the depth."""
    assert expected == is_one_item(bytes.fromhex(data), 100)


def test_the_work_is_bounded() -> None:
    """After so many items it is not known whether the rest is well-formed."""
    assert is_one_item(b"\x99\x03\xe8" + bytes(1000), 100) is None
    assert is_one_item(b"\x99\x03\xe8" + bytes(1000), 1002) is True


def test_overlapping_documents_are_not_read_again_and_again() -> None:
    """Documents that overlap in part are looked at until they add up to the file."""
    size = 4096
    headers = [corim(DOCUMENT, 1, at(0) + i, size) for i in range(200)]
    data = bytes_for(SNP, policy(), *headers, page(0x1000), data=bytes(2 * size))
    found = [each for each in igvm.check(igvm.parse(data), most=999) if each.rule == "corim-cbor"]
    assert 0 < len(found) * size <= len(data) + (1 << 16)
