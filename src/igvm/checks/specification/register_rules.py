"""What is in a context: VMSA, native and CCA registers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.inspection.record_fields import field_at, field_offset
from igvm.checks.rule import Lazy, Place, rule
from igvm.file.record_places import RecordPlaces
from igvm.spec.context import CCAContext, NativeContextX64
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.platform import SupportedPlatform
from igvm.spec.vmsa import SEVVMSA, SEVFeatures

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found
    from igvm.wire.record import Record

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_PKRU_AND_TSC_AUX = slice(0x2E8, 0x2F0)
_SEGMENT_BITS = 0xF00


@functools.cache
def _reserved_bits(record: type[Record]) -> bytes:
    """Ones where `record` has reserved fields."""
    bits = bytearray(record.SIZE)
    for field in record.FIELDS:
        if field.is_reserved:
            bits[field.offset : field.offset + field.size] = b"\xff" * field.size
    if record is SEVVMSA:
        bits[_PKRU_AND_TSC_AUX] = bytes(8)
    return bytes(bits)


def _with_stray_bits(inspected: InspectedFile, record: type[Record], forbidden: bytes) -> Found:
    """Contexts of `record` that have a bit where `forbidden` has one."""
    index, offsets = inspected.contexts.pages(record)
    if not len(index):
        return
    first = RecordPlaces(inspected.file.buffer, record, offsets).first_stray(forbidden)
    rows = (first >= 0).nonzero()[0]

    def place(number: int) -> Place:
        row = rows[number]
        within = int(first[row])
        offset = int(offsets[row]) + within
        value = inspected.file.buffer[offset]
        return Place(
            f"the byte at {within:#x} of the context is {value:#04x}",
            int(index[row]),
            field=field_at(record, within),
            offset=offset,
            value=value,
        )

    if len(rows):
        yield Lazy(len(rows), place)


def _with_value(
    inspected: InspectedFile,
    record: type[Record],
    name: str,
    is_wrong: Callable[[NDArray[np.uint64], NDArray[np.intp]], NDArray[np.bool_]],
) -> Found:
    """Contexts of `record` at whose field `name` `is_wrong` holds.

    Args:
        inspected: the file.
        record: a format of contexts.
        name: one of its fields.
        is_wrong: from the values of the field, shape (n,), unsigned, and the positions of their
            headers, shape (n,), intp, to which values break the rule, shape (n,), bool.
    """
    index, offsets = inspected.contexts.pages(record)
    if not len(index):
        return
    values = inspected.payloads(record)[name][offsets]
    rows = is_wrong(values, index).nonzero()[0]
    within = field_offset(record, name)

    def place(number: int) -> Place:
        row = rows[number]
        value = int(values[row])
        return Place(
            f"{name} is {value:#x}",
            int(index[row]),
            field=name,
            offset=int(offsets[row]) + within,
            value=value,
        )

    if len(rows):
        yield Lazy(len(rows), place)


@rule(
    "context-reserved",
    ERROR,
    "reserved fields of a VMSA or a native context must be zero",
    "SevVmsa, IgvmNativeVpContextX64.reserved; APM volume 2, appendix B",
)
def context_reserved(inspected: InspectedFile) -> Found:
    """KVM and the SNP firmware do not know what the field should do.

    QEMU refuses a VMSA with a register set that it does not know. PKRU at 0x2e8 and TSC_AUX at
    0x2ec are reserved in igvm_defs and defined by newer processors; they are not looked at.
    """
    for record in (SEVVMSA, NativeContextX64):
        yield from _with_stray_bits(inspected, record, _reserved_bits(record))


@rule(
    "context-tail",
    ERROR,
    "a native or CCA context must be followed by zeroes up to 4 KiB",
    "IgvmNativeVpContextX64, IgvmVpContextAArch64Cca; the igvm crate",
)
def context_tail(inspected: InspectedFile) -> Found:
    """The structure fills the start of a page; the reference crate refuses bytes after it.

    Several contexts must not be packed into one page.
    """
    for record in (NativeContextX64, CCAContext):
        tail = bytes(record.SIZE) + b"\xff" * (PAGE_SIZE_4K - record.SIZE)
        yield from _with_stray_bits(inspected, record, tail)


@rule(
    "context-segment-bits",
    ERROR,
    "bits 11 to 8 of the segment attributes of a native context must be zero",
    "IgvmNativeVpContextX64.code_attributes, data_attributes",
)
def context_segment_bits(inspected: InspectedFile) -> Found:
    """In a descriptor these are bits 19 to 16 of the limit, which has a field of its own.

    The attributes have AVL, L, D/B and G in bits 12 to 15, unlike those of a VMSA.
    """
    for name in ("code_attributes", "data_attributes"):
        yield from _with_value(
            inspected, NativeContextX64, name, lambda bits, _: bits & _SEGMENT_BITS != 0
        )


@rule(
    "context-cca-flags",
    WARNING,
    "flags of a CCA context should have no bits but bit 0, runnable",
    "IgvmVpContextAArch64Cca.flags; RMM specification, RmiRecParams",
)
def context_cca_flags(inspected: InspectedFile) -> Found:
    """The other bits are reserved in the RMM, which refuses to create the REC."""
    yield from _with_value(inspected, CCAContext, "flags", lambda flags, _: flags > 1)


@rule(
    "vmsa-snp",
    WARNING,
    "the SNP feature of a VMSA should be set on SEV_SNP and clear on SEV_ES",
    "SevVmsa.sev_features; APM volume 2, SEV_FEATURES",
)
def vmsa_snp(inspected: InspectedFile) -> Found:
    """Bit 0 of sev_features says that the VP runs as an SNP guest.

    QEMU refuses a file in which it does not fit the platform. Where the VMSA is taken as it is,
    the VP does not start.
    """
    import numpy as np

    contexts = inspected.contexts

    def is_unfit(features: NDArray[np.uint64], index: NDArray[np.intp]) -> NDArray[np.bool_]:
        masks = contexts.mask[np.searchsorted(contexts.index, index)]
        is_snp = masks & np.uint32(inspected.mask_of(PlatformType.SEV_SNP)) != 0
        is_es = masks & np.uint32(inspected.mask_of(PlatformType.SEV_ES)) != 0
        has_feature = features & np.uint64(SEVFeatures.SNP) != 0
        is_unfit: NDArray[np.bool_] = (is_snp & ~has_feature) | (is_es & has_feature)
        return is_unfit

    yield from _with_value(inspected, SEVVMSA, "sev_features", is_unfit)


@rule(
    "vmsa-features",
    WARNING,
    "sev_features should have no bits that are not defined",
    "SevVmsa.sev_features; APM volume 2, SEV_FEATURES",
)
def vmsa_features(inspected: InspectedFile) -> Found:
    """A processor that doesn't know the feature refuses to run the VP."""
    known_bits = sum(map(int, SEVFeatures))
    yield from _with_value(
        inspected,
        SEVVMSA,
        "sev_features",
        lambda features, _: features & ~features.dtype.type(known_bits) != 0,
    )


