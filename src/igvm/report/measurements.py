"""Launch measurements of a file: what each launch gives, or why it gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.checks.finding import Finding  # noqa: TC001 - msgspec reads annotations
from igvm.checks.reference import verdict
from igvm.errors import LoadError, MeasurementError, ValidationError
from igvm.launch.loader_table import loader_of
from igvm.launch.plan import LaunchPlan
from igvm.measurement.endorsed_digests import EndorsedDigest, endorsed_digests, has_endorsements
from igvm.measurement.measure import Measurement, measure_plan, measure_plans
from igvm.measurement.page_cache import ContentCache
from igvm.measurement.search.find import Match
from igvm.measurement.technology_table import technologies
from igvm.report.file_model import FileModel  # noqa: TC001 - msgspec reads annotations
from igvm.report.refusal import Refusal
from igvm.spec.enums import PlatformType  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from igvm.file.view import IgvmFile
    from igvm.measurement.realm import RealmParameters
    from igvm.report.launch_settings import Launch, LaunchSettings


_MOST_PLANNED = 16 << 20
"""Bytes of plans that are kept at a time, besides a quarter of the file's."""


class MeasureResult(msgspec.Struct, frozen=True, kw_only=True):
    """One platform under one loader: its measurement, or why it has none."""

    platform: PlatformType
    name: str | None
    """What the technology calls its measurement; null where it has none."""
    loader: str
    vcpus: int | None
    """The number of vCPUs that was asked for."""
    measurement: Measurement | None = None
    refusal: Refusal | None = None
    rejection: Finding | None = None
    """Why the igvm crate that the loader reads files with rejects this one: nothing that it loads
    has the digest."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The digest that was expected, and whether a result has it."""

    digest: bytes
    matches: bool


class MeasureReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm measure --json` prints."""

    schema: Literal["igvm.measure/1"] = "igvm.measure/1"
    file: FileModel
    results: list[MeasureResult]
    endorsed: list[EndorsedDigest]
    """The ID blocks and VBS measurements of the file, and what leads to their digests."""
    expected: Expected | None = None


def measure_launches(
    file: IgvmFile,
    launches: Sequence[Launch],
    settings: LaunchSettings,
    contents: ContentCache | None = None,
) -> list[MeasureResult]:
    """What comes of each launch of `file`; one that cannot be measured has a refusal.

    The digests of its pages are left in `contents` where the file has something to compare.
    """
    planned = (_plan(file, launch, settings) for launch in launches)
    if 64 * len(file.types) * len(launches) > _MOST_PLANNED + len(file.buffer) // 4:
        # One plan at a time: together they would take more memory than the file is worth.
        contents = contents or ContentCache(file)
        results = [
            _result(launch, _measured(plan, settings.realm, contents))
            for launch, plan in zip(launches, planned, strict=True)
        ]
        return _judged(file, results)
    plans = list(planned)
    measured = _measurements(
        [plan for plan in plans if isinstance(plan, LaunchPlan)],
        settings.realm,
        contents if has_endorsements(file) else None,
    )
    results = [
        _result(launch, plan if isinstance(plan, Refusal) else next(measured))
        for launch, plan in zip(launches, plans, strict=True)
    ]
    return _judged(file, results)


def endorsed_launches(
    file: IgvmFile,
    results: Sequence[MeasureResult],
    settings: LaunchSettings,
    contents: ContentCache,
) -> list[EndorsedDigest]:
    """What the file vouches for on the platforms of `results`, and what leads to those digests.

    That is any loader or tool, and a launch among `results` whatever its settings.
    """
    platforms = dict.fromkeys(result.platform for result in results)
    hashes = settings.request.hashes
    endorsed = endorsed_digests(file, platforms=platforms, hashes=hashes, contents=contents)
    for endorsement in endorsed:
        for result in results:
            measurement = result.measurement
            is_known = result.loader in endorsement.loaders
            if measurement is None or measurement.digest != endorsement.digest or is_known:
                continue
            request = settings.request
            match = Match(
                platform=result.platform,
                loader=result.loader,
                vcpus=result.vcpus,
                cpu=None if request.cpu is None else str(request.cpu),
                sev_features=request.sev_features,
                hashes=request.hashes is not None,
                host=dict(request.host),
            )
            endorsement.matches.append(match)
            if result.loader in endorsement.others:
                endorsement.others.remove(result.loader)
    return endorsed


def _plan(file: IgvmFile, launch: Launch, settings: LaunchSettings) -> LaunchPlan | Refusal:
    """The plan of a launch, or why there is none."""
    if launch.platform not in technologies():
        return Refusal(message="no launch measurement")
    try:
        return settings.plan(file, launch)
    except (LoadError, ValidationError) as error:
        return Refusal.of(error)


def _measurements(
    plans: list[LaunchPlan], realm: RealmParameters | None, contents: ContentCache | None
) -> Iterator[Measurement | Refusal]:
    """The measurement of each plan, or why there is none."""
    if len({plan.platform for plan in plans}) == len(plans) > 1:
        try:
            yield from measure_plans(plans, realm=realm, contents=contents)
        except (LoadError, MeasurementError):
            pass  # one of them; which, comes out below
        else:
            return
    for plan in plans:
        # Plans of one platform share what they begin with and the digests of their pages.
        if len(plans) > 1:
            contents = contents or ContentCache(plan.file)
        yield _measured(plan, realm, contents)


def _measured(
    plan: LaunchPlan | Refusal, realm: RealmParameters | None, contents: ContentCache | None
) -> Measurement | Refusal:
    """The measurement of one plan, or why there is none."""
    if isinstance(plan, Refusal):
        return plan
    try:
        return measure_plan(plan, realm=realm, contents=contents)
    except (LoadError, MeasurementError) as error:
        return Refusal.of(error)


def _judged(file: IgvmFile, results: list[MeasureResult]) -> list[MeasureResult]:
    """`results` with what loaders' readers say to the file, where there is a digest."""
    rejections: dict[str, Finding | None] = {}
    judged = []
    for result in results:
        crate = loader_of(result.loader).crate
        if result.measurement is not None and crate is not None:
            if crate not in rejections:
                errors = (finding for finding in verdict(file, crate) if finding.is_error)
                rejections[crate] = next(errors, None)
            judged.append(msgspec.structs.replace(result, rejection=rejections[crate]))
        else:
            judged.append(result)
    return judged


def _result(launch: Launch, outcome: Measurement | Refusal) -> MeasureResult:
    technology = technologies().get(launch.platform)
    return MeasureResult(
        platform=launch.platform,
        name=None if technology is None else technology.measurement,
        loader=launch.loader,
        vcpus=launch.vcpus,
        measurement=outcome if isinstance(outcome, Measurement) else None,
        refusal=outcome if isinstance(outcome, Refusal) else None,
    )
