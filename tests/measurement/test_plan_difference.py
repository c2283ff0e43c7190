"""Where two launches part ways that are compared by plan: all that a loader does counts."""

from __future__ import annotations

import pytest

import igvm
from igvm.measurement.first_difference import basis_of, first_difference
from tests.small_files.built_guests import snp_tdx_guest, two_vcpu_guest
from tests.small_files.contents import KVM_VMSA, OTHER_PAGE, PAGE, native_page
from tests.small_files.guests import NATIVE, SNP, VBS, file_for, guest_for
from tests.small_files.raw import area, at, context, insert, page, parameter, policy, required
from tests.small_files.signed_guests import id_block, snp_bytes

MADT, SLIT = 0x309, 0x30F


def native(*headers: bytes, data: bytes = PAGE) -> igvm.LaunchPlan:
    """A NATIVE launch of a page and of `headers`."""
    return igvm.plan(file_for(NATIVE, page(0x1000, at(0)), *headers, data=data), NATIVE)


def native_start(**registers: int) -> igvm.LaunchPlan:
    """A NATIVE launch with one context."""
    return igvm.plan(file_for(NATIVE, context(at(0)), data=native_page(**registers)), NATIVE)


def with_parameters(*headers: bytes) -> igvm.LaunchPlan:
    """A NATIVE launch with a parameter area that is inserted after `headers`."""
    return native(area(0), *headers, insert(0, 0x4000))


@pytest.mark.parametrize(
    ("first", "second", "kind", "gpa"),
    [
        (native(), native(data=OTHER_PAGE), "contents", 0x1000),
        (native(), native(page(0x2000)), "missing", 0x2000),
        (native(), native(page(0x9000)), "missing", 0x9000),
        (native(page(0x2000)), native(page(0x3000)), "address", 0x3000),
        (native_start(rip=1), native_start(rip=2), "context", 0),
        (
            with_parameters(parameter(MADT, 0)),
            with_parameters(parameter(MADT, 0, 64)),
            "header",
            0,
        ),
        (with_parameters(parameter(MADT, 0)), with_parameters(parameter(SLIT, 0)), "header", 0),
        (native(), native(required(0x100000, 0x2000)), "header", 0x100000),
        (
            native(required(0x100000, 0x1000)),
            native(required(0x100000, 0x2000)),
            "header",
            0x100000,
        ),
    ],
    ids=[
        "contents", "one page more", "page missing", "address", "registers", "byte of a parameter",
        "type of a parameter", "required memory of one", "size of required memory",
    ],
)  # fmt: skip
def test_native(first: igvm.LaunchPlan, second: igvm.LaunchPlan, kind: str, gpa: int) -> None:
    """Whatever a loader of NATIVE does otherwise is found, both ways round."""
    for plans in ((first, second), (second, first)):
        difference = first_difference(*plans)
        assert difference is not None
        assert kind == difference.kind
        assert gpa in {place.gpa for place in (difference.first, difference.second) if place}


def test_same_by_plan() -> None:
    """Two plans of one file have no difference by plan."""
    plans = [with_parameters(parameter(MADT, 0), required(0, 0x1000)) for _ in range(2)]
    assert first_difference(*plans) is None


def test_fields_of_a_header() -> None:
    """Of a header the fields that differ are named with both values."""
    difference = first_difference(
        with_parameters(parameter(MADT, 0)), with_parameters(parameter(MADT, 0, 64))
    )
    assert difference is not None
    assert [("byte_offset", "0x0", "0x40")] == [
        (field.name, field.first, field.second) for field in difference.fields
    ]


def test_unmeasured_contents() -> None:
    """Contents of a page that is not measured count by plan, and not by measurement."""
    plans = [
        igvm.plan(file_for(SNP, policy(), page(0x1000, at(0), flags=2), data=contents), SNP)
        for contents in (PAGE, OTHER_PAGE)
    ]
    assert first_difference(*plans) is None
    assert first_difference(*plans, by="measurement") is None
    difference = first_difference(*plans, by="plan")
    assert difference is not None
    assert ("contents", 4096) == (difference.kind, difference.bytes)


def test_policies_count_by_plan() -> None:
    """A policy is no part of the digest, and is one of the launch."""
    plans = [
        igvm.plan(file_for(SNP, policy(value), page(0x1000)), SNP) for value in (0x30000, 0xB0000)
    ]
    assert first_difference(*plans) is None
    difference = first_difference(*plans, by="plan")
    assert difference is not None
    assert "policy" in {field.name for field in difference.fields}


def test_endorsements_do_not_count() -> None:
    """Who vouches for a launch is no part of it."""
    plans = [
        igvm.plan(igvm.parse(snp_bytes(*blocks)), SNP)
        for blocks in ((), (id_block(),), (id_block(bytes(48)),))
    ]
    assert first_difference(plans[0], plans[1], by="plan") is None
    assert first_difference(plans[1], plans[2], by="plan") is None


def test_what_launches_are_compared_by() -> None:
    """Launches are compared by measurement where both have one."""
    vbs = file_for(VBS, page(0x1000))
    measured, loaded = (igvm.plan(vbs, VBS, loader=name) for name in ("reference", "openvmm"))
    assert "measurement" == basis_of(measured, measured)
    assert "plan" == basis_of(measured, loaded) == basis_of(native(), native())
    assert first_difference(measured, loaded) is None


def test_without_vcpus() -> None:
    """A plan never needs vCPUs: what is missing for the measurement keeps none from comparing."""
    plans = [
        igvm.plan(two_vcpu_guest(), SNP, loader="qemu-kvm"),
        igvm.plan(guest_for(KVM_VMSA), SNP, loader="qemu-kvm"),
    ]
    assert all(plan.missing for plan in plans)
    difference = first_difference(*plans, by="plan")
    assert difference is not None
    assert 0 == difference.index


def test_pages_of_windows() -> None:
    """Plans of runs are compared page by page."""
    assert first_difference(*[igvm.plan(snp_tdx_guest(), SNP)] * 2, by="plan") is None
