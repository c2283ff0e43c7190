"""Where two launches part ways, for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.measurement.first_difference import Basis, Difference, basis_of, first_difference
from igvm.measurement.technology_table import technologies
from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan


_MISSING = {"vcpus": "the number of vCPUs", "cpu": "the processor", "realm": "the Realm"}
"""What is missing to measure a plan, by the name of the parameter, in words."""


class LaunchDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Two launches for one platform, what they were compared by, and where they part ways."""

    platform: PlatformType
    first_loader: str
    second_loader: str
    compared_by: Basis | None
    """`measurement` for what the measurements cover, `plan` for all that is done; null where the
    launches were not compared."""
    reason: str | None = None
    """Why they were compared by plan, or not at all; null where they have measurements."""
    differ: bool
    """Whether they are known not to be the same."""
    alike: int
    """Pages before the difference, which are equal; all pages where there is none."""
    measured: int
    """Pages of the first that its measurement covers."""
    difference: Difference | None = None


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm diff --json` prints."""

    schema: Literal["igvm.diff/1"] = "igvm.diff/1"
    first: FileModel
    second: FileModel
    launches: list[LaunchDifference]


def launch_difference(first: LaunchPlan, second: LaunchPlan) -> LaunchDifference:
    """Where two plans part ways.

    Where they have measurements and nothing is missing for those, what they cover is compared,
    else all that is done.

    Raises:
        MeasurementError: a context cannot be read.
    """
    basis = basis_of(first, second)
    reason = None if basis == "measurement" else _unmeasured(first, second)
    missing = [each.parameter for plan in (first, second) for each in plan.missing]
    if missing and basis == "measurement":
        basis = "plan"
        names = " and ".join(_MISSING.get(name, name) for name in dict.fromkeys(missing))
        reason = f"the measurement depends on {names}"
    difference = first_difference(first, second, by=basis)
    return LaunchDifference(
        platform=first.platform,
        first_loader=first.loader,
        second_loader=second.loader,
        compared_by=basis,
        reason=reason,
        differ=difference is not None,
        alike=_alike(first, difference),
        measured=first.measured_pages if basis == "measurement" else 0,
        difference=difference,
    )


def _alike(plan: LaunchPlan, difference: Difference | None) -> int:
    """Pages that are equal; all of them where what differs loads nothing."""
    if difference is None or difference.kind == "header":
        return plan.page_count
    return difference.index


def _unmeasured(*plans: LaunchPlan) -> str:
    """Why not both of `plans` have a measurement."""
    for plan in plans:
        if plan.platform in technologies() and not plan.is_measured:
            return f"loader {plan.loader} leads to no measurement of {plan.platform.name}"
    return f"{plans[0].platform.name} has no launch measurement"


def not_compared(
    platform: PlatformType, loaders: tuple[str, str], reason: str, *, differ: bool
) -> LaunchDifference:
    """A platform whose launches were not compared, and why."""
    return LaunchDifference(
        platform=platform,
        first_loader=loaders[0],
        second_loader=loaders[1],
        compared_by=None,
        reason=reason,
        differ=differ,
        alike=0,
        measured=0,
    )
