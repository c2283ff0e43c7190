"""What a file's launches measure and which loaders take it, at the price of a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from igvm.errors import IgvmError
from igvm.launch.loader_table import loaders_named
from igvm.launch.machine import Machine
from igvm.launch.request import PlanRequest
from igvm.measurement.measure import hosted_plan, measure_plan
from igvm.measurement.technology_table import technologies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.file.view import IgvmFile
    from igvm.spec.enums import PlatformType

MOST_PAGES = 4096
"""Pages of a launch that a summary takes the time to measure: 16 MiB."""
MOST_HEADERS = 1 << 15
"""Headers of a file that a summary takes the time to hold against the rules of all loaders."""
SUMMARY_MACHINE = Machine("q35", memory=4 << 30)
"""The machine that QEMU is judged with: so much memory that it is not for want of it."""
TOOL = "reference"
"""Whose digests a summary has."""


class LaunchDigest(msgspec.Struct, frozen=True, kw_only=True):
    """The launch measurement of one platform, or why a summary has none."""

    platform: str
    name: str
    """What the technology calls it."""
    loader: str
    digest: str | None = None
    """In hex."""
    reason: str | None = None
    """Why there is none."""


class LoaderVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the rules of a loader find an error in the file, for a platform that it starts."""

    loader: str
    platform: str | None
    """None where it starts none of the file's."""
    accepted: bool
    rule: str | None = None
    """The name of the first rule that says that the guest does not start."""


def launch_digests(file: IgvmFile) -> list[LaunchDigest]:
    """The measurement of each platform that has one, in launches of at most 4,096 pages."""
    return list(_digests(file))


def _digests(file: IgvmFile) -> Iterator[LaunchDigest]:
    for platform in file.platform_masks:
        technology = technologies().get(platform)
        if technology is None:
            continue
        digest = reason = None
        try:
            plan = hosted_plan(file, platform, TOOL, PlanRequest())
            pages = plan.measured_pages
            if pages > MOST_PAGES:
                reason = f"{pages:,} pages"
            else:
                digest = measure_plan(plan).digest.hex()
        except IgvmError as error:
            reason = error.message
        yield LaunchDigest(
            platform=platform.name,
            name=technology.measurement,
            loader=TOOL,
            digest=digest,
            reason=reason,
        )


def loader_verdicts(file: IgvmFile) -> list[LoaderVerdict] | None:
    """What the rules of every loader say, but for those about digests; None for too many headers.

    QEMU is judged on SUMMARY_MACHINE.
    """
    from igvm.launch.lint import first_error

    if len(file.types) > MOST_HEADERS:
        return None
    verdicts = []
    for loader in loaders_named("all", tools=False):
        machine = SUMMARY_MACHINE if loader.machines else None
        choices: list[PlatformType | None] = [*loader.choices(file)] or [None]
        for platform in choices:
            rule = first_error(file, loader, platform, machine)
            verdicts.append(
                LoaderVerdict(
                    loader=loader.name,
                    platform=None if platform is None else platform.name,
                    accepted=rule is None,
                    rule=rule,
                )
            )
    return verdicts
