"""Which registers of a VMSA keep which loaders from starting a guest, and where things may lie."""

from __future__ import annotations

import pytest

import igvm
from igvm.launch.lint import lint
from tests.lint.examples import CH_KVM, CH_MSHV, OPENVMM, QEMU_SNP
from tests.small_files.contents import CODE_64, KVM_VMSA
from tests.small_files.guests import RESET_PAGE, SNP, VMSA_GPA, bytes_for, guest_bytes
from tests.small_files.raw import area, at, context, insert, page, policy

ALL = (QEMU_SNP, CH_KVM, OPENVMM)
MODE, CR0, XCR0, PAT = "kvm-mode", "kvm-cr0", "kvm-xcr0", "kvm-pat"
DEBUG = "kvm-debug-registers"
CODE_32 = CODE_64.replace(attrib=0xC9B)


def errors(data: bytes, loader: str) -> set[str]:
    """The names of the rules that have an error."""
    findings = lint(igvm.parse(data), loader)
    return {finding.rule.rpartition("/")[2] for finding in findings if finding.is_error}


def shown(value: object) -> str:
    """A value of a table in its test's name: registers and addresses in hex."""
    if isinstance(value, dict):
        return ",".join(
            f"{name}={hex(number) if isinstance(number, int) else hex(number.attrib)}"
            for name, number in value.items()
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)
    return "+".join(value) if isinstance(value, (list, tuple)) else str(value)


def strict(data: bytes, rule: str) -> list[str]:
    """The loaders on KVM that have an error of `rule`."""
    return [loader for loader in ALL if rule in errors(data, loader)]


@pytest.mark.parametrize(
    ("registers", "rule", "loaders"),
    [
        ({"efer": 0x1900}, MODE, [CH_KVM, OPENVMM]),  # QEMU sets EFER.LMA
        ({"efer": 0x1500, "cr4": 0x40}, MODE, ALL),
        ({"efer": 0x1100, "cr4": 0x40, "cs": CODE_32}, MODE, [CH_KVM, OPENVMM]),  # QEMU drops CR0
        ({"efer": 0x1000, "cs": CODE_32}, MODE, []),
        ({"efer": 0x1400, "cs": CODE_32}, MODE, ALL),
        ({"efer": 0x1000}, MODE, ALL),
        ({"cr0": 0x11}, MODE, ALL),
        ({"cr0": 0x11, "efer": 0x1100, "cs": CODE_32}, MODE, []),
        ({"cr0": 0x80000010}, CR0, ALL),
        ({"cr0": 0xA0000011}, CR0, ALL),
        ({"cr0": 0xC0000011}, CR0, []),
        ({"cr0": 0x180000011}, CR0, [CH_KVM, OPENVMM]),  # QEMU has 32 bits of it
        ({"cr0": 0x80000010, "cr4": 0x40}, CR0, [CH_KVM, OPENVMM]),  # QEMU drops CR0
        ({"xcr0": 0}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 5}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 9}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 0xE3}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 0x67}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 0x20007}, XCR0, [QEMU_SNP, OPENVMM]),
        ({"xcr0": 0x602FF}, XCR0, []),
        ({"pat": 3 << 56}, PAT, [QEMU_SNP, OPENVMM]),
        ({"pat": 8 << 32}, PAT, [QEMU_SNP, OPENVMM]),
        ({"pat": 0x0706050401000606}, PAT, []),
        ({"dr7": 0x400, "dr6": 1 << 32}, DEBUG, [QEMU_SNP, OPENVMM]),
        ({"dr7": 1 << 32}, DEBUG, [QEMU_SNP, OPENVMM]),
        ({"dr7": 0, "dr6": 0xFFFFFFFF, "dr0": 1}, DEBUG, []),
    ],
    ids=shown,
)
def test_kvm_refuses(registers: dict[str, object], rule: str, loaders: list[str]) -> None:
    """KVM refuses what a loader hands to it; what a loader does not hand on does not matter."""
    assert list(loaders) == strict(guest_bytes(KVM_VMSA.replace(**registers)), rule)


@pytest.mark.parametrize(
    ("registers", "starts"),
    [
        ({}, True),
        ({"cr0": 0x11, "efer": 0x1800, "cs": CODE_32}, False),
        ({"cr3": 0}, False),
        ({"efer": 0x1500}, False),
        ({"cs": CODE_64.replace(attrib=0xA1B)}, False),
        ({"cs": CODE_32}, False),
        ({"rip": 0}, False),
    ],
    ids=shown,
)
def test_openvmm_starts_in_64_bit_mode(registers: dict[str, object], *, starts: bool) -> None:
    """OpenVMM looks at vCPU 0 once it has set it up."""
    assert starts == (
        "vmsa-start" not in errors(guest_bytes(KVM_VMSA.replace(**registers)), OPENVMM)
    )


