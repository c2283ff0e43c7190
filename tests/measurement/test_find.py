"""Searching for what leads to a digest: what is planted must be found again."""

from __future__ import annotations

from typing import Any

import pytest

import igvm
from igvm.launch.kvm.vmsa_axes import VMSA_AXES
from igvm.measurement.search.find import Match, find
from igvm.measurement.search.vmsa_families import Families
from igvm.measurement.technology_table import technology_of
from tests.small_files.built_guests import (
    HELLO_VMSA,
    firmware_guest,
    hello_guest,
    realm,
    snp_tdx_guest,
    two_vcpu_guest,
)
from tests.small_files.guests import CCA, SEV_ES, SNP, TDX, VBS

pytestmark = pytest.mark.slow

HASHES = igvm.KernelHashes.of(b"kernel", b"initrd", "console=ttyS0")


def digest(file: igvm.IgvmFile, platform: igvm.PlatformType = SNP, **options: Any) -> bytes:
    """The digest under one loader."""
    return igvm.measure(file, platform, **options).digest


def stated(match: Match) -> dict[str, Any]:
    """What a match says of the parameters, apart from what it leaves open."""
    names = ("loader", "vcpus", "cpu", "sev_features", "hashes")
    return {name: value for name in names if (value := getattr(match, name))}


@pytest.mark.parametrize(
    "options",
    [
        {"loader": "reference"},
        {"loader": "igvmmeasure-native-zero"},
        {"loader": "cloud-hypervisor-mshv"},
        {"loader": "qemu-kvm", "vcpus": 1},
        {"loader": "qemu-kvm", "vcpus": 64, "cpu": "EPYC-Milan"},
        {"loader": "cloud-hypervisor-kvm", "vcpus": 7, "sev_features": 0x221},
        {"loader": "qemu-kvm", "vcpus": 7, "cpu": "0x600", "sev_features": 0x221},
        {"loader": "openvmm", "vcpus": 2, "cpu": "EPYC-Turin", "sev_features": 0x4021},
        {"loader": "cloud-hypervisor-kvm", "vcpus": 3, "hashes": HASHES},
    ],
    ids=lambda options: " ".join(str(value) for name, value in options.items() if name != "hashes"),
)
def test_planted(options: dict[str, Any]) -> None:
    """A digest made with odd parameters leads back to them, and needs no deviation."""
    most = max(8, options.get("vcpus", 1))
    planted = digest(snp_tdx_guest(), **options)
    search = find(snp_tdx_guest(), planted, hashes=HASHES, vcpus=range(1, most + 1))
    expected = options | ({"hashes": True} if "hashes" in options else {})
    assert expected in [stated(match) for match in search.matches]
    assert {()} == {match.deviations for match in search.matches}


def test_what_does_not_matter_is_left_out() -> None:
    """A processor is named only where a vCPU starts in reset, features only where they differ."""
    planted = digest(two_vcpu_guest(), loader="qemu-kvm", vcpus=2, sev_features=1)
    search = find(two_vcpu_guest(), planted, names=["qemu-kvm"])
    assert [{"loader": "qemu-kvm", "vcpus": 2}] == [stated(match) for match in search.matches]


def test_loaders_that_do_the_same() -> None:
    """VMSAs that QEMU and OpenVMM build alike are those of both, however few vCPUs are searched."""
    planted = digest(snp_tdx_guest(), loader="openvmm", vcpus=1)
    for vcpus in ([1], range(1, 9)):
        search = find(snp_tdx_guest(), planted, names=["openvmm"], vcpus=vcpus)
        assert [{"loader": "openvmm", "vcpus": 1}] == [stated(match) for match in search.matches]
        assert {()} == {match.deviations for match in search.matches}


def test_deviation() -> None:
    """A launch that no loader does is found as the nearest loader and what must be otherwise."""
    plan = igvm.plan(snp_tdx_guest(), SNP)
    rows = plan.rows[plan.rows["operation"] != igvm.Operation.PARAMETER]
    search = find(snp_tdx_guest(), igvm.measure_plan(plan.with_rows(rows)).digest)
    assert ("parameter areas do not count",) == search.matches[0].deviations
    assert ["reference"] == [match.loader for match in search.matches]


