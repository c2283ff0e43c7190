"""Arguments of the wrong kind are told in words, as errors of igvm."""

from __future__ import annotations

from typing import Any

import pytest

import igvm
from tests.small_files import raw
from tests.small_files.guests import SNP, file_for

FILE = file_for(SNP, raw.page(0x1000))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("guest.igvm", "igvm.open(path) opens one"),
        (b"IGVM", "igvm.parse(data) makes one of bytes"),
        (None, None),
    ],
    ids=["path", "bytes", "None"],
)
@pytest.mark.parametrize(
    "call",
    [
        igvm.check,
        igvm.canonical,
        igvm.Builder.of,
        igvm.measure_all,
        lambda file: igvm.lint(file, "qemu-tcg"),
        lambda file: igvm.plan(file, "snp"),
        lambda file: igvm.measure(file, "snp"),
        lambda file: igvm.find(file, bytes(48)),
        lambda file: igvm.equivalent(FILE, file),
    ],
    ids=["check", "canonical", "of", "all", "lint", "plan", "measure", "find", "equivalent"],
)
def test_what_is_no_open_file(call: Any, wrong: object, hint: str | None) -> None:
    """A path or bytes in place of a file are told how to open them."""
    with pytest.raises(igvm.ValidationError, match="an open file is needed, not") as caught:
        call(wrong)
    assert hint == caught.value.hint


def test_other_kinds() -> None:
    """A digest as text, a loader that is no name, a table of what is no header, a number."""
    with pytest.raises(igvm.ValidationError, match="a digest is bytes, not str") as caught:
        igvm.find(FILE, "ab" * 48)  # type: ignore[arg-type]
    assert "bytes.fromhex(text) makes some" == caught.value.hint
    with pytest.raises(igvm.ValidationError, match="a loader is a name such as 'qemu-kvm'"):
        igvm.plan(FILE, "snp", loader=7)  # type: ignore[arg-type]
    for wrong in ("PAGE_DATA", igvm.CPUIDPage, 0x302):
        with pytest.raises(igvm.ValidationError, match=r"such as igvm\.PageData; not"):
            FILE.table(wrong)  # type: ignore[arg-type]
    with pytest.raises(igvm.ValidationError, match="a platform is a Platform, a PlatformType or"):
        igvm.plan(FILE, 2)  # type: ignore[arg-type]


def test_short_forms() -> None:
    """Records, enums and flags are shown by names and in hex, without what is zero."""
    (header,) = FILE.all_of(igvm.PageData)
    assert "PageData(gpa=0x1000, compatibility_mask=0x1)" == repr(header.record)
    assert "SEV_SNP 0x2" == f"{igvm.PlatformType.SEV_SNP} {igvm.PlatformType.SEV_SNP:#x}"
    assert "UNKNOWN_0x63" == str(igvm.PlatformType(99))
    assert "SNP|DEBUG_SWAP|0x80000000" == str(igvm.SEVFeatures(0x80000021))
    assert "0" == str(igvm.SEVFeatures(0))
    vmsa = igvm.SEVVMSA(rip=0xFFF0, cs=igvm.SEVSelector(base=1 << 16))
    assert "SEVVMSA(cs=SEVSelector(base=0x10000), rip=0xfff0)" == repr(vmsa)
    block = igvm.SNPIDBlock(compatibility_mask=1, ld=bytes(47) + b"\1")
    assert "ld=" + "00" * 32 + "... (48 bytes)" in repr(block)


def test_named_bits_of_a_vmsa() -> None:
    """The bits of an injected event and of virtual interrupts have names (APM volume 2)."""
    event = igvm.SEVEventInjectInfo(0x80000B0E | 5 << 32)
    assert (0x0E, 3, 1, 1, 5) == (
        event.vector, event.interruption_type, event.deliver_error_code, event.valid,
        event.error_code,
    )  # fmt: skip
    control = igvm.SEVVirtualInterruptControl.of(
        tpr=1, irq=1, priority=5, vector=0x20, guest_busy=1
    )
    assert 1 | 1 << 8 | 5 << 16 | 0x20 << 32 | 1 << 63 == control
