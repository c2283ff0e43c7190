"""Where two launches part ways."""

from __future__ import annotations

import pytest

import igvm
from examples.make_hello import vmsa
from igvm.measurement.first_difference import first_difference
from tests.small_files.built_guests import hello_guest, realm, snp_tdx_guest, two_vcpu_guest
from tests.small_files.guests import CCA, SNP, TDX, VBS


def pages(*addresses: int) -> igvm.LaunchPlan:
    """A TDX launch of one page at each address."""
    builder = igvm.Builder(revision=2)
    tdx = builder.platform(TDX)
    for gpa in addresses:
        builder.pages(gpa, b"x", tdx)
    return igvm.plan(igvm.parse(builder.to_bytes()), TDX)


def test_same() -> None:
    """Two copies of a file do not part ways, whatever lies where in them."""
    builder = igvm.Builder.of(hello_guest())
    document = igvm.CorimDocument(compatibility_mask=2, file_offset=0, size_bytes=0)
    copy = builder.add(document, data=b"moves the data").to_bytes()
    for platform in (SNP, VBS):
        plans = igvm.plan(hello_guest(), platform), igvm.plan(igvm.parse(copy), platform)
        assert first_difference(*plans) is None


def test_contents() -> None:
    """A byte that differs is named by its place in the page and in the file."""
    difference = first_difference(
        igvm.plan(snp_tdx_guest(), SNP), igvm.plan(snp_tdx_guest(byte=2), SNP)
    )
    assert difference is not None
    assert ("contents", 4, 0, 4096) == (
        difference.kind,
        difference.index,
        difference.offset,
        difference.bytes,
    )
    assert difference.first is not None
    assert 0x101000 == difference.first.gpa


def test_operation() -> None:
    """The same page loaded in another way names both operations."""
    plans = [igvm.plan(hello_guest(), SNP, loader=name) for name in
             ("igvmmeasure", "igvmmeasure-native-zero")]  # fmt: skip
    difference = first_difference(*plans)
    assert difference is not None
    assert difference.first is not None
    assert difference.second is not None
    assert ("operation", "NORMAL", "ZERO") == (
        difference.kind, difference.first.operation, difference.second.operation,
    )  # fmt: skip


def test_count() -> None:
    """A parameter area that goes on in one launch is a matter of counts."""
    plans = [igvm.plan(snp_tdx_guest(), SNP, loader=name) for name in ("reference", "igvmmeasure")]
    for first, second in (plans, plans[::-1]):
        difference = first_difference(first, second)
        assert difference is not None
        assert ("count", 1) == (difference.kind, difference.index)


def test_more_vcpus() -> None:
    """A launch with more VMSAs has a page that the other has not."""
    plans = [igvm.plan(snp_tdx_guest(), SNP, loader="qemu-kvm", vcpus=count, cpu="EPYC")
             for count in (1, 2)]  # fmt: skip
    difference = first_difference(*plans)
    assert difference is not None
    assert ("missing", None) == (difference.kind, difference.first)
    assert difference.second is not None
    assert 1 == difference.second.vp_index


def test_vmsa_fields() -> None:
    """Contexts that differ are told field by field."""
    plain = igvm.plan(two_vcpu_guest(), SNP)
    changed = igvm.plan(two_vcpu_guest(), SNP, loader="qemu-kvm", vcpus=2, sev_features=0x21)
    difference = first_difference(plain, changed)
    assert difference is not None
    expected = {
        "cr4": ("0x20", "0x60"),
        "sev_features": ("0x1", "0x21"),
        "mxcsr": ("0x0", "0x1f80"),
        "x87_fcw": ("0x0", "0x37f"),
    }
    assert expected == {field.name: (field.first, field.second) for field in difference.fields}


def test_segments() -> None:
    """A segment register is told by its parts."""
    builder = igvm.Builder(revision=2)
    snp = builder.platform(SNP)
    builder.policy(igvm.SNPPolicy.of(smt=1), snp)
    builder.context(vmsa(), snp, gpa=0xFFFFFFFFF000)
    builder.context(vmsa().replace(cs=igvm.SEVSelector(base=16)), snp, gpa=0xFFFFFFFFF000)
    plan = igvm.plan(igvm.parse(builder.to_bytes()), SNP)
    contexts = plan.rows[plan.of(igvm.Operation.VP_CONTEXT)]
    difference = first_difference(plan.with_rows(contexts[:1]), plan.with_rows(contexts[1:]))
    assert difference is not None
    assert ["cs.selector", "cs.attrib", "cs.limit", "cs.base"] == [
        field.name for field in difference.fields
    ]


def test_registers() -> None:
    """VBS and CCA contexts are compared register by register."""
    plan = igvm.plan(realm(), CCA)
    contexts = plan.rows[2:]
    difference = first_difference(plan.with_rows(contexts[:1]), plan.with_rows(contexts[1:]))
    assert difference is not None
    assert [("flags", "0x1", "0x0")] == [
        (field.name, field.first, field.second) for field in difference.fields
    ]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("order", (0x1000, 0x3000), (0x3000, 0x1000)),
        ("address", (0x1000, 0x3000), (0x1000, 0x5000)),
        ("missing", (0x1000, 0x3000, 0x5000), (0x1000, 0x5000)),
        ("missing", (0x1000,), (0x1000, 0x5000)),
    ],
)
def test_kinds(kind: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    """Order, addresses and missing pages are told apart, whichever launch comes first."""
    for before, after in ((first, second), (second, first)):
        difference = first_difference(pages(*before), pages(*after))
        assert difference is not None
        assert kind == difference.kind


def test_platforms() -> None:
    """Launches of different technologies have nothing to compare."""
    with pytest.raises(igvm.MeasurementError, match="nothing in common"):
        first_difference(igvm.plan(snp_tdx_guest(), SNP), igvm.plan(snp_tdx_guest(), TDX))
