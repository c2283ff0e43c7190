"""What is in a context: VMSA, native and CCA registers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Lazy, Place, rule
from igvm.spec.context import CCAContext, NativeContextX64
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.platform import SupportedPlatform
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found
    from igvm.wire.record import Record

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_PKRU_AND_TSC_AUX = slice(0x2E8, 0x2F0)
_SEGMENT_BITS = 0xF00


@functools.cache
def _reserved(record: type[Record]) -> bytes:
    """Ones where `record` has reserved fields."""
    wanted = bytearray(record.SIZE)
    for item in record.FIELDS:
        if item.is_reserved:
            wanted[item.offset : item.offset + item.size] = b"\xff" * item.size
    if record is SEVVMSA:
        wanted[_PKRU_AND_TSC_AUX] = bytes(8)
    return bytes(wanted)


def _field_at(record: type[Record], offset: int) -> str:
    """The field of `record` that holds the byte at `offset`."""
    return next(x.name for x in record.FIELDS if x.offset <= offset < x.offset + x.size)


def _stray(facts: Facts, record: type[Record], wanted: bytes) -> Found:
    """Contexts of `record` that have a bit where `wanted` has one."""
    index, offsets = facts.contexts.pages(record)
    if not len(index):
        return
    rows, places = facts.stray(offsets, wanted)

    def place(number: int) -> Place:
        at = int(places[number])
        offset = int(offsets[rows[number]]) + at
        field = _field_at(record, at) if at < record.SIZE else None
        value = facts.file.buffer[offset]
        message = f"the byte at {at:#x} of the context is {value:#04x}"
        return Place(message, int(index[rows[number]]), None, field, offset, value)

    if len(rows):
        yield Lazy(len(rows), place)


def _where(
    facts: Facts,
    record: type[Record],
    name: str,
    wrong: Callable[[NDArray[np.uint64], NDArray[np.intp]], NDArray[np.bool_]],
    describe: str = "{name} is {value:#x}",
) -> Found:
    """Contexts of `record` at whose field `name` `wrong` holds; it gets the headers as well."""
    index, offsets = facts.contexts.pages(record)
    if not len(index):
        return
    values = facts.payloads(record)[name][offsets]
    rows = wrong(values, index).nonzero()[0]
    inside = next(item.offset for item in record.FIELDS if item.name == name)

    def place(number: int) -> Place:
        row = rows[number]
        value, offset = int(values[row]), int(offsets[row]) + inside
        message = describe.format(name=name, value=value)
        return Place(message, int(index[row]), None, name, offset, value)

    if len(rows):
        yield Lazy(len(rows), place)


@rule(
    "context-reserved",
    ERROR,
    "reserved fields of a VMSA or a native context must be zero",
    "SevVmsa, IgvmNativeVpContextX64.reserved; APM volume 2, appendix B",
)
def context_reserved(facts: Facts) -> Found:
    """KVM and the SNP firmware do not know what the field should do.

    QEMU refuses a VMSA with a register set that it does not know. PKRU at 0x2e8 and TSC_AUX at
    0x2ec are reserved in igvm_defs and defined by newer processors; they are not looked at.
    """
    for record in (SEVVMSA, NativeContextX64):
        yield from _stray(facts, record, _reserved(record))


@rule(
    "context-tail",
    ERROR,
    "a native or CCA context must be followed by zeroes up to 4 KiB",
    "IgvmNativeVpContextX64, IgvmVpContextAArch64Cca; the igvm crate",
)
def context_tail(facts: Facts) -> Found:
    """The structure fills the start of a page; the reference crate refuses bytes after it.

    Several contexts must not be packed into one page.
    """
    for record in (NativeContextX64, CCAContext):
        yield from _stray(
            facts, record, bytes(record.SIZE) + b"\xff" * (PAGE_SIZE_4K - record.SIZE)
        )


@rule(
    "context-segment-bits",
    ERROR,
    "bits 11 to 8 of the segment attributes of a native context must be zero",
    "IgvmNativeVpContextX64.code_attributes, data_attributes",
)
def context_segment_bits(facts: Facts) -> Found:
    """In a descriptor these are bits 19 to 16 of the limit, which has a field of its own.

    The attributes have AVL, L, D/B and G in bits 12 to 15, unlike those of a VMSA.
    """
    for name in ("code_attributes", "data_attributes"):
        yield from _where(facts, NativeContextX64, name, lambda v, _: v & _SEGMENT_BITS != 0)


@rule(
    "context-cca-flags",
    WARNING,
    "flags of a CCA context should have no bits but bit 0, runnable",
    "IgvmVpContextAArch64Cca.flags; RMM specification, RmiRecParams",
)
def context_cca_flags(facts: Facts) -> Found:
    """The other bits are reserved in the RMM, which refuses to create the REC."""
    yield from _where(facts, CCAContext, "flags", lambda v, _: v > 1)


@rule(
    "vmsa-snp",
    WARNING,
    "the SNP feature of a VMSA should be set on SEV_SNP and clear on SEV_ES",
    "SevVmsa.sev_features; APM volume 2, SEV_FEATURES",
)
def vmsa_snp(facts: Facts) -> Found:
    """Bit 0 of sev_features says that the VP runs as an SNP guest.

    QEMU refuses a file in which it does not fit the platform; elsewhere the VP does not start.
    """
    import numpy as np

    contexts = facts.contexts

    def wrong(values: NDArray[np.uint64], index: NDArray[np.intp]) -> NDArray[np.bool_]:
        masks = contexts.mask[np.searchsorted(contexts.index, index)]
        snp = masks & np.uint32(facts.bits(PlatformType.SEV_SNP)) != 0
        es = masks & np.uint32(facts.bits(PlatformType.SEV_ES)) != 0
        active = values & np.uint64(SEVFeatures.SNP) != 0
        result: NDArray[np.bool_] = (snp & ~active) | (es & active)
        return result

    yield from _where(facts, SEVVMSA, "sev_features", wrong)


@rule(
    "vmsa-features",
    WARNING,
    "sev_features should have no bits that are not defined",
    "SevVmsa.sev_features; APM volume 2, SEV_FEATURES",
)
def vmsa_features(facts: Facts) -> Found:
    """A processor that doesn't know the feature refuses to run the VP."""
    known = sum(map(int, SEVFeatures))
    yield from _where(facts, SEVVMSA, "sev_features", lambda v, _: v & ~v.dtype.type(known) != 0)


