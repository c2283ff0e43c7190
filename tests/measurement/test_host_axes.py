"""What hosts vary: digests computed here with hashlib, of cases that no report has."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest

import igvm
from igvm.launch.processors import signature_of
from igvm.measurement.search import find as search_module
from igvm.measurement.search.find import MOST_WORK, find
from igvm.report.launch_settings import LaunchSettings
from igvm.report.searches import search_file
from tests.small_files.built_guests import (
    AP_ADDRESS,
    RESET_VECTOR,
    firmware_guest,
    reset_context,
    snp_tdx_guest,
)
from tests.small_files.guests import SNP, TDX

_NORMAL, _VMSA, _UNMEASURED, _SECRETS, _CPUID = 1, 2, 4, 5, 6
LAST_PAGE = {48: 0xFFFFFFFFF000, 51: 0x7FFFFFFFFF000, 52: 0xFFFFFFFFFF000}


def page_info(running: bytes, kind: int, gpa: int, page: bytes | None = None) -> bytes:
    """One PAGE_INFO (SEV-SNP firmware ABI 8.17.2)."""
    contents = bytes(48) if page is None else hashlib.sha384(page).digest()
    return hashlib.sha384(
        running + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, gpa)
    ).digest()


def firmware_digest(
    *contexts: igvm.SEVVMSA,
    gpa: int = LAST_PAGE[48],
    empty: int = _NORMAL,
    cpuid_last: bool = False,
) -> bytes:
    """The digest of `firmware_guest` with these VMSAs."""
    running = bytes(48)
    for gpa_of_page in (0xFFFFE000, 0xFFFFF000):
        running = page_info(running, _NORMAL, gpa_of_page, b"firmware" * 512)
    zeroes = bytes(4096) if empty == _NORMAL else None
    for address in (0x800000, 0x801000):
        running = page_info(running, empty, address, zeroes)
    running = page_info(running, _SECRETS, 0x80D000)
    if not cpuid_last:
        running = page_info(running, _CPUID, 0x80E000)
    running = page_info(running, empty, 0x80F000, zeroes)
    if cpuid_last:
        running = page_info(running, _CPUID, 0x80E000)
    for context in contexts:
        running = page_info(running, _VMSA, gpa, context.pack())
    return running


NO_FPU = {"mxcsr": 0, "x87_fcw": 0}


def contexts(signature: int = 0x800F12, **fields: Any) -> list[igvm.SEVVMSA]:
    """Those of QEMU for two vCPUs of the firmware."""
    return [reset_context(address, signature, **fields) for address in (RESET_VECTOR, AP_ADDRESS)]


@pytest.mark.parametrize("bits", [51, 52])
def test_address_of_vmsas(bits: int) -> None:
    """VMSAs at the last page of 51 or 52 bits are found and measured."""
    expected = firmware_digest(*contexts(), gpa=LAST_PAGE[bits])
    match, *_ = find(firmware_guest(), expected, vcpus=[2]).matches
    assert f"{bits}-bit" == match.host["vmsa-gpa"]
    host = {"vmsa-gpa": f"{bits}-bit"}
    made = igvm.measure(firmware_guest(), SNP, loader="qemu-kvm", vcpus=2, host=host)
    assert expected == made.digest


def test_address_of_the_file() -> None:
    """A context that the file has elsewhere is measured there by a host that imports it."""
    builder = igvm.Builder()
    snp = builder.platform(SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.pages(0x1000, b"code", snp)
    builder.context(reset_context(RESET_VECTOR), snp, gpa=0x7000)
    file = igvm.parse(builder.to_bytes())
    page = page_info(bytes(48), _NORMAL, 0x1000, b"code".ljust(4096, b"\0"))
    for name, gpa in (("file", 0x7000), ("52-bit", LAST_PAGE[52])):
        expected = page_info(page, _VMSA, gpa, reset_context(RESET_VECTOR).pack())
        made = igvm.measure(file, SNP, loader="qemu-kvm", vcpus=1, host={"vmsa-gpa": name})
        assert expected == made.digest
        assert find(file, expected).matches


def test_two_things_at_once() -> None:
    """An early host kernel on Genoa: no FPU, a real processor, VMSAs at the end of 51 bits."""
    expected = firmware_digest(*contexts(0xA10F11, **NO_FPU), gpa=LAST_PAGE[51])
    match, *_ = find(firmware_guest(), expected, vcpus=[2]).matches
    assert {"fpu": "none", "rdx": "host:genoa", "vmsa-gpa": "51-bit"} == match.host
    assert "AMD EPYC Genoa" in match.processor


def test_google_compute_engine() -> None:
    """Empty pages unmeasured, VMSAs of its own at the end of 52 bits."""
    own = contexts(0x600, pat=0x70106, **NO_FPU)
    expected = firmware_digest(*own, gpa=LAST_PAGE[52], empty=_UNMEASURED)
    match, *_ = find(firmware_guest(), expected, vcpus=[2]).matches
    assert {"vmm": "gce", "vmsa-gpa": "52-bit", "empty-pages": "unmeasured"} == match.host


def test_elastic_compute_cloud() -> None:
    """The CPUID page last, and VMSAs that differ from QEMU's in CS, SS, TR and the FPU."""
    own = [
        context.replace(
            cs=context.cs.replace(attrib=0x9B if number else 0x9A),
            ss=context.ss.replace(attrib=0x92),
            tr=context.tr.replace(attrib=0x83),
        )
        for number, context in enumerate(contexts(0x600, **NO_FPU))
    ]
    match, *_ = find(firmware_guest(), firmware_digest(*own, cpuid_last=True), vcpus=[2]).matches
    assert {"vmm": "ec2", "cpuid-order": "last"} == match.host


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (0xA00F10, "Milan:"),
        (0xA10F12, "Genoa-X"),
        (0xAA0F01, "Bergamo"),
        (0xB10F10, "Turin Dense"),
        (0xB50F00, "Venice"),
    ],
    ids=["Milan B0", "Genoa-X", "Bergamo A1", "Turin Dense", "Venice"],
)
def test_real_processors(signature: int, words: str) -> None:
    """Every stepping that is known of is tried, and its processor named."""
    expected = firmware_digest(*contexts(signature))
    match, *_ = find(firmware_guest(), expected, vcpus=[2]).matches
    assert words in match.processor


