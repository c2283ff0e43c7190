"""Every loader rule finds what it is about, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

import igvm
from igvm.launch.loader_table import loaders_named
from igvm.measurement.lint import all_rules, lint, rules_of
from tests.lint.examples import EXAMPLES, FINE, FINE_RAM, FINE_SNP, FINE_VBS, Example
from tests.small_files.guests import NATIVE, SNP, VBS, bytes_for
from tests.small_files.raw import header, page

if TYPE_CHECKING:
    from igvm.launch.lint.loader_rule import LoaderRule

pytestmark = pytest.mark.slow

LOADERS = [loader.name for loader in loaders_named("all", tools=False)]
RULES = {(rule.name, owners[0].name): (rule, owners) for rule, owners in all_rules()}
each_rule = pytest.mark.parametrize(
    ("rule", "owners"), RULES.values(), ids=[f"{loader}/{name}" for name, loader in RULES]
)


def example(rule: LoaderRule, owners: tuple[igvm.Loader, ...]) -> Example:
    """The files for `rule`."""
    return EXAMPLES[rule.name, owners[0].name]


def first_findings(data: bytes, loader: str) -> dict[str, igvm.Finding]:
    """The first finding of every rule that has one."""
    findings = lint(igvm.parse(data), loader)
    return {finding.rule: finding for finding in reversed(findings)}


def test_every_rule_has_an_example() -> None:
    """There are two files for each declared rule, and none for others."""
    assert set(RULES) == set(EXAMPLES)


@each_rule
def test_finds_what_it_is_about(rule: LoaderRule, owners: tuple[igvm.Loader, ...]) -> None:
    """Each loader of a rule has a finding of its severity that cites its source."""
    for loader in owners:
        name = f"loader/{loader.name}/{rule.name}"
        finding = first_findings(example(rule, owners).bad, loader.name).get(name)
        assert finding is not None
        assert rule.severity == finding.severity
        assert rule.source in finding.message
        assert "{" not in finding.message


@each_rule
def test_leaves_others_alone(rule: LoaderRule, owners: tuple[igvm.Loader, ...]) -> None:
    """A file like it without the fault has no finding of the rule."""
    for loader in owners:
        findings = first_findings(example(rule, owners).good, loader.name)
        assert f"loader/{loader.name}/{rule.name}" not in findings


@pytest.mark.parametrize(
    ("data", "loader"),
    [
        (FINE, "qemu-tcg"),
        (FINE_SNP, "qemu-kvm"),
        (FINE_SNP, "cloud-hypervisor-kvm"),
        (FINE_RAM, "cloud-hypervisor-kvm"),
        (FINE_RAM, "cloud-hypervisor-mshv"),
        (FINE_VBS, "openvmm"),
        (FINE_SNP, "openvmm"),
    ],
)
def test_fine_files_boot(data: bytes, loader: str) -> None:
    """A file that is made for a loader has no errors there."""
    assert not [str(finding) for finding in lint(igvm.parse(data), loader) if finding.is_error]


@each_rule
def test_places_are_in_the_file(rule: LoaderRule, owners: tuple[igvm.Loader, ...]) -> None:
    """A finding's header has the type it names, and its offset lies in the file."""
    data = example(rule, owners).bad
    file = igvm.parse(data)
    for loader in owners:
        for finding in lint(file, loader.name):
            assert finding.offset is None or 0 <= finding.offset < len(data)
            if finding.header_index is not None:
                assert file.header(finding.header_index).name == finding.header_type


def test_rules_are_written_alike() -> None:
    """Names are kebab-case, words have no full stop, and every rule has a source and a reason."""
    for rule, owners in all_rules():
        assert rule.name == rule.name.lower().replace("_", "-").replace(" ", "-")
        assert not rule.words.endswith(".")
        assert rule.source
        assert rule.rationale
        assert {loader.name for loader in owners} <= set(LOADERS)


def test_a_name_is_declared_once() -> None:
    """A second rule of one name for one loader is a mistake in the code."""
    loader = igvm.loaders()["qemu-tcg"]
    rules = rules_of(loader)
    twice = msgspec.structs.replace(loader, rules=lambda: [*rules, rules[0]])
    with pytest.raises(TypeError, match=f"has .*{rules[0].name}.* twice"):
        rules_of(twice)


