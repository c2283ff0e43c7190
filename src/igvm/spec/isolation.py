"""Isolation technologies: what the format knows of each platform type, one entry each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import ValidationError, nearest
from igvm.spec.context import CCAContext, NativeContextX64, VBSContextHeader, VBSRegister
from igvm.spec.enums import PAGE_SIZE_4K, Architecture, HeaderType, PlatformType
from igvm.spec.operations import Operation
from igvm.spec.policy import SNPPolicy, TDXPolicy
from igvm.spec.vmsa import SEVVMSA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from igvm.wire.bits import BitField
    from igvm.wire.record import Record

_X64, _AARCH64 = Architecture.X64, Architecture.AARCH64


class ContextFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What a VP_CONTEXT refers to, at its file_offset."""

    name: str
    """How reports call it."""
    record: type[Record]
    """The structure at the start."""
    element: type[Record] | None = None
    """What follows `record.register_count` times; without it there are zeroes up to 4 KiB."""
    in_memory: bool = False
    """Whether it is a page of guest memory, at the header's gpa."""


VMSA = ContextFormat(name="VMSA", record=SEVVMSA, in_memory=True)
NATIVE_CONTEXT = ContextFormat(name="NATIVE", record=NativeContextX64)
CCA_CONTEXT = ContextFormat(name="CCA", record=CCAContext)
VBS_CONTEXT = ContextFormat(name="VBS", record=VBSContextHeader, element=VBSRegister)

CONTEXT_FORMATS = (NATIVE_CONTEXT, VBS_CONTEXT, VMSA, CCA_CONTEXT)
"""Every format that a context may have."""


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """What the format knows of one isolation technology (IgvmPlatformType)."""

    platform_type: PlatformType
    title: str
    """What people call it."""
    aliases: tuple[str, ...] = ()
    """Further names that it goes by, beside its own in the specification."""
    architectures: tuple[Architecture, ...] = (_X64,)
    """The processors that it exists on."""
    revision: int = 1
    """The first format version whose files are for it."""
    context: ContextFormat | None
    """What its VP_CONTEXT refers to; None where it has none."""
    starts_at_reset: bool = False
    """Whether a guest without a VP_CONTEXT starts at the processor's reset vector."""
    policy: type[BitField] | None = None
    """The named bits of its GUEST_POLICY, where they are defined."""
    has_guest_policy: bool = False
    """Whether a GUEST_POLICY means anything on it."""
    policy_header: HeaderType | None = None
    """The header with its policy, without which it should not be launched."""
    page_sizes: tuple[int, ...] = (PAGE_SIZE_4K,)
    """Bytes of a page that a file for it may have (IGVM_FIXED_HEADER_V2.page_size)."""
    has_special_pages: bool = False
    """Whether there are secrets and CPUID pages."""
    has_vtls: bool = True
    """Whether a guest may have several VTLs, so that highest_vtl may be anything but zero."""
    ignores_vtl: bool = False
    """Whether loaders are known to start files for it whatever highest_vtl says."""
    has_shared_boundary: bool = True
    """Whether shared_gpa_boundary may be anything but zero."""
    measured: tuple[Operation, ...] = ()
    """The operations that its launch measurement covers; none where it has no measurement."""


_PRIVATE = (Operation.NORMAL, Operation.UNMEASURED, Operation.PARAMETER)

ISOLATIONS: Mapping[PlatformType, Isolation] = {
    isolation.platform_type: isolation
    for isolation in (
        Isolation(
            platform_type=PlatformType.NATIVE,
            title="no isolation",
            revision=2,
            context=NATIVE_CONTEXT,
            starts_at_reset=True,
            has_vtls=False,
            ignores_vtl=True,
            has_shared_boundary=False,
        ),
        Isolation(
            platform_type=PlatformType.VSM_ISOLATION,
            title="Hyper-V VBS",
            aliases=("VBS",),
            architectures=(_X64, _AARCH64),
            context=VBS_CONTEXT,
            has_shared_boundary=False,
            measured=(*_PRIVATE, Operation.ERROR_RANGE, Operation.VP_CONTEXT),
        ),
        Isolation(
            platform_type=PlatformType.SEV_SNP,
            title="AMD SEV-SNP",
            aliases=("SNP",),
            context=VMSA,
            policy=SNPPolicy,
            has_guest_policy=True,
            policy_header=HeaderType.GUEST_POLICY,
            has_special_pages=True,
            measured=(
                *_PRIVATE,
                Operation.ZERO,
                Operation.SECRETS,
                Operation.CPUID,
                Operation.VP_CONTEXT,
            ),
        ),
        Isolation(
            platform_type=PlatformType.TDX,
            title="Intel TDX",
            context=None,
            policy=TDXPolicy,
            has_guest_policy=True,
            measured=_PRIVATE,
        ),
        Isolation(
            platform_type=PlatformType.SEV,
            title="AMD SEV",
            revision=2,
            context=NATIVE_CONTEXT,
            starts_at_reset=True,
            has_guest_policy=True,
            has_vtls=False,
            measured=(Operation.NORMAL, Operation.VP_CONTEXT),
        ),
        Isolation(
            platform_type=PlatformType.SEV_ES,
            title="AMD SEV-ES",
            revision=2,
            context=VMSA,
            has_guest_policy=True,
            has_vtls=False,
            measured=(Operation.NORMAL, Operation.VP_CONTEXT),
        ),
        Isolation(
            platform_type=PlatformType.CCA,
            title="Arm CCA",
            architectures=(_AARCH64,),
            revision=2,
            context=CCA_CONTEXT,
            policy_header=HeaderType.CCA_POLICY,
            page_sizes=(PAGE_SIZE_4K, 4 * PAGE_SIZE_4K, 16 * PAGE_SIZE_4K),
            measured=(*_PRIVATE, Operation.VP_CONTEXT),
        ),
    )
}
"""Every isolation technology of the specification."""


def isolation_of(platform_type: PlatformType) -> Isolation:
    """What the format knows of `platform_type`.

    Raises:
        ValidationError: the specification does not define it.
    """
    isolation = ISOLATIONS.get(platform_type)
    if isolation is None:
        message = f"platform type {int(platform_type)} is none that the specification defines"
        raise ValidationError(message, header="SUPPORTED_PLATFORM", field="platform_type")
    return isolation


def platforms_with(wanted: Callable[[Isolation], object]) -> tuple[PlatformType, ...]:
    """The platforms of whose technology `wanted` holds, in the order of the table."""
    return tuple(kind for kind, isolation in ISOLATIONS.items() if wanted(isolation))


def enumerated(platforms: Iterable[PlatformType], word: str) -> str:
    """The names of platforms in a sentence: `SEV_SNP, TDX and CCA` where `word` is `and`."""
    names = [kind.name for kind in platforms]
    return f" {word} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def folded(name: str) -> str:
    """`name` in the form in which names are compared: upper case, `_` for `-` and blanks."""
    return name.strip().upper().replace("-", "_").replace(" ", "_")


def platform_type_of(name: str) -> PlatformType:
    """The platform type called `name`: as in the specification or by an alias, in any case.

    Raises:
        ValidationError: there is none; the message names the nearest.
    """
    names = platform_names()
    platform_type = names.get(folded(name))
    if platform_type is None:
        hint = nearest(folded(name), names)
        raise ValidationError(f"there is no platform {name!r}", hint=hint)
    return platform_type


def platform_names() -> dict[str, PlatformType]:
    """Every name of every platform type, folded, its own first."""
    return {
        name: kind
        for kind, isolation in ISOLATIONS.items()
        for name in (kind.name, *isolation.aliases)
    }