@pytest.mark.parametrize(
    ("registers", "loaders"),
    [
        ({"lstar": 1, "xss": 2, "cr2": 3, "dr3": 4, "x87_rip": 5, "spec_ctrl": 6}, [QEMU_SNP]),
        ({"x87_ftw": 1}, [QEMU_SNP, OPENVMM]),
        ({"virtual_tom": 1 << 40}, [QEMU_SNP, OPENVMM]),
        ({"reserved7": bytes(8) + b"\1" + bytes(23)}, [QEMU_SNP, OPENVMM]),
        ({"reserved7": bytes(7) + b"\1" + bytes(24)}, [QEMU_SNP]),
        ({"reserved10": b"\1" * 2448}, []),
    ],
    ids=["msrs", "tags", "vtom", "reserved", "tsc_aux", "past the VMSA"],
)
def test_fields_that_are_not_handed_on(registers: dict[str, object], loaders: list[str]) -> None:
    """QEMU and OpenVMM refuse what they do not hand to KVM, in the VMSA that they know."""
    assert loaders == strict(guest_bytes(KVM_VMSA.replace(**registers)), "vmsa-field")


@pytest.mark.parametrize(
    ("gpa", "loaders"),
    [
        (0xBFFFF000, [QEMU_SNP, OPENVMM]),
        (0xC0000000, [QEMU_SNP, CH_KVM, OPENVMM, CH_MSHV]),
        (0xFFBFF000, [QEMU_SNP, CH_KVM, OPENVMM, CH_MSHV]),
        (0xFFC00000, [QEMU_SNP, OPENVMM, CH_MSHV]),
        (1 << 32, [QEMU_SNP, OPENVMM]),
        (1 << 47, [QEMU_SNP, CH_KVM, OPENVMM, CH_MSHV]),
        (VMSA_GPA, [CH_MSHV]),
    ],
    ids=shown,
)
def test_where_a_vmsa_may_be(gpa: int, loaders: list[str]) -> None:
    """KVM's own address suits every loader on KVM, and RAM suits Cloud Hypervisor."""
    data = guest_bytes(KVM_VMSA, gpa=gpa)
    assert loaders == [loader for loader in (*ALL, CH_MSHV) if "vmsa-gpa" in errors(data, loader)]


@pytest.mark.parametrize(
    ("gpa", "pages", "fits"),
    [
        (RESET_PAGE, 1, True),
        (0xFFC00000, 1024, True),
        (0xFFBFF000, 1025, False),
        (VMSA_GPA, 1, True),
    ],
)
def test_firmware_below_4_gib(gpa: int, pages: int, *, fits: bool) -> None:
    """Cloud Hypervisor on KVM has 4 MiB for it, and a page at KVM's address."""
    data = bytes_for(SNP, policy(), *(page(gpa + (i << 12)) for i in range(pages)))
    assert fits == ("outside-ram" not in errors(data, CH_KVM))
    assert "outside-ram" in errors(data, CH_MSHV)


@pytest.mark.parametrize("loader", [CH_KVM, CH_MSHV])
@pytest.mark.parametrize(
    ("other", "ends"),
    [
        (page(0x5000, at(0)), True),
        (page(0x5000), False),
        (page(0x4000, at(0)), False),
        (area(0, 0x2000) + insert(0, 0x4000), True),
        (context(at(0), gpa=0x5000), True),
        (context(at(0), gpa=0x6000), False),
        (context(at(0), gpa=0x5000, index=1), False),
        (page(0x200000, at(0), flags=1) + context(at(0), gpa=0x201000), False),
    ],
    ids=["data", "zeroes", "beside", "insert", "context", "elsewhere", "vCPU 1", "2 MiB"],
)
def test_what_lies_over_a_context(loader: str, other: bytes, *, ends: bool) -> None:
    """The VMSA of vCPU 0 is imported like a page, and other contexts are not."""
    data = bytes_for(SNP, policy(), context(at(0), gpa=0x5000), other, data=KVM_VMSA.pack())
    assert ends == ("context-overlap" in errors(data, loader))


def test_a_second_context_at_one_address_is_no_warning() -> None:
    """Where Cloud Hypervisor ends it does not take the last."""
    data = bytes_for(SNP, policy(), *[context(at(0), gpa=0x5000)] * 2, data=KVM_VMSA.pack())
    rules = {finding.rule for finding in lint(igvm.parse(data), CH_KVM)}
    assert f"loader/{CH_KVM}/context-overlap" in rules
    assert f"loader/{CH_KVM}/context-twice" not in rules


def test_openvmm_launches_no_page_twice() -> None:
    """A page of 2 MiB is one page of 4 KiB, so what lies beside that does not overlap."""
    data = bytes_for(SNP, policy(), page(0x200000, at(0), flags=1), page(0x201000, at(0)))
    assert "overlap" not in errors(data, OPENVMM)
    assert "overlap" in errors(data, QEMU_SNP)