@rule(
    "vmsa-vmpl",
    WARNING,
    "vmpl of a VMSA should be 0 to 3",
    "SevVmsa.vmpl; APM volume 2, VMPL",
)
def vmsa_vmpl(facts: Facts) -> Found:
    """There are four privilege levels."""
    yield from _where(facts, SEVVMSA, "vmpl", lambda v, _: v > 3)


@rule(
    "vmsa-vtom",
    WARNING,
    "virtual_tom of a VMSA with the VTOM feature should be the platform's shared_gpa_boundary",
    "SevVmsa.virtual_tom; IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary",
)
def vmsa_vtom(facts: Facts) -> Found:
    """The guest shares memory above virtual_tom, the host above shared_gpa_boundary.

    Where they differ, one of them looks for shared pages in the wrong place.
    """
    import numpy as np

    platforms = facts.table(SupportedPlatform)
    snp = platforms[SupportedPlatform.platform_type] == PlatformType.SEV_SNP
    boundary = platforms[SupportedPlatform.shared_gpa_boundary][snp]
    if not len(boundary):
        return
    _, offsets = facts.contexts.pages(SEVVMSA)
    features = facts.payloads(SEVVMSA)["sev_features"][offsets]
    active = features & np.uint64(SEVFeatures.VTOM) != 0
    yield from _where(facts, SEVVMSA, "virtual_tom", lambda v, _: active & (v != boundary[0]))
