"""What Cloud Hypervisor does with a file, on KVM and on MSHV."""

from __future__ import annotations

import hashlib

import pytest

import igvm
from igvm.errors import LoadError
from tests.launch.plan_rows import rows, vmsas
from tests.small_files import raw
from tests.small_files.contents import LONG_MODE_VMSA, OTHER_PAGE, PAGE
from tests.small_files.guests import SNP, VMSA_GPA, file_for, guest_for


def test_vcpus_without_a_context() -> None:
    """QEMU resets them itself; nobody does on Cloud Hypervisor, and KVM resets in its own way."""
    file = guest_for(LONG_MODE_VMSA)
    data = igvm.SEVSelector(attrib=0x93, limit=0xFFFF)
    reset = igvm.SEVVMSA(
        es=data, ss=data, ds=data, fs=data, gs=data,
        cs=igvm.SEVSelector(selector=0xF000, attrib=0x9B, limit=0xFFFF, base=0xFFFF0000),
        gdtr=igvm.SEVSelector(limit=0xFFFF), idtr=igvm.SEVSelector(limit=0xFFFF),
        ldtr=igvm.SEVSelector(attrib=0x82, limit=0xFFFF),
        tr=igvm.SEVSelector(attrib=0x8B, limit=0xFFFF),
        efer=0x1000, cr0=0x10, cr4=0x40, dr6=0xFFFF0FF0, dr7=0x400, rflags=2, rip=0xFFF0,
        rdx=0xA00F11, pat=0x7040600070406, sev_features=igvm.SEVFeatures.SNP,
        xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
    )  # fmt: skip
    assert reset.pack() == vmsas(file, "qemu-kvm", vcpus=2, cpu="EPYC-Milan")[1]
    clear = data.replace(attrib=0x92)
    untouched = reset.replace(
        es=clear, ss=clear, ds=clear, fs=clear, gs=clear, rdx=0x600,
        cs=reset.cs.replace(attrib=0x9A), tr=reset.tr.replace(attrib=0x83),
    )  # fmt: skip
    assert untouched.pack() == vmsas(file, "cloud-hypervisor-kvm", vcpus=2)[1]


def test_cloud_hypervisor_on_kvm() -> None:
    """File order, empty pages as zero pages, every page of an area, the VMSA last."""
    file = guest_for(
        LONG_MODE_VMSA,
        raw.area(1, 0x2000),
        raw.page(0x5000),
        raw.page(0x4000, flags=4),
        raw.page(0x3000, flags=2),
        raw.page(0x2000, kind=1),
        raw.insert(1, 0x8000),
        raw.page(0x200000, flags=1),
    )
    expected = ["ZERO 5000", "ZERO 4000", "UNMEASURED 3000", "SECRETS 2000", "PARAMETER 8000 x2"]
    expected += ["ZERO 200000", f"VP_CONTEXT {VMSA_GPA:x}"]
    assert expected == rows(file, "cloud-hypervisor-kvm", vcpus=1)


def test_what_cloud_hypervisor_takes_of_a_context() -> None:
    """General, segment and control registers; the others are as KVM resets them."""
    given = LONG_MODE_VMSA.replace(
        tr=igvm.SEVSelector(base=1), ldtr=igvm.SEVSelector(base=2), rax=5, rip=6,
        pat=7, dr6=8, dr7=9, xcr0=3, mxcsr=1, x87_fcw=2, cr2=3, virtual_tom=1 << 46,
    )  # fmt: skip
    started = given.replace(
        pat=0x7040600070406, dr6=0xFFFF0FF0, dr7=0x400, xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F,
        cr2=0, virtual_tom=0, cr4=0x60, rflags=2,
    )  # fmt: skip
    assert [started.pack()] == vmsas(guest_for(given, gpa=0x1000), "cloud-hypervisor-kvm", vcpus=1)


def test_hashes_over_a_cpuid_page() -> None:
    """Cloud Hypervisor adds a page for them where one is already, and ends."""
    hashes = igvm.KernelHashes.of(b"kernel")
    with pytest.raises(LoadError, match="a CPUID page is where the kernel hashes go"):
        rows(
            guest_for(LONG_MODE_VMSA, raw.page(0x10000, kind=2)),
            "cloud-hypervisor-kvm",
            vcpus=1,
            hashes=hashes,
        )


def test_long_mode_without_its_active_bit() -> None:
    """Cloud Hypervisor sets EFER as the file has it, and KVM refuses LME and PG without LMA."""
    with pytest.raises(LoadError, match=r"VP_CONTEXT\.efer: KVM refuses it: EFER\.LME and"):
        rows(guest_for(LONG_MODE_VMSA.replace(efer=0x100)), "cloud-hypervisor-kvm", vcpus=1)
    with pytest.raises(LoadError, match=r"VP_CONTEXT\.cr0: KVM refuses it: CR0 has 32 bits"):
        rows(guest_for(LONG_MODE_VMSA.replace(cr0=1 << 32)), "cloud-hypervisor-kvm", vcpus=1)


def test_sev_features_are_those_of_the_first_context() -> None:
    """Of two for vCPU 0 Cloud Hypervisor takes the registers of the last."""
    other = LONG_MODE_VMSA.replace(rip=0x1000, sev_features=igvm.SEVFeatures(0x21))
    file = file_for(
        SNP,
        *[raw.context(raw.at(place), gpa=0x1000 * place) for place in (0, 1)],
        data=[LONG_MODE_VMSA.pack(), other.pack()],
    )
    (page,) = vmsas(file, "cloud-hypervisor-kvm", vcpus=1)
    vmsa = igvm.SEVVMSA.unpack_from(page)
    assert (0x1000, 1) == (vmsa.rip, vmsa.sev_features)


