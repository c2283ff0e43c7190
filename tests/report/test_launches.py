"""Launches for a report: which are asked for, what comes of each, and how."""

from __future__ import annotations

import pytest

import igvm
from igvm.launch.request import PlanRequest
from igvm.report.differences import launch_difference
from igvm.report.launch_settings import (
    Launch,
    LaunchSettings,
    compared_platforms,
    launches,
    loaders_of,
    platforms_of,
)
from igvm.report.measurements import measure_launches
from igvm.report.refusal import Refusal
from igvm.report.searches import search_file
from igvm.report.traces import trace
from tests.small_files.built_guests import (
    HELLO_SNP,
    hello_guest,
    realm,
    snp_tdx_guest,
    two_vcpu_guest,
)
from tests.small_files.guests import CCA, NATIVE, SEV, SNP, TDX, VBS


def test_every_combination() -> None:
    """Platforms, loaders and numbers of vCPUs are combined; NATIVE, which has none, comes once."""
    assert [
        Launch(NATIVE, "reference"),
        Launch(SNP, "reference", 1),
        Launch(SNP, "reference", 2),
        Launch(SNP, "qemu-kvm", 1),
        Launch(SNP, "qemu-kvm", 2),
        Launch(VBS, "reference", 1),
        Launch(VBS, "reference", 2),
    ] == launches(hello_guest(), loaders=["reference", "qemu-kvm"], vcpus=[1, 2])


def test_all_loaders() -> None:
    """Without a name every loader that loads the platform is meant; of firmware, where some is."""
    wanted = launches(hello_guest(), platforms=[SNP])
    names = [name for name in loaders_of(SNP) if name != "qemu-bios"]
    assert names == [launch.loader for launch in wanted]
    of_firmware = launches(igvm.parse_firmware(bytes(4096)), platforms=[SNP])
    assert loaders_of(SNP) == [launch.loader for launch in of_firmware]
    assert "td-shim" not in loaders_of(SNP)


def test_platforms_of_a_file() -> None:
    """Those that are asked for come once each and in that order; none means all."""
    assert [VBS, SNP] == platforms_of(hello_guest(), [VBS, SNP, VBS])
    assert [NATIVE, SNP, VBS] == platforms_of(hello_guest())
    with pytest.raises(igvm.ValidationError, match="the file is for SEV_SNP, TDX, not for CCA"):
        platforms_of(snp_tdx_guest(), [CCA])


@pytest.mark.parametrize("platforms", [[], [SNP]])
def test_a_loader_of_nothing(platforms: list[igvm.PlatformType]) -> None:
    """A loader that loads nothing of what is asked for is refused."""
    with pytest.raises(igvm.ValidationError, match="loader td-shim does not load SEV_SNP"):
        launches(hello_guest(), platforms=platforms, loaders=["td-shim"])


def test_compared_platforms() -> None:
    """Two launches are compared where both files and all loaders have the platform."""
    loaders = ["reference", "reference"]
    guest = snp_tdx_guest()
    assert {SNP: None, TDX: None} == compared_platforms(guest, snp_tdx_guest(), loaders=loaders)
    with_hello = compared_platforms(guest, hello_guest(), loaders=loaders)
    assert (None, "only the first file is for it") == (with_hello[SNP], with_hello[TDX])
    assert {SNP: "loader td-shim does not load it", TDX: None} == compared_platforms(
        guest, guest, loaders=["reference", "td-shim"]
    )
    assert {"only the first file is for it", "only the second file is for it"} == set(
        compared_platforms(guest, realm(), loaders=loaders).values()
    )
    with pytest.raises(igvm.ValidationError, match="TDX are not compared: only the first"):
        compared_platforms(guest, two_vcpu_guest(), platforms=[SNP, TDX], loaders=loaders)
    with pytest.raises(igvm.ValidationError, match="loader td-shim does not load it"):
        compared_platforms(two_vcpu_guest(), two_vcpu_guest(), loaders=["td-shim", "td-shim"])


def test_results_and_refusals() -> None:
    """A launch has a measurement or says in data why not."""
    wanted = launches(hello_guest(), platforms=[SNP], loaders=["reference", "qemu-kvm"])
    first, second = measure_launches(hello_guest(), wanted, LaunchSettings())
    assert first.measurement is not None
    assert (HELLO_SNP, None) == (first.measurement.digest.hex(), first.refusal)
    assert second.refusal is not None
    assert (None, "vcpus", None) == (
        second.measurement,
        second.refusal.missing,
        second.refusal.hint,
    )
    (again,) = measure_launches(
        hello_guest(), [Launch(SNP, "qemu-kvm", 2)], LaunchSettings(PlanRequest(cpu="EPYC"))
    )
    assert again.measurement is not None


def test_a_realm_that_is_missing() -> None:
    """What must be given, or given otherwise, is named."""
    for settings in (LaunchSettings(), LaunchSettings(realm=igvm.RealmParameters(s2sz=20))):
        (result,) = measure_launches(realm(), [Launch(CCA, "reference")], settings)
        assert result.refusal is not None
        assert "realm" == result.refusal.missing


def test_refusal_of_an_error() -> None:
    """A refusal has the place in the file, and not the name of the file."""
    error = igvm.MeasurementError(
        "no", path="a.igvm", offset=0x58, header="PAGE_DATA", field="gpa", hint="h", missing="cpu"
    )
    expected = Refusal(message="+0x58: PAGE_DATA.gpa: no", hint="h", missing="cpu")
    assert expected == Refusal.of(error)


@pytest.mark.parametrize("every_page", [False, True])
def test_the_digest_of_a_trace(*, every_page: bool) -> None:
    """It is that of its last step, and that is the measurement."""
    for platform in (SNP, TDX):
        plan = igvm.plan(snp_tdx_guest(), platform)
        traced = trace(plan, every_page=every_page)
        measured = igvm.measure_plan(plan)
        assert traced.steps[-1].digest == traced.digest == measured.digest
        assert (measured.algorithm, measured.name) == (traced.algorithm, traced.name)


def test_the_trace_of_nothing() -> None:
    """A plan without operations has a digest and no step."""
    builder = igvm.Builder(revision=2)
    builder.platform(SEV)
    plan = igvm.plan(igvm.parse(builder.to_bytes()), SEV)
    traced = trace(plan)
    assert ([], igvm.measure_plan(plan).digest) == (traced.steps, traced.digest)


def test_pages_alike() -> None:
    """Two launches without a difference are alike in all pages."""
    plan = igvm.plan(snp_tdx_guest(), SNP)
    same = launch_difference(plan, plan)
    assert (None, plan.page_count) == (same.difference, same.alike)
    other = launch_difference(plan, igvm.plan(snp_tdx_guest(byte=2), SNP))
    assert other.difference is not None
    assert 4 == other.alike == other.difference.index


def test_a_search_with_what_is_known() -> None:
    """Settings narrow a search; a platform that the file has not is refused."""
    digest = igvm.measure(two_vcpu_guest(), SNP, loader="qemu-kvm", vcpus=2).digest
    search = search_file(
        two_vcpu_guest(),
        digest,
        loaders=["qemu-kvm"],
        settings=LaunchSettings(PlanRequest(cpu="EPYC")),
    )
    assert [("qemu-kvm", 2)] == [(match.loader, match.vcpus) for match in search.matches]
    with pytest.raises(igvm.ValidationError, match="not for TDX"):
        search_file(two_vcpu_guest(), digest, platforms=[TDX])