def test_all_signatures_of_a_name() -> None:
    """`find` tries every signature of a name, `measure` takes that of production."""
    expected = firmware_digest(*contexts(0xA00F10))
    assert find(firmware_guest(), expected, vcpus=[2], cpu="host:Milan").matches
    assert not find(firmware_guest(), expected, vcpus=[2], cpu="host:genoa").matches
    assert 0xA00F11 == signature_of("host:milan")
    with pytest.raises(igvm.ValidationError, match="no stepping of AMD EPYC Venice is published"):
        signature_of("host:venice")
    with pytest.raises(igvm.ValidationError, match="no processor is called 'rome'"):
        signature_of("host:rome")


def test_pages_up_to_some() -> None:
    """A digest that a launch has on its way is near, and said up to where."""
    firmware = page_info(bytes(48), _NORMAL, 0xFFFFE000, b"firmware" * 512)
    search = find(firmware_guest(), firmware, vcpus=[1])
    (near,) = search.near
    assert (0xFFFFE000, 1) == (near.gpa, near.pages)
    assert [] == search.matches


def test_another_number_of_vcpus() -> None:
    """A digest for fewer vCPUs than were asked for is near, and said for how many."""
    search = find(firmware_guest(), firmware_digest(*contexts()), names=["qemu-kvm"], vcpus=[3])
    assert 2 in [near.vcpus for near in search.near]
    assert [] == search.matches


def test_a_miss_says_what_was_tried() -> None:
    """What was varied is said for each platform, and what was not by its parameter."""
    search = find(snp_tdx_guest(), bytes(48), vcpus=[1], cpu="EPYC")
    assert {"SEV_SNP", "TDX"} == set(search.looked_at)
    assert "vCPUs 1" in search.looked_at["SEV_SNP"]
    assert "processor EPYC" in search.looked_at["SEV_SNP"]
    assert {"hashes", "vcpus", "cpu", "sev_features"} == {each.parameter for each in search.untried}


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search ends when the work is done that it may do, and says what was left."""
    monkeypatch.setattr(search_module, "MOST_WORK", MOST_WORK // 50)
    search = find(firmware_guest(), bytes(48))
    assert search.tried < MOST_WORK // 40
    assert "of the less likely settings of SEV_SNP's VMSAs" in search.untried[0].message
    # The likeliest was tried all the same.
    assert find(firmware_guest(), firmware_digest(*contexts(0xB00F21))).matches


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cpu": "EPYC"}, "a processor"),
        ({"sev_features": 1}, "SEV_FEATURES"),
        ({"realm": igvm.RealmParameters(s2sz=40)}, "the parameters of a Realm"),
    ],
    ids=["cpu", "SEV_FEATURES", "realm"],
)
def test_what_cannot_matter_is_refused(given: dict[str, Any], words: str) -> None:
    """What a search would have no use for is not ignored."""
    with pytest.raises(igvm.ValidationError, match=f"a digest of TDX does not depend on {words}"):
        find(snp_tdx_guest(), bytes(48), platforms=[TDX], **given)
    with pytest.raises(igvm.ValidationError, match="not depend on the number of vCPUs"):
        search_file(
            snp_tdx_guest(), bytes(48), platforms=[TDX], vcpus=[2], settings=LaunchSettings()
        )


def record(name: bytes, gpa: int) -> bytes:
    """A record of 128 bytes (TDX module ABI, TDH.MEM.PAGE.ADD and TDH.MR.EXTEND)."""
    return name.ljust(16, b"\0") + struct.pack("<Q", gpa) + bytes(104)


def mrtd(*runs: tuple[int, list[bytes]]) -> bytes:
    """MRTD of runs of measured pages, each added as a whole before it is extended."""
    hasher = hashlib.sha384()
    for gpa, pages in runs:
        for number in range(len(pages)):
            hasher.update(record(b"MEM.PAGE.ADD", gpa + 4096 * number))
        for number, page in enumerate(pages):
            for at in range(0, 4096, 256):
                hasher.update(record(b"MR.EXTEND", gpa + 4096 * number + at) + page[at : at + 256])
    return hasher.digest()


def test_runs_end_where_pages_do() -> None:
    """A run goes on over pages without data, and ends where the address does not follow."""
    builder = igvm.Builder()
    tdx = builder.platform(TDX)
    first, second = b"\1" * 4096, b"\2" * 4096
    builder.pages(0x1000, first + second, tdx)
    builder.empty_pages(0x3000, 1, tdx)
    builder.pages(0x8000, second + first, tdx)
    file = igvm.parse(builder.to_bytes())
    expected = mrtd((0x1000, [first, second, bytes(4096)]), (0x8000, [second, first]))
    assert expected == igvm.measure(file, TDX, host={"extend-order": "runs"}).digest
    words = [match.deviations for match in find(file, expected).matches]
    assert ("the pages of a run are all added before they are extended",) in words
