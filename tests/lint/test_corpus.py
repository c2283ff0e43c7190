"""Real files: what their makers meant them for they are fit for, and what crashes is an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm.launch.loader_table import loaders_named
from igvm.measurement.lint import lint

LOADERS = [loader.name for loader in loaders_named("all", tools=False)]

if TYPE_CHECKING:
    from pathlib import Path


def errors(path: Path, loader: str) -> list[str]:
    """The errors of a file."""
    with igvm.open(path) as file:
        return [str(finding) for finding in lint(file, loader) if finding.is_error]


@pytest.mark.corpus("**/*.igvm")
def test_every_file_is_judged(corpus_file: Path) -> None:
    """Every loader has an answer for every file that can be read; what panics is an error."""
    answers = corpus_file.with_name(corpus_file.name + ".json")
    recorded = json.loads(answers.read_bytes()) if answers.exists() else {}
    parse = recorded.get("reference_release", {}).get("parse", {})
    try:
        file = igvm.open(corpus_file)
    except igvm.FormatError:
        return
    for loader in LOADERS:
        findings = lint(file, loader)
        if parse.get("verdict") == "panic":
            refused = [
                finding for finding in findings if finding.rule == f"loader/{loader}/refused"
            ]
            assert len(refused) == 1
            # Release 0.4 may stop before it gets there.
            crash = "crashes the reference" in refused[0].message
            assert crash or igvm.loaders()[loader].crate == "0.4"


@pytest.mark.corpus("tools/buildigvm_*_native_*.igvm")
def test_buildigvm_native_boots_under_tcg(corpus_file: Path) -> None:
    """OVMF in a NATIVE file boots in QEMU without KVM."""
    assert errors(corpus_file, "qemu-tcg") == []


@pytest.mark.corpus("tools/*buildigvm_*sev-snp*.igvm")
def test_buildigvm_snp_boots_with_kvm(corpus_file: Path) -> None:
    """OVMF in an SEV_SNP file boots in QEMU with KVM, signed or not."""
    assert errors(corpus_file, "qemu-kvm") == []


@pytest.mark.corpus("tools/buildigvm_*sev-snp*.igvm")
def test_qemu_files_in_cloud_hypervisor(corpus_file: Path) -> None:
    """On KVM there is memory at KVM's own address and for firmware below 4 GiB; on MSHV not."""
    assert errors(corpus_file, "cloud-hypervisor-kvm") == []
    rules = " ".join(errors(corpus_file, "cloud-hypervisor-mshv"))
    assert "/vmsa-gpa]" in rules
    assert "/outside-ram]" in rules


@pytest.mark.corpus("tools/svsm_qemu_*.igvm")
def test_svsm_meets_one_header_that_qemu_11_ends_at(corpus_file: Path) -> None:
    """The SVSM's files for QEMU ask for a device tree, and nothing else keeps them out."""
    with igvm.open(corpus_file) as file:
        if igvm.PlatformType.SEV_SNP not in file.platform_masks:
            return
    [error] = errors(corpus_file, "qemu-kvm")
    assert "DEVICE_TREE" in error


@pytest.mark.corpus("tools/igvmfilegen_*.igvm")
def test_igvmfilegen_files_are_openvmms(corpus_file: Path) -> None:
    """What OpenVMM's own tool makes for VBS boots there; TDX, Arm and SNP paravisors do not."""
    with igvm.open(corpus_file) as file:
        platforms = set(file.platform_masks)
        is_x64 = file.architecture == igvm.Architecture.X64
    reasons = errors(corpus_file, "openvmm")
    is_snp = igvm.PlatformType.SEV_SNP in platforms
    fit = is_x64 and igvm.PlatformType.VSM_ISOLATION in platforms and not is_snp
    assert fit == (reasons == [])
    assert is_snp == ("/platform-vtl]" in " ".join(reasons))
