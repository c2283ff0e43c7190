"""The trace of a measurement: every operation with the digest after it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import pytest

import igvm
from igvm.measurement.explain import explain
from tests.small_files.built_guests import (
    HELLO_SNP,
    HELLO_VBS,
    hello_guest,
    realm,
    snp_tdx_guest,
    two_vcpu_guest,
)
from tests.small_files.guests import CCA, SEV, SEV_ES, SNP, TDX, VBS

if TYPE_CHECKING:
    from igvm import IgvmFile, PlatformType

REALM = igvm.RealmParameters(s2sz=40, ripas=((0, 0x200000), (0x40000000, 0x50001000)))


@pytest.mark.parametrize("every_page", [False, True], ids=["runs", "pages"])
@pytest.mark.parametrize(
    ("file", "platform", "loader"),
    [
        (hello_guest(), SNP, "reference"),
        (hello_guest(), VBS, "reference"),
        (snp_tdx_guest(), SNP, "qemu-kvm"),
        (snp_tdx_guest(late=True), SNP, "reference"),
        (snp_tdx_guest(), TDX, "reference"),
        (snp_tdx_guest(), TDX, "td-shim"),
        (two_vcpu_guest(), SEV_ES, "qemu-kvm"),
        (two_vcpu_guest(), SEV_ES, "igvmmeasure"),
        (realm(), CCA, "reference"),
    ],
    ids=lambda value: getattr(value, "name", None) or (value if isinstance(value, str) else "file"),
)
def test_ends_with_the_measurement(
    file: IgvmFile, platform: PlatformType, loader: str, *, every_page: bool
) -> None:
    """The digest after the last step is the measurement, and the pages are those of the plan."""
    plan = igvm.plan(file, platform, loader=loader, vcpus=2, cpu="EPYC")
    steps = list(explain(plan, realm=REALM, every_page=every_page))
    assert igvm.measure_plan(plan, realm=REALM).digest == steps[-1].digest
    assert plan.page_count == sum(step.pages for step in steps)


def test_runs() -> None:
    """Pages of one kind at addresses that follow each other are one step."""
    steps = explain(igvm.plan(snp_tdx_guest(), SNP))
    expected = [
        ("PARAMETER", 0x200000, 3, "", True),
        ("NORMAL", 0x100000, 2, "", True),
        ("NORMAL", 0x102000, 2, "empty", True),
        ("SHARED", 0x104000, 1, "", False),
        ("UNMEASURED", 0x105000, 1, "", True),
        ("VP_CONTEXT", 0xFFFFFFFFF000, 1, "vCPU 0", True),
    ]
    assert expected == [
        (step.operation, step.gpa, step.pages, step.note, step.measured) for step in steps
    ]


def test_every_page() -> None:
    """On request each page is a step, with its own address and source."""
    steps = list(explain(igvm.plan(snp_tdx_guest(), SNP), every_page=True))
    assert [0x200000, 0x201000, 0x202000, 0x100000, 0x101000] == [step.gpa for step in steps[:5]]
    assert steps[3].source + 4096 == steps[4].source


def test_links() -> None:
    """Each running digest is the hash over the one before and the page (SNP ABI 8.17.2)."""
    _, first, second, *_ = explain(igvm.plan(hello_guest(), SNP))
    tail = b"\x70\0\1" + bytes(5) + (0x100000).to_bytes(8, "little")
    code = igvm.plan(hello_guest(), SNP).content(second.source)
    content = hashlib.sha384(code).digest()
    assert hashlib.sha384(first.digest + content + tail).digest() == second.digest


def test_unmeasured_keeps_the_digest() -> None:
    """An operation that the technology does not measure leaves the digest as it was."""
    steps = list(explain(igvm.plan(snp_tdx_guest(), TDX)))
    shared = next(index for index, step in enumerate(steps) if step.operation == "SHARED")
    assert steps[shared - 1].digest == steps[shared].digest
    assert not steps[shared].measured


def test_sample() -> None:
    """The recorded digests of the sample come out."""
    ends = [list(explain(igvm.plan(hello_guest(), kind)))[-1].digest.hex() for kind in (SNP, VBS)]
    assert [HELLO_SNP, HELLO_VBS] == ends


def test_registers() -> None:
    """VBS measures registers after all pages, and each has its name."""
    steps = explain(igvm.plan(hello_guest(), VBS), every_page=True)
    named = [step.note for step in steps if step.operation == "REGISTER"]
    assert ["vCPU 0, VTL 0, RIP", "vCPU 0, VTL 0, RFLAGS"] == named[:2]


def test_realm() -> None:
    """A Realm starts with its parameters, then RIPAS; RECs that cannot run do not count."""
    steps = list(explain(igvm.plan(realm(), CCA), realm=REALM))
    expected = ["REALM", "RIPAS", "RIPAS", "NORMAL", "UNMEASURED", "VP_CONTEXT", "VP_CONTEXT"]
    assert expected == [step.operation for step in steps]
    assert [True, False] == [step.measured for step in steps[-2:]]
    later = msgspec.structs.replace(REALM, num_bps=1, num_wps=1, rmm=(2, 0))
    assert "RIPAS" not in {step.operation for step in explain(igvm.plan(realm(), CCA), realm=later)}


def test_a_range_of_ram() -> None:
    """A range of RAM is one step, and every entry that the RMM measures is one on request."""
    parameters = msgspec.structs.replace(REALM, ripas=((0x1FF000, 0x401000), (0x1000, 0x2000)))
    plan = igvm.plan(realm(), CCA)
    whole = [step for step in explain(plan, realm=parameters) if step.operation == "RIPAS"]
    every = [
        step
        for step in explain(plan, realm=parameters, every_page=True)
        if step.operation == "RIPAS"
    ]
    assert ["0x1ff000 to 0x401000, 3 entries", "0x1000 to 0x2000"] == [step.note for step in whole]
    expected = ["0x1ff000 to 0x200000", "0x200000 to 0x400000", "0x400000 to 0x401000"]
    assert [*expected, "0x1000 to 0x2000"] == [step.note for step in every]
    assert [every[2].digest, every[3].digest] == [step.digest for step in whole]


def test_realm_needs_parameters() -> None:
    """Without realm parameters nothing is guessed."""
    with pytest.raises(igvm.MeasurementError, match="parameters that the VMM chooses"):
        explain(igvm.plan(realm(), CCA))


def test_native() -> None:
    """NATIVE has no measurement to explain."""
    with pytest.raises(igvm.MeasurementError, match="NATIVE has no launch measurement"):
        explain(igvm.plan(hello_guest(), igvm.PlatformType.NATIVE))


def test_nothing() -> None:
    """A plan without operations has no steps."""
    builder = igvm.Builder(revision=2)
    builder.platform(SEV)
    assert not list(explain(igvm.plan(igvm.parse(builder.to_bytes()), SEV)))
