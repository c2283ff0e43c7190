"""What QEMU with KVM does with a file."""

from __future__ import annotations

import re
from typing import Any

import pytest

import igvm
from igvm.errors import LoadError, MeasurementError, ValidationError
from tests.launch.plan_rows import rows, vmsas
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA, PAGE
from tests.small_files.guests import SEV, SEV_ES, SNP, VMSA_GPA, file_for, guest_for


def test_an_insert_between_pages() -> None:
    """QEMU still collects pages when it inserts: PAGE, INSERT, PAGE is measured INSERT first."""
    heads = [raw.area(1), raw.page(0x1000), raw.insert(1, 0x8000), raw.page(0x9000)]
    sev_es = file_for(SEV_ES, *heads)
    snp = file_for(SNP, raw.policy(), *heads)
    in_order = ["NORMAL 1000", "PARAMETER 8000", "NORMAL 9000"]
    assert in_order == rows(snp, "reference")
    assert in_order == rows(snp, "igvmmeasure")
    turned = ["PARAMETER 8000", "NORMAL 1000", "NORMAL 9000", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert turned == rows(snp, "qemu-kvm", vcpus=1, cpu="EPYC")
    started = ["NORMAL 1000", "NORMAL 9000", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert started == rows(sev_es, "qemu-kvm", SEV_ES, vcpus=1, cpu="EPYC")


@pytest.mark.parametrize(
    ("between", "goes_on"),
    [
        ([], True),
        ([raw.parameter(0x307, 1)], False),
        ([raw.page(0x8000, mask=2)], False),
        ([raw.page(0x8000, mask=0)], True),
        ([raw.page(0x2000, flags=2)], False),
    ],
    ids=[
        *("nothing", "a parameter", "another platform's page", "a page for no platform"),
        "a page of another kind",
    ],
)
def test_where_a_run_of_pages_ends(between: list[bytes], goes_on: bool) -> None:  # noqa: FBT001
    """A run is written when the next page does not fit it; until then an insert overtakes it."""
    heads = [raw.area(1), raw.page(0x1000), *between, raw.page(0x2000), raw.insert(1, 0x9000)]
    planned = rows(file_for(SNP, *heads), "qemu-kvm", vcpus=1, cpu="EPYC")
    expected = ["PARAMETER 9000", "NORMAL 1000", "NORMAL 2000"]
    if not goes_on:
        expected = ["NORMAL 1000", "PARAMETER 9000", "NORMAL 2000"]
    assert expected == [row for row in planned if "NORMAL" in row or "PARAMETER" in row]


def test_a_page_of_another_kind_ends_a_run() -> None:
    """With data and without, of other flags or type, or not at the next address."""
    file = file_for(
        SNP,
        raw.area(1),
        raw.page(0x1000, raw.at(0)),
        raw.page(0x2000),
        raw.page(0x4000),
        raw.page(0x5000, kind=1),
        raw.page(0x6000),
        raw.insert(1, 0x9000),
        data=PAGE,
    )
    expected = ["NORMAL 1000", "NORMAL 2000", "NORMAL 4000", "SECRETS 5000", "PARAMETER 9000"]
    expected += ["NORMAL 6000", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert expected == rows(file, "qemu-kvm", vcpus=1, cpu="EPYC")


def test_qemu_wants_to_know_what_it_runs_on() -> None:
    """The vCPU count, and the processor where a vCPU has no context, are not guessed."""
    file = guest_for(LONG_MODE_VMSA)
    plan = igvm.plan(file, SNP, loader="qemu-kvm")
    assert ["vcpus"] == [missing.parameter for missing in plan.missing]
    with pytest.raises(MeasurementError, match="the number of vCPUs must be known") as caught:
        igvm.measure_plan(plan)
    assert "vcpus" == caught.value.missing
    plan = igvm.plan(file, SNP, loader="qemu-kvm", vcpus=2)
    assert ["cpu"] == [missing.parameter for missing in plan.missing]
    with pytest.raises(MeasurementError, match="the processor model must be known") as caught:
        igvm.measure_plan(plan)
    assert "cpu" == caught.value.missing
    assert 1 == len(rows(file, "qemu-kvm", vcpus=1))
    with pytest.raises(ValidationError, match="0 is no number of vCPUs"):
        rows(file, "qemu-kvm", vcpus=0)


def test_what_kvm_makes_of_a_context_that_qemu_takes_over() -> None:
    """TR's base from LDTR, ET, LMA, MCE, SVME set, CD and NW clear, CPL from SS, FPU reset."""
    segment = igvm.SEVSelector(selector=8, attrib=0xFC9B, limit=0xFFFFFFFF, base=1 << 40)
    given = LONG_MODE_VMSA.replace(
        cs=segment,
        ss=igvm.SEVSelector(attrib=0xF3),
        tr=igvm.SEVSelector(attrib=0x8B, base=1),
        ldtr=igvm.SEVSelector(attrib=0x82, base=2),
        gdtr=igvm.SEVSelector(selector=7, attrib=3, limit=0x1FFFF, base=9),
        efer=0x100, cr0=0xE0000001, cr4=0x20, cr3=0x5000, rflags=0x200, rax=1, r15=2,
        pat=6, dr6=7, dr7=0x400, xcr0=3, mxcsr=0x1F00, x87_fcw=0x27F,
    )  # fmt: skip
    started = given.replace(
        cs=segment.replace(attrib=0xC9B),
        tr=given.tr.replace(base=2),
        gdtr=igvm.SEVSelector(limit=0xFFFF, base=9),
        efer=0x1500, cr0=0x80000011, cr4=0x60, rflags=0x202, cpl=3,
        mxcsr=0x1F80, x87_fcw=0x37F,
    )  # fmt: skip
    assert [started.pack()] == vmsas(guest_for(given), "qemu-kvm", vcpus=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"virtual_tom": 1 << 46}, "VP_CONTEXT.virtual_tom: QEMU refuses this virtual_tom"),
        ({"cr2": 1}, "VP_CONTEXT.cr2: QEMU refuses this cr2"),
    ],
)
def test_what_qemu_refuses_in_a_context(change: dict[str, Any], message: str) -> None:
    """Anything that it does not take over must be zero."""
    with pytest.raises(LoadError, match=re.escape(message)):
        rows(guest_for(LONG_MODE_VMSA.replace(**change)), "qemu-kvm", vcpus=1)


