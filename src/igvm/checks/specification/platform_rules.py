"""Platform headers: who the file is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Place, headers, rule
from igvm.spec.enums import PLATFORM_VERSION, Architecture, PlatformType
from igvm.spec.isolation import ISOLATIONS, enumerated, platforms_with
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import InspectedFile
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING

_ONLY = {
    architecture: [
        kind for kind, isolation in ISOLATIONS.items() if isolation.architectures == (architecture,)
    ]
    for architecture in (Architecture.X64, Architecture.AARCH64)
}
"""The platforms that exist on one architecture alone."""
_WITHOUT_VTLS = platforms_with(
    lambda isolation: not isolation.has_vtls and not isolation.ignores_vtl
)
_IGNORING_VTLS = platforms_with(lambda isolation: not isolation.has_vtls and isolation.ignores_vtl)
_WITHOUT_ALIAS = platforms_with(lambda isolation: not isolation.has_shared_boundary)


def _is_one_of(inspected: InspectedFile, *platforms: PlatformType) -> NDArray[np.bool_]:
    """Which platform headers are for one of `platforms`, shape (n,), bool."""
    import numpy as np

    is_wanted = np.zeros(0x100, bool)
    is_wanted[list(platforms)] = True
    return is_wanted[inspected.table(SupportedPlatform)[SupportedPlatform.platform_type]]


def _is_repeated(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value is one that comes earlier as well.

    Args:
        values: shape (n,).

    Returns:
        Shape (n,), bool.
    """
    import numpy as np

    is_repeated = np.ones(len(values), bool)
    is_repeated[np.unique(values, return_index=True)[1]] = False
    return is_repeated


@rule(
    "platform-missing",
    ERROR,
    "a file must have a SUPPORTED_PLATFORM header",
    "IGVM_VHS_SUPPORTED_PLATFORM",
)
def platform_missing(inspected: InspectedFile) -> Found:
    """A file without a platform is for nobody: no other header can name one.

    The reference crate refuses it.
    """
    if not len(inspected.table(SupportedPlatform)):
        yield Place("there is none", offset=inspected.file.section_offset)


