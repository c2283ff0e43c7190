"""Where two launches part ways, for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.measurement.first_difference import Difference, first_difference
from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from igvm.launch.plan import LaunchPlan


class LaunchDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Two launches for one platform, and where they part ways."""

    platform: PlatformType
    first_loader: str
    second_loader: str
    alike: int
    """Pages before the difference, which are equal; all pages where there is none."""
    difference: Difference | None


class DiffReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm diff --json` prints."""

    schema: Literal["igvm.diff/1"] = "igvm.diff/1"
    first: FileModel
    second: FileModel
    launches: list[LaunchDifference]


def launch_difference(first: LaunchPlan, second: LaunchPlan) -> LaunchDifference:
    """Where two plans part ways.

    Raises:
        MeasurementError: they cannot be compared, or something is not known of one of them.
    """
    first.require_known()
    second.require_known()
    difference = first_difference(first, second)
    return LaunchDifference(
        platform=first.platform,
        first_loader=first.loader,
        second_loader=second.loader,
        alike=first.page_count if difference is None else difference.index,
        difference=difference,
    )
