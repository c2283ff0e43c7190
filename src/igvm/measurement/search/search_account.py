"""What a search looked at, and what it left out, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from igvm.errors import ValidationError
from igvm.launch.kvm.clouds import CLOUDS
from igvm.launch.kvm.vmsa_axes import FPU_AXIS, VMSA_GPA_AXIS
from igvm.launch.loader_table import loaders
from igvm.launch.processors import signatures_of
from igvm.measurement.technology_table import has_vmsas, technology_of
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.measurement.realm import RealmParameters
    from igvm.measurement.search.vmsa_families import Families


class Untried(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may lead to the digest and was not tried."""

    message: str
    parameter: str | None = None
    """What would have it tried: `vcpus`, `cpu`, `sev_features`, `hashes`, `realm`, `names`."""


class Asked(NamedTuple):
    """What a search was told besides file and digest."""

    names: list[str]
    vcpus: frozenset[int]
    cpu: str | int | None
    sev_features: int | None
    hashes: KernelHashes | None
    realm: RealmParameters | None
    firmware_digest: bytes | None = None
    has_vcpus: bool = False
    """Whether the numbers of vCPUs were given."""

    def require_use(self, file: IgvmFile, platforms: Sequence[PlatformType]) -> None:
        """Refuse what nothing depends on that is searched.

        Raises:
            ValidationError: something is given and would be ignored.
        """
        if self.cpu is not None:
            signatures_of(self.cpu)
        has_some = any(has_vmsas(each) for each in platforms)
        names = ", ".join(platform.name for platform in platforms)
        given = {
            "a processor": self.cpu is not None,
            "SEV_FEATURES": self.sev_features is not None,
        }
        for what, is_given in given.items():
            if is_given and not has_some:
                message = f"a digest of {names} does not depend on {what}"
                raise ValidationError(message, path=file.path)
        if self.firmware_digest is not None and PlatformType.SEV_SNP not in platforms:
            message = f"a digest of {names} does not begin with one of firmware"
            raise ValidationError(message, path=file.path)
        if self.realm is not None and not any(
            "realm" in technology_of(each).parameters for each in platforms
        ):
            message = f"a digest of {names} does not depend on the parameters of a Realm"
            raise ValidationError(message, path=file.path)


class Account(NamedTuple):
    """What was tried of one platform."""

    platform: PlatformType
    loaders: list[str]
    families: Families | None
    left: int
    """Settings of VMSAs for which no work was left."""
    left_pages: int = 0
    """Ways of loading pages for which none was left."""


def looked_at(asked: Asked, account: Account) -> list[str]:
    """What was varied of one platform, a part of a sentence each."""
    technology = technology_of(account.platform)
    parts = [_counted(account.loaders, "loader", "loaders")]
    families = account.families
    if families is not None:
        parts.append(f"vCPUs {_ranges(asked.vcpus)}")
        signatures = len(families.signatures)
        parts.append(
            f"{signatures} processors" if signatures > 1 else f"processor {_cpu(asked, families)}"
        )
        values = list(families.values)
        parts.append(
            f"{len(values)} values of SEV_FEATURES"
            if len(values) > 1
            else f"SEV_FEATURES {values[0]:#x}"
        )
        gpas = VMSA_GPA_AXIS.on(account.platform)
        if gpas:
            parts.append(f"VMSAs at {len(gpas)} addresses")
        if FPU_AXIS.on(account.platform):
            parts.append("with an FPU and without")
        clouds = ", ".join(vmm.name for vmm in CLOUDS)
        parts.append(f"the file's own and those of KVM, {clouds}")
    if asked.hashes is not None:
        parts.append("the kernel's hashes in and out")
    axes = [axis.name for axis in technology.axes if axis.on(account.platform)]
    if axes:
        parts.append(f"pages that differ in {' and '.join(_joined(axes))}")
    return parts


def untried(
    asked: Asked, accounts: Iterable[Account], *, without_realm: Sequence[PlatformType]
) -> list[Untried]:
    """What was left out, the likeliest to matter first."""
    found: list[Untried] = []
    accounts = list(accounts)
    for account in accounts:
        if account.left_pages:
            message = (
                f"{account.left_pages:,} of the less likely ways of loading "
                f"{account.platform.name}'s pages: a search is bounded"
            )
            found.append(Untried(message=message, parameter="names"))
        if account.left:
            message = (
                f"{account.left:,} of the less likely settings of {account.platform.name}'s VMSAs: "
                "a search is bounded; with less to vary it gets to more of them"
            )
            found.append(Untried(message=message, parameter="vcpus"))
    platforms = [account.platform for account in accounts]
    takers = [
        name
        for name in asked.names
        if loaders()[name].takes_hashes and set(platforms) & set(loaders()[name].measures)
    ]
    if asked.hashes is None and takers:
        message = "the hashes of a kernel, as none was given"
        found.append(Untried(message=message, parameter="hashes"))
    tails = [account.families for account in accounts if account.families is not None]
    if tails:
        most = max(asked.vcpus, default=0)
        message = f"more than {most} vCPUs" if not asked.has_vcpus else "other numbers of vCPUs"
        found.append(Untried(message=message, parameter="vcpus"))
        message = (
            "CPU signatures of processors that are not known" if asked.cpu is None else
            "other processors"
        )  # fmt: skip
        found.append(Untried(message=message, parameter="cpu"))
        message = (
            "SEV_FEATURES with several rare bits" if asked.sev_features is None else
            "other SEV_FEATURES"
        )  # fmt: skip
        found.append(Untried(message=message, parameter="sev_features"))
    for platform in without_realm:
        message = f"{platform.name}, without what the VMM chose for the Realm"
        found.append(Untried(message=message, parameter="realm"))
    if set(asked.names) != set(loaders()):
        found.append(Untried(message="other loaders", parameter="names"))
    return found


def _cpu(asked: Asked, families: Families) -> str:
    if asked.cpu is not None and not isinstance(asked.cpu, int):
        return asked.cpu
    return f"{next(iter(families.signatures)):#x}"


def _counted(names: Sequence[str], one: str, several: str) -> str:
    return f"{one} {names[0]}" if len(names) == 1 else f"{len(names)} {several}"


def _ranges(numbers: Iterable[int]) -> str:
    """`1 to 64`, `1, 2 and 8 to 9`."""
    runs: list[tuple[int, int]] = []
    for value in sorted(numbers):
        if runs and value == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], value
        else:
            runs.append((value, value))
    words = [str(low) if low == high else f"{low} to {high}" for low, high in runs]
    return " and ".join(_joined(words))


def _joined(words: Sequence[str]) -> list[str]:
    """All of `words` but the last with commas between them, and the last."""
    return [*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]]