@rule(
    "platform-mask",
    ERROR,
    "the compatibility_mask of a platform must have exactly one bit",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def platform_mask(inspected: InspectedFile) -> Found:
    """The bit stands for the platform in all other headers.

    The reference crate refuses other masks. Give every platform a bit of its own.
    """
    table = inspected.table(SupportedPlatform)
    mask = table[SupportedPlatform.compatibility_mask]
    is_not_one_bit = (mask == 0) | (mask & mask - 1 != 0)
    yield from headers(table.index, is_not_one_bit, "compatibility_mask")


@rule(
    "platform-mask-shared",
    WARNING,
    "each platform should have a mask bit of its own",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def platform_mask_shared(inspected: InspectedFile) -> Found:
    """Every header with that bit is loaded for both platforms, and no header for one alone.

    Nothing forbids it, and it is hardly meant: a merge by the igvm crate can end like this.
    Where the two have different VP contexts, the file cannot be loaded on either.
    """
    table = inspected.table(SupportedPlatform)
    mask = table[SupportedPlatform.compatibility_mask]
    yield from headers(table.index, inspected.repeats_platform(mask), "compatibility_mask")


@rule(
    "platform-twice",
    ERROR,
    "a platform type must not appear twice",
    "IGVM_VHS_SUPPORTED_PLATFORM",
)
def platform_twice(inspected: InspectedFile) -> Found:
    """A loader looks for the header of its platform and cannot choose between two.

    The reference crate refuses the file. Keep one header and move the masks of the others to it.
    """
    table = inspected.table(SupportedPlatform)
    types = table[SupportedPlatform.platform_type]
    yield from headers(table.index, _is_repeated(types), "platform_type")


@rule(
    "platform-type",
    ERROR,
    "platform_type must be one that the specification defines",
    "IGVM_VHS_SUPPORTED_PLATFORM.platform_type, IgvmPlatformType",
)
def platform_type(inspected: InspectedFile) -> Found:
    """Nobody knows what headers for such a platform mean.

    The reference crate refuses the whole file, for every platform in it.
    """
    table = inspected.table(SupportedPlatform)
    yield from headers(table.index, ~_is_one_of(inspected, *PlatformType), "platform_type")


@rule(
    "platform-version",
    ERROR,
    "platform_version must be 1",
    "IGVM_NATIVE_PLATFORM_VERSION and its siblings",
)
def platform_version(inspected: InspectedFile) -> Found:
    """There is one version of each platform so far; the reference crate refuses any other."""
    table = inspected.table(SupportedPlatform)
    version = table[SupportedPlatform.platform_version]
    yield from headers(table.index, version != PLATFORM_VERSION, "platform_version")


@rule(
    "platform-architecture",
    ERROR,
    f"{enumerated(_ONLY[Architecture.X64], 'and')} must be in X64 files, "
    f"{enumerated(_ONLY[Architecture.AARCH64], 'and')} in AARCH64 files",
    "IGVM_FIXED_HEADER_V2.architecture; the igvm crate (PlatformArchUnsupported)",
)
def platform_architecture(inspected: InspectedFile) -> Found:
    """An isolation technology exists on the processors of one architecture.

    VSM_ISOLATION is on both. Version 1 files are X64. The reference crate refuses the file.
    """
    table = inspected.table(SupportedPlatform)
    architecture = inspected.file.architecture
    foreign = platforms_with(lambda isolation: architecture not in isolation.architectures)
    is_foreign = _is_one_of(inspected, *foreign)
    types = table[SupportedPlatform.platform_type][is_foreign]
    if architecture.is_known:
        yield from headers(
            table.index,
            is_foreign,
            "platform_type",
            lambda row: (
                f"{PlatformType(int(types[row])).name} is in a file for {architecture.name}"
            ),
        )


@rule(
    "highest-vtl",
    ERROR,
    "highest_vtl must be 0 or 2",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl; the igvm crate (InvalidPlatformVtl)",
)
def highest_vtl(inspected: InspectedFile) -> Found:
    """A guest runs in VTL0, or under a paravisor in VTL2.

    The reference crate refuses every other value.
    """
    table = inspected.table(SupportedPlatform)
    vtl = table[SupportedPlatform.highest_vtl]
    yield from headers(table.index, (vtl != 0) & (vtl != 2), "highest_vtl")


@rule(
    "highest-vtl-platform",
    ERROR,
    f"highest_vtl must be zero on {enumerated(_WITHOUT_VTLS, 'and')}, which have no VTLs",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl",
)
def highest_vtl_platform(inspected: InspectedFile) -> Found:
    """SEV and SEV-ES have neither VTLs nor VMPLs.

    A loader would have to start a level that the platform does not have.
    """
    yield from _stray_vtls(inspected, *_WITHOUT_VTLS)


@rule(
    "highest-vtl-platform-native",
    WARNING,
    f"highest_vtl should be zero on {enumerated(_IGNORING_VTLS, 'and')}, "
    "as it must on platforms without VTLs",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl; coconut-svsm pulls 933 and 1096",
)
def highest_vtl_platform_native(inspected: InspectedFile) -> Found:
    """Several VTLs need VSM isolation, SEV-SNP, TDX or, as planes, CCA.

    QEMU does not look at the field, and files with 2 are common: igvm-wrap 0.2.6 writes it for
    NATIVE, and COCONUT-SVSM's builder did until it was corrected. A loader that does look has no
    VTL 2 to start. Write 0.
    """
    yield from _stray_vtls(inspected, *_IGNORING_VTLS)


def _stray_vtls(inspected: InspectedFile, *platforms: PlatformType) -> Found:
    """The headers for `platforms` whose highest_vtl is not zero."""
    table = inspected.table(SupportedPlatform)
    vtl = table[SupportedPlatform.highest_vtl]
    yield from headers(table.index, _is_one_of(inspected, *platforms) & (vtl != 0), "highest_vtl")


@rule(
    "shared-boundary",
    ERROR,
    f"shared_gpa_boundary must be zero on {enumerated(_WITHOUT_ALIAS, 'and')}",
    "IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary; the igvm crate (InvalidSharedGpaBoundary)",
)
def shared_boundary(inspected: InspectedFile) -> Found:
    """There is no shared alias of memory without memory encryption.

    The reference crate refuses the file.
    """
    table = inspected.table(SupportedPlatform)
    boundary = table[SupportedPlatform.shared_gpa_boundary]
    has_no_alias = _is_one_of(inspected, *_WITHOUT_ALIAS)
    yield from headers(table.index, has_no_alias & (boundary != 0), "shared_gpa_boundary")


@rule(
    "shared-boundary-alignment",
    WARNING,
    "shared_gpa_boundary should be the address of a page",
    "IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary",
)
def shared_boundary_alignment(inspected: InspectedFile) -> Found:
    """Memory is shared in pages; a boundary inside a page makes it half visible to the host.

    On SNP it becomes the virtual top of memory, on TDX the shared bit of the address.
    """
    table = inspected.table(SupportedPlatform)
    boundary = table[SupportedPlatform.shared_gpa_boundary]
    yield from headers(table.index, boundary % inspected.page_size != 0, "shared_gpa_boundary")
