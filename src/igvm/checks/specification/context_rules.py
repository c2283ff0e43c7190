"""VP contexts: for whom, how many, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Many, Place, headers, rule
from igvm.spec.context import CCAContext, NativeContextX64, VBSContextHeader
from igvm.spec.enums import PAGE_SIZE_4K, PlatformType
from igvm.spec.fixed import FORMAT_VERSION_1
from igvm.spec.isolation import enumerated, platforms_with
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

_WITHOUT = platforms_with(lambda isolation: isolation.context is None)
_FROM_RESET = platforms_with(lambda isolation: isolation.starts_at_reset)
_NEED_ONE = platforms_with(lambda isolation: isolation.context and not isolation.starts_at_reset)


@rule(
    "context-tdx",
    ERROR,
    f"a VP_CONTEXT must not be for {enumerated(_WITHOUT, 'or')}",
    "IGVM_VHS_VP_CONTEXT",
)
def context_tdx(inspected: InspectedFile) -> Found:
    """A TD starts in the architectural reset state, which no file can change.

    The reference crate refuses the file. Take TDX out of the mask.
    """
    import numpy as np

    contexts = inspected.contexts
    has_none = contexts.mask & np.uint32(inspected.mask_of(*_WITHOUT)) != 0
    yield from headers(contexts.index, has_none, "compatibility_mask")


@rule(
    "context-format",
    ERROR,
    "the platforms of a VP_CONTEXT must have one format of context",
    "IGVM_VHS_VP_CONTEXT.file_offset",
)
def context_format(inspected: InspectedFile) -> Found:
    """The platform of the mask says how the registers are stored, and two say different things.

    SEV_SNP and SEV_ES have a VMSA, VSM_ISOLATION a list of registers, NATIVE and SEV a native
    context, CCA its own. Write one VP_CONTEXT for each.
    """
    contexts = inspected.contexts
    masks = contexts.mask[contexts.ambiguous]
    yield from headers(
        contexts.index,
        contexts.ambiguous,
        "compatibility_mask",
        lambda row: f"it is for {inspected.names(int(masks[row]))}",
    )


@rule(
    "context-mask",
    WARNING,
    "a VP_CONTEXT should be for exactly one platform",
    "IGVM_VHS_VP_CONTEXT.compatibility_mask; the igvm crate (InvalidVpContextPlatformType)",
)
def context_mask(inspected: InspectedFile) -> Found:
    """The reference crate looks for one platform with exactly this mask.

    It refuses a mask of several bits even where the formats agree.
    """
    contexts = inspected.contexts
    has_several_bits = contexts.mask & contexts.mask - 1 != 0
    yield from headers(contexts.index, has_several_bits, "compatibility_mask")


@rule(
    "context-version",
    WARNING,
    "native contexts should be in version 2 files",
    "IgvmNativeVpContextX64",
)
def context_version(inspected: InspectedFile) -> Found:
    """The specification supports contexts of NATIVE and SEV in version 2 and later files only.

    The reference crate and its tools read and write them in version 1 files as well.
    """
    contexts = inspected.contexts
    is_native = contexts.of(NativeContextX64)
    if inspected.file.revision == FORMAT_VERSION_1:
        yield from headers(contexts.index, is_native, describe="the file has version 1")


@rule(
    "context-gpa-zero",
    ERROR,
    "the gpa of a VP_CONTEXT must be zero where nothing goes into guest memory",
    "IGVM_VHS_VP_CONTEXT.gpa",
)
def context_gpa_zero(inspected: InspectedFile) -> Found:
    """On SEV, NATIVE, VSM_ISOLATION and CCA the registers are set by the loader.

    The reference crate drops the address when it reads the file.
    """
    contexts = inspected.contexts
    has_no_page = contexts.of(NativeContextX64, VBSContextHeader, CCAContext)
    yield from headers(contexts.index, has_no_page & (contexts.gpa != 0), "gpa")


@rule(
    "context-gpa-alignment",
    ERROR,
    "the gpa of a VMSA must be a multiple of 4 KiB",
    "IGVM_VHS_VP_CONTEXT.gpa; the igvm crate (UnalignedAddress)",
)
def context_gpa_alignment(inspected: InspectedFile) -> Found:
    """A VMSA is a page of guest memory; the reference crate refuses other addresses."""
    contexts = inspected.contexts
    is_unaligned = contexts.of(SEVVMSA) & (contexts.gpa % PAGE_SIZE_4K != 0)
    yield from headers(contexts.index, is_unaligned, "gpa")


@rule(
    "context-twice",
    ERROR,
    "a VP of a platform must have at most one context for a VTL",
    "IGVM_VHS_VP_CONTEXT",
)
def context_twice(inspected: InspectedFile) -> Found:
    """A processor starts with one set of registers, and loaders differ in which one they take.

    On SNP each is measured besides, in the order of the file.
    """
    import numpy as np

    contexts = inspected.contexts
    key = contexts.vp_index.astype(np.uint32) << 8 | contexts.vtl
    repeated = [contexts.index[:0]]
    for bit in inspected.distinct_platform_bits(contexts.mask):
        rows = np.flatnonzero(contexts.mask & np.uint32(bit))
        order = rows[np.argsort(key[rows], kind="stable")]
        repeated.append(contexts.index[order[1:][key[order][1:] == key[order][:-1]]])
    index = np.unique(np.concatenate(repeated))
    if len(index):
        yield Many(index, "vp_index", "VP {value} has a context already")


@rule(
    "context-several",
    NOTE,
    "a platform with several contexts is not for every loader",
    "IGVM_VHS_VP_CONTEXT",
)
def context_several(inspected: InspectedFile) -> Found:
    """The specification says that a file can contain one VP_CONTEXT; practice has more.

    OpenVMM on KVM takes one context, that of vCPU 0. QEMU ends at a context for a vCPU that the
    guest does not have, and Cloud Hypervisor ignores it.
    """
    import numpy as np

    contexts = inspected.contexts
    for platform, bits in inspected.platforms.items():
        index = contexts.index[contexts.mask & np.uint32(bits) != 0]
        if len(index) > 1:
            yield Place(f"{platform.name} has {len(index)}", int(index[1]))


@rule(
    "context-missing",
    WARNING,
    "a platform should have a VP_CONTEXT",
    "IGVM_VHS_VP_CONTEXT",
)
def context_missing(inspected: InspectedFile) -> Found:
    """Without one the loader decides where the guest starts, or refuses the file.

    QEMU lets KVM make the VMSAs of SEV-ES and SNP guests from their reset state, Cloud Hypervisor
    refuses, and OpenVMM leaves the processor of a VBS guest in its reset state.
    """
    yield from _without_context(inspected, *_NEED_ONE)


@rule(
    "context-reset",
    NOTE,
    "a platform without a VP_CONTEXT starts at the reset vector",
    "IgvmNativeVpContextX64",
)
def context_reset(inspected: InspectedFile) -> Found:
    """NATIVE and SEV guests then start at 0xFFFFFFF0, so firmware must lie below 4 GiB."""
    yield from _without_context(inspected, *_FROM_RESET)


def _without_context(inspected: InspectedFile, *platforms: PlatformType) -> Found:
    """Those of `platforms` that the file has and that no context is for."""
    import numpy as np

    masks = inspected.contexts.mask
    for platform in platforms:
        bits = inspected.mask_of(platform)
        if bits and not (masks & np.uint32(bits)).any():
            yield Place(f"{platform.name} has none", offset=inspected.file.section_offset)