def test_a_loader_that_is_not_known() -> None:
    """The error names the nearest."""
    with pytest.raises(igvm.ValidationError, match="no loader 'qemo-tcg'") as raised:
        igvm.lint(igvm.parse(FINE), "qemo-tcg")
    assert "qemu-tcg" in (raised.value.hint or "")


@pytest.mark.parametrize("name", ["igvmmeasure", "td-shim"])
def test_a_tool_loads_nothing(name: str) -> None:
    """What only computes digests is no judge of what boots, and the error says so."""
    with pytest.raises(igvm.ValidationError, match="loads nothing"):
        igvm.lint(igvm.parse(FINE), name)


def test_the_reference_reads() -> None:
    """Of the reference the verdict is its reader's."""
    assert not igvm.lint(igvm.parse(FINE), "reference")
    (finding,) = igvm.lint(igvm.parse(bytes_for(NATIVE, page(0x1001))), "reference")
    assert finding.rule.startswith("igvm-0.5/")


@pytest.mark.parametrize("kind", [0x107, 0x80000107], ids=["needed", "optional"])
def test_a_version_string_is_refused_by_those_who_read_with_the_crate(kind: int) -> None:
    """No release of the igvm crate knows the type, nor the bit that would let it skip one."""
    data = bytes_for((NATIVE, SNP, VBS), header(kind, b"1.2"), page(0x1000))
    assert not [each for each in igvm.check(igvm.parse(data)) if "version" in each.rule]
    for name in LOADERS:
        refused = first_findings(data, name).get(f"loader/{name}/refused")
        assert (igvm.loaders()[name].crate is not None) == (refused is not None)


def test_most_limits_what_is_listed() -> None:
    """The last of the listed places of a rule counts the others."""
    data = bytes_for(NATIVE, *[page(0x1000 + 0x2000 * i, kind=1) for i in range(5)])
    rule = "loader/qemu-tcg/page-special"
    findings = lint(igvm.parse(data), "qemu-tcg", most=2)
    assert [0, 3] == [finding.more for finding in findings if finding.rule == rule]


