"""Options of a launch that no launch depends on: refused, so that nothing given is ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from igvm.cli.launch_options import CPU, KERNEL, REALM, SEV_FEATURES, VCPUS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from igvm.cli.launch_request import LaunchRequest
    from igvm.cli.option_records import Option
    from igvm.report.launch_settings import Launch
    from igvm.spec.enums import PlatformType

_OF_VMSAS = {VCPUS: "vcpus", CPU: "cpu", SEV_FEATURES: "sev_features"}
"""Options about VMSAs that KVM builds, and what a loader calls them."""


def refuse_unused(request: LaunchRequest, launches: Iterable[Launch]) -> None:
    """Refuse an option that none of `launches` depends on.

    Raises:
        UsageError: there is one.
    """
    from igvm.launch.loader_table import loader_of

    wanted = list(launches)
    platforms = {launch.platform for launch in wanted}
    _refuse_by_platform(request, platforms)
    names = list(dict.fromkeys(launch.loader for launch in wanted))
    if "vmm" in request.settings.request.host:
        return
    for option in _given(request):
        parameter = _OF_VMSAS.get(option)
        if parameter is not None and not any(
            parameter in loader_of(name).parameters for name in names
        ):
            who = names[0] if len(names) == 1 else "none of these loaders"
            ending = "does not depend on it" if len(names) == 1 else "depends on it"
            loader = f"loader {who}" if len(names) == 1 else who
            raise click.UsageError(f"{option.flags[0]} changes nothing here: {loader} {ending}")


def refuse_unsearched(request: LaunchRequest, platforms: Iterable[PlatformType]) -> None:
    """Refuse an option that no search on `platforms` makes use of.

    Raises:
        UsageError: there is one.
    """
    searched = set(platforms)
    if searched:  # else there is nothing that it could change
        _refuse_by_platform(request, searched)


def _refuse_by_platform(request: LaunchRequest, platforms: set[PlatformType]) -> None:
    """Refuse options about what none of `platforms` has.

    Raises:
        UsageError: there is one.
    """
    from igvm.spec.enums import PlatformType as Kind

    with_vmsas = {Kind.SEV_SNP, Kind.SEV_ES}
    for option in _given(request):
        kinds = with_vmsas
        if option is KERNEL:
            kinds = with_vmsas | {Kind.SEV}
        elif option is REALM:
            kinds = {Kind.CCA}
        if not platforms & kinds:
            names = ", ".join(sorted(platform.name for platform in platforms)) or "no platform"
            owners = " and ".join(sorted(kind.name for kind in kinds))
            raise click.UsageError(
                f"{option.flags[0]} changes nothing on {names}: it is for {owners}"
            )


def _given(request: LaunchRequest) -> list[Option]:
    """The options of `request` that some launches do not depend on."""
    asked_for = request.settings.request
    values = {
        VCPUS: request.vcpus or None,
        CPU: asked_for.cpu,
        SEV_FEATURES: asked_for.sev_features,
        KERNEL: asked_for.hashes,
        REALM: request.settings.realm,
    }
    return [option for option, value in values.items() if value is not None]