def test_the_half_of_a_control_register_that_qemu_has() -> None:
    """It hands 32 bits of CR0 and CR4 on."""
    given = LONG_MODE_VMSA.replace(
        cr0=LONG_MODE_VMSA.cr0 | 1 << 32, cr4=LONG_MODE_VMSA.cr4 | 1 << 32
    )
    assert vmsas(guest_for(LONG_MODE_VMSA), "qemu-kvm", vcpus=1) == vmsas(
        guest_for(given), "qemu-kvm", vcpus=1
    )


def test_paging_that_qemu_does_not_turn_on() -> None:
    """Long mode without CR4.PAE makes QEMU leave CR0 as it is after a reset."""
    given = LONG_MODE_VMSA.replace(cr4=0, efer=0x100, cs=LONG_MODE_VMSA.cs.replace(attrib=0xC9B))
    (page,) = vmsas(guest_for(given), "qemu-kvm", vcpus=1)
    vmsa = igvm.SEVVMSA.unpack_from(page)
    assert (0x10, 0x1100) == (vmsa.cr0, vmsa.efer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cr0": 0x20000001, "efer": 0}, "VP_CONTEXT.cr0: KVM refuses it: CR0.NW needs CR0.CD"),
        ({"cr0": 0x80000000}, "VP_CONTEXT.cr0: KVM refuses it: CR0.PG needs CR0.PE"),
        ({"efer": 0x400}, "VP_CONTEXT.efer: KVM refuses it: EFER.LMA needs EFER.LME and CR0.PG"),
        ({"efer": 0}, "VP_CONTEXT.cs: KVM refuses it: the L bit of CS needs EFER.LME and CR0.PG"),
        ({"dr6": 1 << 32}, "VP_CONTEXT.dr6: KVM refuses it: DR6 has 32 bits"),
        ({"dr7": 0x401}, "VP_CONTEXT.dr7: KVM refuses it: no breakpoint may be set"),
        ({"xcr0": 2}, "VP_CONTEXT.xcr0: KVM refuses it: bit 0 of XCR0, x87, is always set"),
        ({"xcr0": 5}, "VP_CONTEXT.xcr0: KVM refuses it: AVX in XCR0 needs SSE"),
        ({"xcr0": 0xE3}, "VP_CONTEXT.xcr0: KVM refuses it: AVX-512 in XCR0 needs AVX"),
        ({"xcr0": 0x27}, "VP_CONTEXT.xcr0: KVM refuses it: half a feature in XCR0"),
        ({"pat": 2}, "VP_CONTEXT.pat: KVM refuses it: a memory type in PAT is 0, 1 or 4 to 7"),
    ],
)
def test_what_kvm_refuses_in_a_context(change: dict[str, Any], message: str) -> None:
    """A guest that KVM does not start has no launch digest."""
    with pytest.raises(LoadError, match=re.escape(message)):
        rows(guest_for(LONG_MODE_VMSA.replace(**change)), "qemu-kvm", vcpus=1)


