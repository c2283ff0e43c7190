"""What headers and their data hold: pages to tell apart, VMSAs, other registers, records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import igvm
from igvm.spec.registry import TYPE_OF
from tests.small_files import raw

if TYPE_CHECKING:
    from igvm.wire.record import Record

PAGE = bytes(range(256)) * 16
"""A page that counts up."""
OTHER_PAGE = bytes(reversed(range(256))) * 16
"""A page that counts down."""

CODE_64 = igvm.SEVSelector(selector=8, attrib=0xA9B, limit=0xFFFFFFFF)
"""A segment of 64-bit code."""
RESET_VMSA = igvm.SEVVMSA(rip=0xFFF0, xcr0=1, sev_features=igvm.SEVFeatures.SNP)
"""16-bit code at the reset vector."""
LONG_MODE_VMSA = igvm.SEVVMSA(
    cs=igvm.SEVSelector(selector=8, attrib=0x29B), rip=0xFFF0, efer=0x1D00, cr0=0x80000011,
    cr3=0x1000, cr4=0x20, xcr0=1, mxcsr=0x1F80, x87_fcw=0x37F, sev_features=igvm.SEVFeatures.SNP,
)  # fmt: skip
"""64-bit code, which every loader starts."""
KVM_VMSA = LONG_MODE_VMSA.replace(cs=CODE_64, cr4=0x60, rflags=2, rip=0x1000)
"""64-bit code with registers that KVM leaves as they are, and that every loader takes."""
REC = igvm.CCAContext(pc=0x8000, flags=1)
"""A virtual processor of a Realm, which runs."""


def padded(data: bytes) -> bytes:
    """`data` with zeroes up to a page."""
    return data.ljust(raw.PAGE_SIZE, b"\0")


def native_page(**registers: int) -> bytes:
    """A native context of a processor as it should be, but for `registers`."""
    fields = {"rflags": 2, "cr0": 0x11} | registers
    return padded(igvm.NativeContextX64(**fields).pack())  # type: ignore[arg-type]


def header_of(record: Record) -> bytes:
    """The header that holds `record`."""
    return raw.header(TYPE_OF[type(record)], record.pack())


def cpuid_leaves(*asked_for: tuple[int, ...], answer: int = 0) -> bytes:
    """A CPUID page of leaves, each given as EAX, ECX, XCR0 and XSS, whose answer is `answer`."""
    entries = [
        igvm.CPUIDEntry(
            **dict(zip(("eax_in", "ecx_in", "xcr0_in", "xss_in"), leaf, strict=False)), eax=answer
        ).pack()
        for leaf in asked_for
    ]
    return padded(len(entries).to_bytes(16, "little") + b"".join(entries))
