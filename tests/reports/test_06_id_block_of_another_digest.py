"""Report 06: an ID block is signed for another digest than the one that the launch will have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "06-id-block-of-another-digest"
MEASURE = ("measure", "page-changed-after.igvm", "--loader", "qemu-kvm", "--vcpus", "1")


@pytest.mark.parametrize(
    ("file", "loader", "verdict"),
    [
        ("signed.igvm", "qemu-kvm", "accepted"),
        ("signed.igvm", "cloud-hypervisor-kvm", "rejected"),
        ("page-changed-after.igvm", "qemu-kvm", "rejected"),
        ("page-changed-after.igvm", "cloud-hypervisor-kvm", "rejected"),
    ],
)
def test_a_loader_that_leads_to_another(ask: Ask, file: str, loader: str, verdict: str) -> None:
    """A loader is accepted where some guest of it has the digest, and else rejected."""
    result = ask("check", file, "--loader", loader)
    assert (verdict == "rejected", True) == (result.exit_code == 1, verdict in result.output)
    assert ("id-block-digest" in result.output) == (verdict == "rejected")


def test_the_values_are_noted(ask: Ask) -> None:
    """Where some guest has the digest, a note says which."""
    result = ask("check", "signed.igvm", "--loader", "qemu-kvm", "--severity", "note")
    assert 0 == result.exit_code
    assert "ld is the digest of 1 vCPU;" in result.output


@pytest.mark.parametrize(
    ("known", "code"), [(("--vcpus", "1"), 0), (("--vcpus", "2,3"), 1), (("--cpu", "EPYC"), 0)]
)
def test_what_is_known_narrows(ask: Ask, known: tuple[str, ...], code: int) -> None:
    """--vcpus and --cpu say which guest is started."""
    assert code == ask("check", "signed.igvm", "--loader", "qemu-kvm", *known).exit_code


def test_measure_says_so(ask: Ask) -> None:
    """A digest beside an ID block for another comes with a line about it, and exit code 1."""
    result = ask(*MEASURE)
    assert 1 == result.exit_code
    assert "ID block  for another digest, dfea505232a05f61..., that of no loader" in result.output


def test_measure_says_whose(ask: Ask) -> None:
    """A digest that the ID block is for is said to be so, with all loaders that lead to it."""
    result = ask("measure", "signed.igvm", "--loader", "qemu-kvm", "--vcpus", "1")
    assert 0 == result.exit_code
    words = " ".join(result.output.split())
    assert "ID block for this digest, that of reference, igvmmeasure, qemu-kvm (1 vCPU)" in words


def test_ignored_block(ask: Ask) -> None:
    """--ignore-id-block prints the same and exits with 0."""
    result = ask(*MEASURE, "--ignore-id-block")
    assert (0, ask(*MEASURE).output) == (result.exit_code, result.output)


@pytest.mark.parametrize(
    ("file", "whose"),
    [
        ("signed.igvm", "that of reference, igvmmeasure, qemu-kvm (1 vCPU)"),
        ("page-changed-after.igvm", "that of no loader or tool"),
    ],
)
def test_info_says_whose(ask: Ask, file: str, whose: str) -> None:
    """The summary of a file says whose digest its ID block holds."""
    result = ask("info", file)
    assert 0 == result.exit_code
    assert whose in " ".join(result.output.split())
