"""What a launch depends on besides the file, and which launches of a file are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from igvm.errors import ValidationError
from igvm.launch.flash import has_firmware
from igvm.launch.loader_table import loader_names, loader_of
from igvm.launch.request import PlanRequest
from igvm.measurement.measure import hosted_plan
from igvm.measurement.technology_table import technologies

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.plan import LaunchPlan
    from igvm.measurement.realm import RealmParameters
    from igvm.spec.enums import PlatformType


class LaunchSettings(NamedTuple):
    """What a launch depends on besides the file, its loader and the number of vCPUs."""

    request: PlanRequest = PlanRequest()
    """What a plan is made for, but for the number of vCPUs."""
    realm: RealmParameters | None = None
    """What the VMM chooses for a Realm."""

    def plan(self, file: IgvmFile, launch: Launch) -> LaunchPlan:
        """The plan of a launch with these settings.

        Raises:
            ValidationError: the file is not for the platform, or the loader has no use for
                something that was asked for.
            LoadError: the loader refuses the file.
        """
        request = msgspec.structs.replace(self.request, vcpus=launch.vcpus)
        return hosted_plan(file, launch.platform, launch.loader, request)


class Launch(NamedTuple):
    """Who loads which platform of a file, for how many vCPUs."""

    platform: PlatformType
    loader: str
    vcpus: int | None = None


def loaders_of(platform: PlatformType) -> list[str]:
    """The names of the loaders that lead to a measurement of `platform`, in the table's order."""
    return [name for name in loader_names() if _measures(name, platform)]


def _measures(name: str, platform: PlatformType) -> bool:
    return platform in loader_of(name).measures


def _is_for(name: str, file: IgvmFile, platform: PlatformType) -> bool:
    """Whether a loader has anything to do with a file; one that is given firmware may not."""
    return not loader_of(name).takes_firmware or has_firmware(file, platform)


def platforms_of(file: IgvmFile, wanted: Collection[PlatformType] = ()) -> list[PlatformType]:
    """Those of `wanted`, each once, or all platforms of `file` where none is.

    Raises:
        ValidationError: the file is not for one of them.
    """
    available = list(file.platform_masks)
    for platform in wanted:
        if platform not in available:
            names = ", ".join(kind.name for kind in available) or "no platform"
            message = f"the file is for {names}, not for {platform.name}"
            raise ValidationError(message, path=file.path)
    return list(dict.fromkeys(wanted)) or available


def launches(
    file: IgvmFile,
    *,
    platforms: Collection[PlatformType] = (),
    loaders: Collection[str] = (),
    vcpus: Sequence[int] = (),
) -> list[Launch]:
    """Every combination of platform, loader and vCPUs; what has no measurement once.

    Args:
        file: an open file.
        platforms: the platforms; none for all of the file.
        loaders: their names; none for all. A platform that a loader does not load is left out.
        vcpus: the numbers of vCPUs; none for one launch without a number.

    Raises:
        ValidationError: the file is not for one of `platforms`, a loader does not load one of
            them, or no loader loads anything of the file.
    """
    combinations: list[Launch] = []
    refused: list[str] = []
    for platform in platforms_of(file, platforms):
        if platform not in technologies():
            combinations.append(Launch(platform, "reference"))
            continue
        every = [name for name in loaders_of(platform) if _is_for(name, file, platform)]
        names = [name for name in loaders or every if _measures(name, platform)]
        refused += [
            f"loader {name} does not load {platform.name}" for name in loaders if name not in names
        ]
        if refused and platforms:
            raise ValidationError(refused[0], path=file.path)
        combinations += [
            Launch(platform, name, count) for name in names for count in vcpus or (None,)
        ]
    if refused and all(launch.platform not in technologies() for launch in combinations):
        raise ValidationError(refused[0], path=file.path)
    return combinations


def compared_platforms(
    first: IgvmFile,
    second: IgvmFile,
    *,
    platforms: Collection[PlatformType] = (),
    loaders: Sequence[str] = (),
) -> dict[PlatformType, str | None]:
    """The platforms of two files, and why the launches of one cannot be compared, if so.

    Args:
        first: an open file.
        second: another, or the same.
        platforms: the platforms to choose from; none for all of both.
        loaders: the name of who loads the first, and of who loads the second.

    Raises:
        ValidationError: the launches of none of them can be compared by what both files are for
            and the loaders load, or not those of all of `platforms`.
    """
    wanted = list(dict.fromkeys(platforms or [*first.platform_masks, *second.platform_masks]))
    reasons = {platform: _incomparable(first, second, platform, loaders) for platform in wanted}
    refused = [reason for reason in reasons.values() if reason is not None]
    one_sided = any(
        (platform in first.platform_masks) != (platform in second.platform_masks)
        for platform in wanted
    )
    if refused and (platforms or (len(refused) == len(wanted) and not one_sided)):
        name = next(platform.name for platform, reason in reasons.items() if reason is not None)
        raise ValidationError(f"the launches of {name} are not compared: {refused[0]}")
    if not wanted:
        raise ValidationError("neither file is for any platform")
    return reasons


def _incomparable(
    first: IgvmFile, second: IgvmFile, platform: PlatformType, loaders: Sequence[str]
) -> str | None:
    """Why two launches of `platform` cannot be compared, if so."""
    is_for = [platform in file.platform_masks for file in (first, second)]
    if not all(is_for):
        which = {(True, False): "only the first", (False, True): "only the second"}
        return f"{which.get((is_for[0], is_for[1]), 'neither')} file is for it"
    for name in loaders:
        if platform not in loader_of(name).platforms:
            return f"loader {name} does not load it"
    return None
