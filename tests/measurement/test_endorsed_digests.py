"""ID blocks and VBS measurements against the digests of loaders: whose digest they hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.contents import KVM_VMSA, PAGE
from tests.small_files.guests import SNP, VBS, VMSA_GPA, bytes_for
from tests.small_files.signed_guests import (
    OF_NOTHING,
    id_block,
    snp_bytes,
    vbs_bytes,
    vbs_measurement,
)

if TYPE_CHECKING:
    from pathlib import Path

QEMU, CH = "qemu-kvm", "cloud-hypervisor-kvm"


def signed(loader: str, /, *, bare: dict[str, Any] | None = None, **launch: Any) -> igvm.IgvmFile:
    """A guest with an ID block for what `loader` makes of it."""
    unsigned = igvm.parse(snp_bytes(**bare or {}))
    ld = igvm.measure(unsigned, "snp", loader=loader, **launch).digest
    return igvm.parse(snp_bytes(id_block(ld), **bare or {}))


def only(file: igvm.IgvmFile, **options: Any) -> igvm.EndorsedDigest:
    """The one endorsement of a file."""
    (endorsed,) = igvm.endorsed_digests(file, **options)
    return endorsed


@pytest.mark.parametrize("loader", [QEMU, CH])
@pytest.mark.parametrize("vcpus", [1, 2, 64])
def test_the_number_of_vcpus_is_named(loader: str, vcpus: int) -> None:
    """Of a loader that measures each vCPU the number that leads to the digest is named."""
    endorsed = only(signed(loader, vcpus=vcpus, cpu="EPYC-Milan"), loaders=[loader])
    assert {vcpus} == {match.vcpus for match in endorsed.matches}
    assert [loader] == endorsed.loaders
    assert not endorsed.is_foreign


def test_the_processor_is_named() -> None:
    """Of vCPUs without a context the processor that leads to the digest is named."""
    endorsed = only(signed(QEMU, vcpus=2, cpu="EPYC-Genoa"), loaders=[QEMU])
    assert ["EPYC-Genoa"] == [match.cpu for match in endorsed.matches]


@pytest.mark.parametrize(
    ("known", "fits"),
    [
        ({"vcpus": [2]}, True),
        ({"vcpus": [1, 3]}, False),
        ({"cpu": "EPYC-Milan"}, True),
        ({"cpu": "EPYC-Genoa"}, False),
        ({"sev_features": 1}, True),
        ({"sev_features": 0x21}, False),
    ],
    ids=str,
)
def test_what_is_known_is_not_varied(known: dict[str, Any], *, fits: bool) -> None:
    """vCPUs, processor and SEV_FEATURES that are known narrow what leads to the digest."""
    endorsed = only(signed(QEMU, vcpus=2, cpu="EPYC-Milan"), loaders=[QEMU], **known)
    assert fits != endorsed.is_foreign


def test_more_vcpus_than_are_tried() -> None:
    """A digest of 65 vCPUs is found where that number is asked for, and what was tried is said."""
    file = signed(QEMU, vcpus=65, cpu="EPYC-Milan")
    assert only(file, loaders=[QEMU]).is_foreign
    assert "1 to 64 vCPUs" == only(file, loaders=[QEMU]).tried[0]
    assert [65] == [match.vcpus for match in only(file, loaders=[QEMU], vcpus=[65]).matches]
    with pytest.raises(igvm.ValidationError, match="at most 1024 vCPUs"):
        igvm.endorsed_digests(file, vcpus=[1025])


def test_features_that_the_host_turns_on() -> None:
    """SEV_FEATURES of a host are tried where the file's lead nowhere, unless that is turned off."""
    file = signed(QEMU, vcpus=1, sev_features=0x21)
    (match,) = only(file, loaders=[QEMU]).matches
    assert (0x21, 1) == (match.sev_features, match.vcpus)
    assert only(file, every_feature=False).is_foreign


def test_pages_that_differ() -> None:
    """A page that was changed after signing is mended by no loader, vCPU or processor."""
    block = signed("reference").all_of(igvm.SNPIDBlock)[0].record
    file = igvm.parse(snp_bytes(id_block(block.ld), code=b"\x90" + PAGE[1:]))
    endorsed = only(file)
    assert endorsed.is_foreign
    assert not endorsed.matches
    assert {"reference", "igvmmeasure", QEMU, CH} <= set(endorsed.others)


def test_pages_that_a_loader_loads_otherwise() -> None:
    """An empty page is a zero page for Cloud Hypervisor, so QEMU's digest is never its own."""
    endorsed = only(signed(QEMU, vcpus=1, bare={"has_empty": True}))
    assert {"reference", "igvmmeasure", QEMU} <= set(endorsed.loaders)
    assert CH in endorsed.others


