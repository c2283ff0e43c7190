"""Platform headers: who the file is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.checks.finding import Severity
from igvm.checks.rule import Place, headers, rule
from igvm.spec.enums import PLATFORM_VERSION, Architecture, PlatformType
from igvm.spec.platform import SupportedPlatform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from igvm.checks.inspection.inspected_file import Facts
    from igvm.checks.rule import Found

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def _is(facts: Facts, *kinds: PlatformType) -> NDArray[np.bool_]:
    """Which platform headers are of `kinds`."""
    import numpy as np

    chosen = np.zeros(0x100, bool)
    chosen[list(kinds)] = True
    return chosen[facts.table(SupportedPlatform)[SupportedPlatform.platform_type]]


def _later(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value is one that comes earlier as well."""
    import numpy as np

    later = np.ones(len(values), bool)
    later[np.unique(values, return_index=True)[1]] = False
    return later


@rule(
    "platform-missing",
    ERROR,
    "a file must have a SUPPORTED_PLATFORM header",
    "IGVM_VHS_SUPPORTED_PLATFORM",
)
def platform_missing(facts: Facts) -> Found:
    """A file without a platform is for nobody: no other header can name one.

    Every loader refuses it.
    """
    if not len(facts.table(SupportedPlatform)):
        yield Place("there is none", offset=facts.file.section_offset)


@rule(
    "platform-mask",
    ERROR,
    "the compatibility_mask of a platform must have exactly one bit",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def platform_mask(facts: Facts) -> Found:
    """The bit stands for the platform in all other headers.

    The reference crate refuses other masks. Give every platform a bit of its own.
    """
    table = facts.table(SupportedPlatform)
    mask = table[SupportedPlatform.compatibility_mask]
    wrong = (mask == 0) | (mask & mask - 1 != 0)
    yield from headers(table.index, wrong, "compatibility_mask")


@rule(
    "platform-mask-shared",
    WARNING,
    "each platform should have a mask bit of its own",
    "IGVM_VHS_SUPPORTED_PLATFORM.compatibility_mask",
)
def platform_mask_shared(facts: Facts) -> Found:
    """Every header with that bit is loaded for both platforms, and no header for one alone.

    Nothing forbids it, and it is hardly meant: a merge by the igvm crate can end like this.
    Where the two have different VP contexts, the file cannot be loaded on either.
    """
    table = facts.table(SupportedPlatform)
    mask = table[SupportedPlatform.compatibility_mask]
    yield from headers(table.index, facts.second(mask), "compatibility_mask")


@rule(
    "platform-twice",
    ERROR,
    "a platform type must not appear twice",
    "IGVM_VHS_SUPPORTED_PLATFORM",
)
def platform_twice(facts: Facts) -> Found:
    """A loader looks for the header of its platform and cannot choose between two.

    The reference crate refuses the file. Keep one header and move the masks of the others to it.
    """
    table = facts.table(SupportedPlatform)
    kinds = table[SupportedPlatform.platform_type]
    yield from headers(table.index, _later(kinds), "platform_type")


@rule(
    "platform-type",
    ERROR,
    "platform_type must be one that the specification defines",
    "IGVM_VHS_SUPPORTED_PLATFORM.platform_type, IgvmPlatformType",
)
def platform_type(facts: Facts) -> Found:
    """Nobody knows what headers for such a platform mean.

    The reference crate refuses the whole file, for every platform in it.
    """
    table = facts.table(SupportedPlatform)
    yield from headers(table.index, ~_is(facts, *PlatformType), "platform_type")


@rule(
    "platform-version",
    ERROR,
    "platform_version must be 1",
    "IGVM_NATIVE_PLATFORM_VERSION and its siblings",
)
def platform_version(facts: Facts) -> Found:
    """There is one version of each platform so far, and loaders refuse any other."""
    table = facts.table(SupportedPlatform)
    version = table[SupportedPlatform.platform_version]
    yield from headers(table.index, version != PLATFORM_VERSION, "platform_version")


@rule(
    "platform-architecture",
    ERROR,
    "NATIVE, SEV_SNP, TDX, SEV and SEV_ES must be in X64 files, CCA in AARCH64 files",
    "IGVM_FIXED_HEADER_V2.architecture; the igvm crate (PlatformArchUnsupported)",
)
def platform_architecture(facts: Facts) -> Found:
    """An isolation technology exists on the processors of one architecture.

    VSM_ISOLATION is on both. Version 1 files are X64. The reference crate refuses the file.
    """
    table = facts.table(SupportedPlatform)
    arm = facts.file.architecture == Architecture.AARCH64
    both = _is(facts, PlatformType.VSM_ISOLATION) | ~_is(facts, *PlatformType)
    wrong = ~both & (_is(facts, PlatformType.CCA) != arm)

    def describe(position: int) -> str:
        kind = PlatformType(int(table[SupportedPlatform.platform_type][wrong][position]))
        return f"{kind.name} is in a file for {facts.file.architecture.name}"

    if facts.file.architecture.is_known:
        yield from headers(table.index, wrong, "platform_type", describe)


@rule(
    "highest-vtl",
    ERROR,
    "highest_vtl must be 0 or 2",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl; the igvm crate (InvalidPlatformVtl)",
)
def highest_vtl(facts: Facts) -> Found:
    """A guest runs in VTL0, or under a paravisor in VTL2.

    The reference crate refuses every other value.
    """
    table = facts.table(SupportedPlatform)
    vtl = table[SupportedPlatform.highest_vtl]
    yield from headers(table.index, (vtl != 0) & (vtl != 2), "highest_vtl")


@rule(
    "highest-vtl-platform",
    ERROR,
    "highest_vtl must be zero on platforms without VTLs",
    "IGVM_VHS_SUPPORTED_PLATFORM.highest_vtl",
)
def highest_vtl_platform(facts: Facts) -> Found:
    """SEV and SEV-ES have neither VTLs nor VMPLs.

    A loader would have to start a level that the platform does not have.
    """
    table = facts.table(SupportedPlatform)
    vtl = table[SupportedPlatform.highest_vtl]
    without = _is(facts, PlatformType.SEV, PlatformType.SEV_ES)
    yield from headers(table.index, without & (vtl != 0), "highest_vtl")


@rule(
    "shared-boundary",
    ERROR,
    "shared_gpa_boundary must be zero on NATIVE and VSM_ISOLATION",
    "IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary; the igvm crate (InvalidSharedGpaBoundary)",
)
def shared_boundary(facts: Facts) -> Found:
    """There is no shared alias of memory without memory encryption.

    The reference crate refuses the file.
    """
    table = facts.table(SupportedPlatform)
    boundary = table[SupportedPlatform.shared_gpa_boundary]
    without = _is(facts, PlatformType.NATIVE, PlatformType.VSM_ISOLATION)
    yield from headers(table.index, without & (boundary != 0), "shared_gpa_boundary")


@rule(
    "shared-boundary-alignment",
    WARNING,
    "shared_gpa_boundary should be the address of a page",
    "IGVM_VHS_SUPPORTED_PLATFORM.shared_gpa_boundary",
)
def shared_boundary_alignment(facts: Facts) -> Found:
    """Memory is shared in pages; a boundary inside a page makes it half visible to the host.

    On SNP it becomes the virtual top of memory, on TDX the shared bit of the address.
    """
    table = facts.table(SupportedPlatform)
    boundary = table[SupportedPlatform.shared_gpa_boundary]
    yield from headers(table.index, boundary % facts.page != 0, "shared_gpa_boundary")