@pytest.mark.parametrize("loader", ["cloud-hypervisor-mshv", "igvmmeasure"])
def test_an_area_of_no_bytes(loader: str) -> None:
    """It is imported as one page all the same."""
    file = file_for(SNP, raw.area(1, 0), raw.insert(1, 0x8000))
    assert ["PARAMETER 8000"] == rows(file, loader)


def test_cloud_hypervisor_on_mshv() -> None:
    """By address; of an area the first page; a page of zeroes for contexts of other vCPUs."""
    file = file_for(
        SNP,
        raw.area(1, 0x2000),
        raw.page(0x9000),
        raw.insert(1, 0x8000),
        raw.context(raw.at(0), gpa=0x3000),
        raw.context(raw.at(0), gpa=0x2000, index=1),
        raw.context(raw.at(0), gpa=0x3000, index=2),
        raw.page(0x1000, raw.at(1)),
        data=[LONG_MODE_VMSA.pack(), OTHER_PAGE],
    )
    expected = ["NORMAL 1000", "VP_CONTEXT 2000", "VP_CONTEXT 3000", "VP_CONTEXT 3000"]
    expected += ["PARAMETER 8000", "NORMAL 9000"]
    assert expected == rows(file, "cloud-hypervisor-mshv")
    assert [bytes(4096), LONG_MODE_VMSA.pack(), LONG_MODE_VMSA.pack()] == vmsas(
        file, "cloud-hypervisor-mshv"
    )


@pytest.mark.parametrize("loader", ["cloud-hypervisor-kvm", "cloud-hypervisor-mshv"])
def test_what_cloud_hypervisor_panics_on(loader: str) -> None:
    """CPUID_XF pages and error ranges are not implemented."""
    for head, name in (
        (raw.page(0x1000, kind=3), "CPUID_XF page"),
        (raw.error_range(0, 4096), "ERROR_RANGE"),
    ):
        with pytest.raises(LoadError, match=f"panics on an? {name}"):
            rows(file_for(SNP, head), loader, vcpus=1)


HASHES = igvm.KernelHashes.of(b"kernel", b"initrd", "console=ttyS0")


def test_the_table_of_kernel_hashes() -> None:
    """A GUID and a length, then command line, initrd and kernel with a GUID and a length each."""
    sha256 = hashlib.sha256
    expected = bytes.fromhex("06d63894224fc94cb479a793d411fd21") + b"\xa8\0"
    expected += bytes.fromhex("d82dd09720bd944caa78e7714d36ab2a") + b"\x32\0"
    expected += sha256(b"console=ttyS0\0").digest()
    expected += bytes.fromhex("31f7ba442f3ad74b9af141e29169781d") + b"\x32\0"
    expected += sha256(b"initrd").digest()
    expected += bytes.fromhex("3794e74dd2ab7f42b835d5b172d2045b") + b"\x32\0"
    expected += sha256(b"kernel").digest()
    assert 168 == len(expected)
    assert expected + bytes(8) == HASHES.table()
    assert sha256(b"\0").digest() == igvm.KernelHashes.of(b"kernel").command_line


def test_kernel_hashes_where_the_file_has_nothing() -> None:
    """A normal page is added behind the pages of the file, before the VMSAs."""
    file = guest_for(LONG_MODE_VMSA, raw.page(0x20000))
    plan = igvm.plan(file, SNP, loader="cloud-hypervisor-kvm", vcpus=1, hashes=HASHES)
    measured = [row for row in plan if row.measured]
    assert ["ZERO", "NORMAL", "VP_CONTEXT"] == [row.operation.name for row in measured]
    page = bytes(0xC00) + HASHES.table() + bytes(0x400 - 176)
    assert (0x10000, page) == (measured[1].gpa, plan.content(measured[1].source))


def test_kernel_hashes_over_the_same_page_again_and_again() -> None:
    """However often a file loads it, one page is made of it."""
    file = guest_for(LONG_MODE_VMSA, *[raw.page(0x10000)] * 50)
    plan = igvm.plan(file, SNP, loader="cloud-hypervisor-kvm", vcpus=1, hashes=HASHES)
    page = bytes(0xC00) + HASHES.table() + bytes(0x400 - 176)
    sources = {row.source for row in plan if row.gpa == 0x10000}
    assert [page] == [plan.content(source) for source in sources]
    assert 50 == sum(row.operation == igvm.Operation.NORMAL for row in plan)


@pytest.mark.parametrize("flags", [0, 2])
@pytest.mark.parametrize("kind", [0, 1])
def test_kernel_hashes_in_a_page_of_the_file(flags: int, kind: int) -> None:
    """The page there becomes a normal page with the block in it, whatever it was."""
    file = file_for(SNP, raw.page(0x10000, raw.at(0), flags=flags, kind=kind), data=PAGE)
    plan = igvm.plan(file, SNP, loader="cloud-hypervisor-kvm", vcpus=1, hashes=HASHES)
    page, _ = list(plan)
    assert igvm.Operation.NORMAL == page.operation
    assert PAGE[:0xC00] + HASHES.table() + bytes(0x400 - 176) == plan.content(page.source)


def test_kernel_hashes_under_a_parameter_area() -> None:
    """Cloud Hypervisor refuses an area that would cover them."""
    file = file_for(SNP, raw.area(1, 0x3000), raw.insert(1, 0xF000))
    with pytest.raises(LoadError, match="lies over the kernel hashes at 0x10000"):
        rows(file, "cloud-hypervisor-kvm", vcpus=1, hashes=HASHES)