@pytest.mark.parametrize(
    ("key", "header", "field", "value", "words"),
    [
        (("unknown-type", "qemu-tcg"), "ERROR_RANGE", None, None, "ERROR_RANGE is for SEV_SNP"),
        (("parameter-bounds", "qemu-tcg"), "VP_COUNT_PARAMETER", "byte_offset", 4101, "0x1000"),
        (("parameter-offset", "qemu-tcg"), "MADT", "byte_offset", 64, "byte_offset is 0x40"),
        (("order-trap", "qemu-tcg"), "PARAMETER_INSERT", "gpa", 0x1000, "covers 0x1000"),
        (("overlap", "qemu-tcg"), "PAGE_DATA", "gpa", 0x1000, "header 2 (PARAMETER_INSERT)"),
        (
            ("region-edge", "qemu-tcg"),
            "PAGE_DATA",
            "gpa",
            0x7FFF000,
            "the run of pages [0x7fff000, 0x8001000) is not all inside RAM [0xc0000, 0x8000000)",
        ),
        (("vp-index", "qemu-tcg"), "VP_CONTEXT", "vp_index", 1, "vp_index is 1"),
        (("vmsa-gpa", "qemu-kvm"), "VP_CONTEXT", "gpa", 0x5000, "gpa is 0x5000"),
        (("vmsa-field", "qemu-kvm"), "VP_CONTEXT", "star", None, "star is not zero"),
        (("vmsa-field", "openvmm"), "VP_CONTEXT", "reserved7", None, "reserved7 is not zero"),
        (("vmsa-gpa", "openvmm"), "VP_CONTEXT", "gpa", 0x5000, "gpa is 0x5000"),
        (("vmsa-fpu", "qemu-kvm"), "VP_CONTEXT", "mxcsr", 0, "mxcsr is 0x0"),
        (("vmsa-limit", "openvmm"), "VP_CONTEXT", "idtr", None, "idtr has more than 16 bits"),
        (("vmsa-start", "openvmm"), "VP_CONTEXT", "rip", 0, "rip is 0"),
        (("kvm-mode", "qemu-kvm"), "VP_CONTEXT", "efer", 0x1D00, "efer is 0x1d00"),
        (("kvm-cr0", "qemu-kvm"), "VP_CONTEXT", "cr0", 0x80000010, "cr0 is 0x80000010"),
        (("kvm-debug-registers", "qemu-kvm"), "VP_CONTEXT", "dr7", 0x401, "dr7 is 0x401"),
        (
            ("context-overlap", "cloud-hypervisor-kvm"),
            "VP_CONTEXT",
            "gpa",
            0x5000,
            "header 1 (VP_C",
        ),
        (("outside-ram", "cloud-hypervisor-kvm"), "PAGE_DATA", "gpa", 0xFFBFF000, "0xffc00000)"),
        (("area-empty", "openvmm"), "PARAMETER_INSERT", "parameter_area_index", 0, "area 0 has"),
        (("platform-vtl", "openvmm"), "SUPPORTED_PLATFORM", "highest_vtl", 2, "highest_vtl is 2"),
        (("policy-ignored", "cloud-hypervisor-mshv"), "GUEST_POLICY", "policy", 0x30000, "0x30000"),
        (("page-cpuid", "cloud-hypervisor-mshv"), "PAGE_DATA", "count", 65, "65 leaves"),
        (("register-twice", "openvmm"), "VP_CONTEXT", "register_name", 0x20010, "RIP is set"),
        (
            ("sev-features-others", "qemu-kvm"),
            "VP_CONTEXT",
            "sev_features",
            0x21,
            "sev_features is 0x21",
        ),
        (("policy-agreement", "qemu-kvm"), "GUEST_POLICY", "policy", 0x3001F, "0x3001f"),
    ],
)
def test_a_finding_says_where_and_what(
    key: tuple[str, str], header: str, field: str | None, value: int | None, words: str
) -> None:
    """A finding names header, field and value, and the value lies at its offset."""
    name, loader = key
    data = EXAMPLES[key].bad
    finding = first_findings(data, loader)[f"loader/{loader}/{name}"]
    assert (header, field, value) == (finding.header_type, finding.field, finding.value)
    assert words in finding.message
    if value is not None and field != "gpa":
        assert finding.offset is not None
        assert data[finding.offset :].startswith(value.to_bytes(4, "little").rstrip(b"\0"))


@pytest.mark.parametrize("name", LOADERS)
def test_a_finding_can_be_shown(name: str) -> None:
    """Findings are shown and raised like those of a check."""
    for files in EXAMPLES.values():
        for finding in lint(igvm.parse(files.bad), name):
            assert finding.rule in str(finding)
            assert finding.message in str(finding.error("file.igvm"))


def test_both_platforms_are_judged() -> None:
    """OpenVMM is told which platform to start, so a file for two is held against both."""
    for_vbs = bytes_for((VBS, SNP), page(0x1000, kind=1))
    for_snp = bytes_for((VBS, SNP), page(0x1000, mask=2, kind=1))
    assert "loader/openvmm/page-special" in first_findings(for_vbs, "openvmm")
    assert "loader/openvmm/page-special" not in first_findings(for_snp, "openvmm")
    assert "loader/openvmm/context-count" in first_findings(for_snp, "openvmm")


def test_what_holds_for_every_loader() -> None:
    """A loader that declares a rule or two is judged for its platforms and its reader too."""
    measured = igvm.loaders()["openvmm"]
    unmeasured = igvm.loaders()["qemu-tcg"]
    (rule, *_) = unmeasured.rules()

    def named(loader: igvm.Loader) -> set[str]:
        bare = msgspec.structs.replace(loader, rules=lambda: [rule])
        return {every.name for every in rules_of(bare)}

    assert {rule.name, "no-plan", "no-platform", "refused"} == named(measured)
    assert {rule.name, "no-platform", "refused"} == named(unmeasured)
    assert not rules_of(igvm.loaders()["igvmmeasure"])