def test_a_tool_alone() -> None:
    """A digest that only igvmmeasure --native-zero gives is that of a tool, and counts."""
    bare = {"has_empty": True, "has_context": False}
    endorsed = only(signed("igvmmeasure-native-zero", bare=bare))
    assert ["igvmmeasure-native-zero"] == endorsed.loaders
    assert not endorsed.is_foreign


def test_several_blocks() -> None:
    """Each block of a platform is held against the launches for itself."""
    right = signed(QEMU, vcpus=2, cpu="EPYC").all_of(igvm.SNPIDBlock)[0].record.ld
    wrong, fits = igvm.endorsed_digests(igvm.parse(snp_bytes(id_block(), id_block(right))))
    assert (OF_NOTHING, right) == (wrong.digest, fits.digest)
    assert (True, [QEMU, "openvmm"]) == (wrong.is_foreign, fits.loaders)


@pytest.mark.parametrize(
    ("mask", "platforms"), [(1, [SNP]), (3, [SNP]), (2, []), (0, []), (4, [])], ids=str
)
def test_masks(mask: int, platforms: list[igvm.PlatformType]) -> None:
    """A block that SEV_SNP shares with another platform is held against SEV_SNP alone."""
    file = igvm.parse(snp_bytes(id_block(mask=mask), platforms=(SNP, VBS)))
    assert platforms == [endorsed.platform for endorsed in igvm.endorsed_digests(file)]


def test_vbs_measurement() -> None:
    """The digest of a VBS measurement is held against the boot digest."""
    digest = igvm.measure(igvm.parse(vbs_bytes()), "vbs").digest
    right, wrong, longer = igvm.endorsed_digests(
        igvm.parse(
            vbs_bytes(*map(vbs_measurement, (digest, digest[::-1], digest + b"and something")))
        )
    )
    assert (["reference"], False) == (right.loaders, right.is_foreign)
    assert (["reference"], True) == (wrong.others, wrong.is_foreign)
    assert (64, True) == (len(longer.digest), longer.is_foreign)
    assert "VBS measurement" == right.title


def test_loaders_that_refuse() -> None:
    """A loader that refuses the file is named with its reason, and is no proof of anything."""
    file = signed("reference", bare={"has_context": False})
    assert {"openvmm"} == set(only(file).refused)
    assert not only(file, loaders=["openvmm"]).is_foreign


def test_pages_are_bounded() -> None:
    """A launch of more pages than are to be measured is not compared, which is no verdict."""
    endorsed = only(igvm.parse(snp_bytes(id_block())), most_pages=0)
    assert not endorsed.is_foreign
    assert "it has 2 measured pages" == endorsed.not_compared["reference"]
    assert {"reference", "igvmmeasure", QEMU, CH} <= set(endorsed.not_compared)


def test_vcpus_are_bounded() -> None:
    """A context for more vCPUs than are tried is no verdict where each vCPU must be there."""
    first, last = (raw.context(raw.at(0), gpa=VMSA_GPA, index=index) for index in (0, 1024))
    data = bytes_for(SNP, raw.policy(), first, last, id_block(), data=KVM_VMSA.pack())
    endorsed = only(igvm.parse(data), every_feature=False)
    assert {QEMU: "it has 1,025 vCPUs, more than are tried"} == endorsed.not_compared
    assert CH in endorsed.others
    assert not endorsed.is_foreign
    assert "1 to 1024 vCPUs" == endorsed.tried[0]


def test_the_first_blocks() -> None:
    """Of more blocks than any file has the first 32 are compared."""
    file = igvm.parse(snp_bytes(*[id_block(bytes([number]) * 48) for number in range(1, 41)]))
    assert 32 == len(igvm.endorsed_digests(file, loaders=["reference"]))


@pytest.mark.corpus("**/*.igvm")
def test_recorded_digests(corpus_file: Path) -> None:
    """An ID block is the crate's or igvmmeasure's where they recorded that digest, never else."""
    answers = corpus_file.with_name(f"{corpus_file.name}.json")
    try:
        file = igvm.open(corpus_file)
    except igvm.FormatError:
        return
    recorded = json.loads(answers.read_bytes()) if answers.exists() else {}
    crate = {
        (each["platform"], each["digest"])
        for each in recorded.get("measurements") or ()
        if "digest" in each
    }
    tool = recorded.get("igvmmeasure") or {}
    with file:
        for endorsed in igvm.endorsed_digests(file):
            digest = endorsed.digest.hex()
            if "reference" not in endorsed.refused and crate:
                is_crates = (endorsed.platform.name, digest) in crate
                assert is_crates == ("reference" in endorsed.loaders)
            if tool.get("SEV_SNP") and endorsed.platform == SNP:
                assert (tool["SEV_SNP"] == digest) == ("igvmmeasure" in endorsed.loaders)
            # The generator filled blocks with random bytes; the tools that sign compute digests.
            assert endorsed.is_foreign or "signed" in corpus_file.name or not endorsed.others