@rule(
    "vmsa-vmpl",
    WARNING,
    "vmpl of a VMSA should be 0 to 3",
    "SevVmsa.vmpl; APM volume 2, VMPL",
)
def vmsa_vmpl(inspected: InspectedFile) -> Found:
    """There are four privilege levels."""
    yield from _with_value(inspected, SEVVMSA, "vmpl", lambda vmpl, _: vmpl > 3)


@rule(
    "vmsa-vtom",
    WARNING,
    "virtual_tom of a VMSA with the VTOM feature should be the platform's shared_gpa_boundary",
    "SevVmsa.virtual_tom; IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary",
)
def vmsa_vtom(inspected: InspectedFile) -> Found:
    """The guest shares memory above virtual_tom, the host above shared_gpa_boundary.

    Where they differ, one of them looks for shared pages in the wrong place.
    """
    import numpy as np

    platforms = inspected.table(SupportedPlatform)
    is_snp = platforms[SupportedPlatform.platform_type] == PlatformType.SEV_SNP
    boundary = platforms[SupportedPlatform.shared_gpa_boundary][is_snp]
    if not len(boundary):
        return
    _, offsets = inspected.contexts.pages(SEVVMSA)
    features = inspected.payloads(SEVVMSA)["sev_features"][offsets]
    has_vtom = features & np.uint64(SEVFeatures.VTOM) != 0
    yield from _with_value(
        inspected, SEVVMSA, "virtual_tom", lambda vtom, _: has_vtom & (vtom != boundary[0])
    )