def test_the_snp_bit_that_qemu_wants() -> None:
    """It must be set on SEV-SNP and clear on SEV-ES."""
    without = LONG_MODE_VMSA.replace(sev_features=igvm.SEVFeatures(0))
    with pytest.raises(LoadError, match="QEMU wants the SNP bit in it on SEV_SNP"):
        rows(guest_for(without), "qemu-kvm", vcpus=1)
    with_snp = file_for(SEV_ES, raw.context(raw.at(0), gpa=VMSA_GPA), data=LONG_MODE_VMSA.pack())
    with pytest.raises(LoadError, match="QEMU wants no SNP bit in it on SEV_ES"):
        rows(with_snp, "qemu-kvm", SEV_ES, vcpus=1)


def test_an_area_of_no_bytes() -> None:
    """QEMU has nothing to insert and ends."""
    file = file_for(SNP, raw.area(1, 0), raw.insert(1, 0x8000))
    with pytest.raises(LoadError, match="QEMU does not insert an area of no bytes"):
        rows(file, "qemu-kvm", vcpus=1, cpu="EPYC")


def test_where_qemu_wants_a_context() -> None:
    """At KVM's address, for a vCPU that there is, and not on plain SEV."""
    with pytest.raises(LoadError, match=r"VP_CONTEXT\.gpa: QEMU wants a VMSA at 0xffff"):
        rows(guest_for(LONG_MODE_VMSA, gpa=0x1000), "qemu-kvm", vcpus=1)
    far = guest_for(LONG_MODE_VMSA, index=4)
    with pytest.raises(LoadError, match="the context is for vCPU 4 and there are 4"):
        rows(far, "qemu-kvm", vcpus=4)
    plain = file_for(SEV, raw.context(raw.at(0), gpa=VMSA_GPA), data=LONG_MODE_VMSA.pack())
    with pytest.raises(LoadError, match="QEMU refuses a context for plain SEV"):
        rows(plain, "qemu-kvm", SEV)


def test_other_headers_that_qemu_refuses() -> None:
    """Error ranges anywhere, special pages where there is no SNP."""
    ranges = file_for(SNP, raw.error_range(0, 4096))
    with pytest.raises(LoadError, match="ERROR_RANGE: QEMU has no ERROR_RANGE"):
        rows(ranges, "qemu-kvm", vcpus=1)
    special = file_for(SEV_ES, raw.page(0x1000, kind=2))
    with pytest.raises(LoadError, match="no secrets or CPUID pages for SEV_ES"):
        rows(special, "qemu-kvm", SEV_ES, vcpus=1)


def test_sev_features_are_those_of_vcpu_0() -> None:
    """KVM has one value for all, and QEMU tells it that of the first vCPU."""
    other = LONG_MODE_VMSA.replace(sev_features=igvm.SEVFeatures(0x21))
    file = file_for(
        SNP,
        *[raw.context(raw.at(index), gpa=VMSA_GPA, index=index) for index in (0, 1)],
        data=[LONG_MODE_VMSA.pack(), other.pack()],
    )
    pages = vmsas(file, "qemu-kvm", vcpus=2)
    assert [1, 1] == [int(igvm.SEVVMSA.unpack_from(page).sev_features) for page in pages]


def test_the_last_of_two_contexts_for_a_vcpu_counts() -> None:
    """QEMU overwrites a context by the next for the same vCPU, and takes its SEV_FEATURES."""
    other = LONG_MODE_VMSA.replace(rip=0x1000, sev_features=igvm.SEVFeatures(0x21))
    file = file_for(
        SNP,
        *[raw.context(raw.at(place), gpa=VMSA_GPA) for place in (0, 1)],
        data=[LONG_MODE_VMSA.pack(), other.pack()],
    )
    (page,) = vmsas(file, "qemu-kvm", vcpus=1)
    vmsa = igvm.SEVVMSA.unpack_from(page)
    assert (0x1000, 0x21) == (vmsa.rip, vmsa.sev_features)


def test_sev_features_as_asked_for() -> None:
    """They hold for all vCPUs, and KVM sets the SNP bit itself."""
    pages = vmsas(guest_for(LONG_MODE_VMSA), "qemu-kvm", vcpus=3, cpu="EPYC", sev_features=0x20)
    assert [0x21] * 3 == [int(igvm.SEVVMSA.unpack_from(page).sev_features) for page in pages]