def test_more_contexts_than_a_search_thinks_of() -> None:
    """They are tried as they are, and once each, whatever their number."""
    builder = igvm.Builder(revision=2)
    snp = builder.platform(SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.pages(0x100000, b"code", snp)
    for index in range(1100):
        builder.context(HELLO_VMSA, snp, gpa=0xFFFFFFFFF000, vp_index=index)
    file = igvm.parse(builder.to_bytes())
    built = Families(file, SNP, most=1, contexts=[((-1, 0),) * 1024, ((-1, 0),) * 1100])
    sizes = [len(family.pages) for family in built.as_they_are()]
    assert sizes.count(1024) > sizes.count(1100) == 1
    (match,) = find(file, digest(file), names=["reference"], vcpus=[1]).matches
    assert ((), None) == (match.deviations, match.sev_features)


def test_fewer_vmsas() -> None:
    """Contexts of the file that were not measured are counted."""
    plan = igvm.plan(two_vcpu_guest(), SNP)
    planted = igvm.measure_plan(plan.with_rows(plan.rows[:-1])).digest
    (match,) = find(two_vcpu_guest(), planted, names=["reference"]).matches
    assert ("1 of the file's 2 VMSAs measured",) == match.deviations


def test_no_vmsa() -> None:
    """A launch without any VMSA is thought of."""
    plan = igvm.plan(two_vcpu_guest(), SNP)
    planted = igvm.measure_plan(plan.with_rows(plan.rows[:-2])).digest
    (match,) = find(two_vcpu_guest(), planted, names=["reference"]).matches
    assert ("no VMSA is measured",) == match.deviations


def test_context_among_pages() -> None:
    """Where pages follow the context, both the loader's order and KVM's are tried."""
    file = snp_tdx_guest(late=True)
    assert {"loader": "reference"} in map(stated, find(file, digest(file)).matches)
    planted = digest(file, loader="qemu-kvm", vcpus=2, cpu="EPYC")
    expected = {"loader": "qemu-kvm", "vcpus": 2, "cpu": "EPYC"}
    assert expected in map(stated, find(file, planted).matches)


@pytest.mark.parametrize(
    ("file", "platform", "options"),
    [
        (snp_tdx_guest(), TDX, {"loader": "reference"}),
        (snp_tdx_guest(), TDX, {"loader": "td-shim"}),
        (hello_guest(), VBS, {"loader": "reference"}),
        (two_vcpu_guest(), SEV_ES, {"loader": "igvmmeasure"}),
        (two_vcpu_guest(), SEV_ES, {"loader": "qemu-kvm", "vcpus": 5, "cpu": "EPYC-Rome"}),
    ],
    ids=["TDX", "td-shim", "VBS", "igvmmeasure", "SEV-ES"],
)
def test_technologies(
    file: igvm.IgvmFile, platform: igvm.PlatformType, options: dict[str, Any]
) -> None:
    """Every technology is searched."""
    search = find(file, digest(file, platform, **options))
    assert (platform, options) in [(match.platform, stated(match)) for match in search.matches]


def test_realm() -> None:
    """A Realm is searched with the parameters that are given, and not without."""
    parameters = igvm.RealmParameters(s2sz=40)
    planted = digest(realm(), CCA, realm=parameters)
    assert "reference" == find(realm(), planted, realm=parameters).matches[0].loader
    with pytest.raises(igvm.MeasurementError, match="parameters that the VMM chooses"):
        find(realm(), planted)


def test_a_realm_that_is_refused() -> None:
    """What the RMM refuses does not end the search, and is told."""
    search = find(realm(), bytes(32), realm=igvm.RealmParameters(s2sz=31))
    assert [] == search.matches
    assert {"CCA reference"} == set(search.refused)
    assert "s2sz is 31" in search.refused["CCA reference"]


def test_registers_left_out() -> None:
    """VBS without registers is a deviation that is tried."""
    plan = igvm.plan(hello_guest(), VBS)
    rows = plan.rows[plan.rows["operation"] != igvm.Operation.VP_CONTEXT]
    search = find(hello_guest(), igvm.measure_plan(plan.with_rows(rows)).digest)
    assert ("no registers are measured",) == search.matches[0].deviations


def test_nothing() -> None:
    """A digest of another guest has no match; what was tried and who refused is told."""
    search = find(two_vcpu_guest(), bytes(48), vcpus=range(1, 9))
    assert [] == search.matches
    assert 1000 < search.tried
    assert ["SEV_SNP openvmm"] == list(search.refused)


def test_narrowed() -> None:
    """Known parameters make the search small."""
    whole = find(snp_tdx_guest(), bytes(48), platforms=[SNP], vcpus=range(1, 9))
    narrow = find(
        snp_tdx_guest(), bytes(48), platforms=[SNP], cpu="EPYC", sev_features=1, vcpus=[2]
    )
    assert narrow.tried * 100 < whole.tried


def test_progress() -> None:
    """Progress goes from nothing to everything, and never back."""
    steps: list[tuple[int, int]] = []
    find(
        snp_tdx_guest(),
        bytes(48),
        vcpus=[1],
        cpu=0,
        progress=lambda done, total: steps.append((done, total)),
    )
    (total,) = {total for _, total in steps}
    done = [number for number, _ in steps]
    assert (0, total) == (done[0], done[-1])
    assert sorted(done) == done


def test_size() -> None:
    """A digest of a size that no platform of the file has is refused."""
    with pytest.raises(igvm.MeasurementError, match="32 bytes is none of SEV_SNP, TDX"):
        find(snp_tdx_guest(), bytes(32))


def test_too_many_vcpus() -> None:
    """A search that would take for ever is refused."""
    with pytest.raises(igvm.MeasurementError, match="at most 1024 vCPUs"):
        find(snp_tdx_guest(), bytes(48), vcpus=[1025])


def parameters(match: Match) -> dict[str, Any]:
    """How `igvm.measure` is told what a match says."""
    hashes = {"hashes": HASHES} if match.hashes else {}
    return stated(match) | hashes | ({"host": match.host} if match.host else {})


def test_parameters() -> None:
    """A match tells the parameters that give the digest again."""
    planted = digest(snp_tdx_guest(), loader="cloud-hypervisor-kvm", vcpus=3, hashes=HASHES)
    (match,) = find(snp_tdx_guest(), planted, hashes=HASHES, platforms=[SNP], vcpus=[3]).matches
    assert planted == digest(snp_tdx_guest(), **parameters(match))
    planted = digest(snp_tdx_guest(), loader="qemu-kvm", vcpus=3, cpu="EPYC", sev_features=0x21)
    (match,) = find(snp_tdx_guest(), planted, names=["qemu-kvm"], vcpus=[3]).matches
    assert planted == digest(snp_tdx_guest(), **parameters(match))


def test_contexts_go_astray() -> None:
    """Launches that forget or repeat the file's contexts are thought of."""
    plan = igvm.plan(two_vcpu_guest(), SNP, loader="qemu-kvm", vcpus=2)
    first, second = plan.rows[-2:]["source"].tolist()
    rows = plan.rows.copy()
    rows["source"][rows["source"] == second] = first
    planted = igvm.measure_plan(plan.with_rows(rows)).digest
    (match,) = find(two_vcpu_guest(), planted, names=["qemu-kvm"]).matches
    assert ("every vCPU starts with the context of vCPU 0",) == match.deviations
    planted = igvm.measure_plan(plan.with_rows(plan.rows[:-1])).digest
    matches = find(two_vcpu_guest(), planted, names=["qemu-kvm"]).matches
    assert ("contexts for vCPU 1 and up are passed over",) in [
        match.deviations for match in matches
    ]
    assert {1} == {match.vcpus for match in matches}


@pytest.mark.parametrize(
    ("platform", "fpu", "words"),
    [
        (SNP, {"mxcsr": 0, "x87_fcw": 0}, "MXCSR and the x87 control word are those of the file"),
        (SEV_ES, {"mxcsr": 0, "x87_fcw": 0}, "KVM measures no FPU"),
    ],
    ids=["the file's", "none"],
)
def test_another_fpu(platform: igvm.PlatformType, fpu: dict[str, int], words: str) -> None:
    """A kernel that does not measure the FPU as QEMU's loader has it is thought of."""
    plan = igvm.plan(two_vcpu_guest(), platform, loader="qemu-kvm", vcpus=3, cpu="EPYC-Milan")
    pages = [igvm.SEVVMSA.unpack_from(plan.content(row.source)) for row in list(plan)[-3:]]
    # The third vCPU has no context in the file; only a kernel without FPU changes its VMSA.
    changed = [page.replace(**fpu) for page in pages[:2]]
    changed.append(pages[2].replace(**fpu) if platform == SEV_ES else pages[2])
    rows = plan.rows.copy()
    rows["source"][-3:] = [-2, -3, -4]
    changed_plan = plan.with_rows(rows, blobs=[page.pack() for page in changed])
    search = find(two_vcpu_guest(), igvm.measure_plan(changed_plan).digest, names=["qemu-kvm"])
    same = {"loader": "qemu-kvm", "vcpus": 3, "cpu": "EPYC-Milan"}
    assert all(same == stated(match) for match in search.matches)
    assert any(match.deviations[0].startswith(words) for match in search.matches)
    assert {1} == {len(match.deviations) for match in search.matches}


def test_another_host() -> None:
    """A launch with the pages of one loader and the VMSAs of another names both."""
    pages = igvm.plan(snp_tdx_guest(), SNP)
    kvm_plan = igvm.plan(snp_tdx_guest(), SNP, loader="cloud-hypervisor-kvm", vcpus=2)
    rows = pages.rows.copy()
    vmsas = kvm_plan.rows[-2:]
    import numpy as np

    mixed = kvm_plan.with_rows(np.concatenate([rows[:-1], vmsas]))
    search = find(snp_tdx_guest(), igvm.measure_plan(mixed).digest, vcpus=[2])
    words = {word for match in search.matches for word in match.deviations}
    assert "the VMSAs are as for Cloud Hypervisor" in words


REALM = igvm.RealmParameters(s2sz=40)
BUILT = {"vmm", "contexts", "fpu", "rdx", "vmsa-gpa"}
"""Axes of the VMSAs that KVM builds."""


def hosted(platform: igvm.PlatformType) -> list[tuple[str, str]]:
    """Every axis of a technology with each of its values."""
    axes = list(technology_of(platform).axes)
    if technology_of(platform).continuation is not None:
        axes += VMSA_AXES
    return [(axis.name, choice.value) for axis in axes for choice in axis.on(platform)]


PLANTED = [
    (platform, loader, axis, value)
    for platform, loaders in (
        (SNP, ("reference", "qemu-kvm")),
        (TDX, ("reference",)),
        (VBS, ("reference",)),
        (CCA, ("reference",)),
        (SEV_ES, ("igvmmeasure", "qemu-kvm")),
    )
    for loader in loaders
    for axis, value in hosted(platform)
]


@pytest.mark.parametrize(
    ("platform", "loader", "axis", "value"),
    PLANTED,
    ids=["-".join(map(str, (platform.name, *rest))) for platform, *rest in PLANTED],
)
def test_what_hosts_vary(platform: igvm.PlatformType, loader: str, axis: str, value: str) -> None:
    """A digest that a host makes by any value of an axis is found, and measured again."""
    file = {VBS: hello_guest(), CCA: realm(), SEV_ES: two_vcpu_guest()}.get(
        platform
    ) or snp_tdx_guest(late=True)
    if value in {"ec2", "gce"}:
        file = firmware_guest(platform)
    options: dict[str, Any] = {"loader": loader, "host": {axis: value}}
    if platform == CCA:
        options["realm"] = REALM
    built = BUILT if platform in {SNP, SEV_ES} else set()
    if loader == "qemu-kvm" or axis in built:
        options |= {"vcpus": 2, "cpu": "EPYC"}
    if loader != "qemu-kvm" and axis in built - {"vmm"}:
        options["host"] = {"vmm": "qemu", axis: value}
    planted = digest(file, platform, **options)
    search = find(file, planted, platforms=[platform], vcpus=[1, 2], realm=options.get("realm"))
    assert search.matches
    for match in search.matches:
        again = parameters(match) | ({"realm": REALM} if platform == CCA else {})
        assert planted == digest(file, platform, **again)
