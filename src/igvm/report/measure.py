"""Launch measurements of a file as plain values: digests, traces, searches and differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from igvm.errors import MeasurementError, ValidationError
from igvm.launch.plan import LaunchPlan
from igvm.launch.planning import plan
from igvm.launch.loaders import loaders
from igvm.measurement.cache import ContentCache
from igvm.measurement.measure import NAMES, Measurement, measure_plan, measure_plans
from igvm.report.file_model import FileModel
from igvm.report.measure_model import (
    DifferenceModel,
    FieldModel,
    MatchModel,
    MeasureResult,
    PlaceModel,
    SearchModel,
    Trace,
    TraceStep,
)
from igvm.report.words import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from igvm.errors import IgvmError
    from igvm.file.view import IgvmFile
    from igvm.launch.hashes import KernelHashes
    from igvm.measurement.cca import RealmParameters
    from igvm.measurement.difference import Place
    from igvm.measurement.explain import Step
    from igvm.measurement.find import Search
    from igvm.spec.enums import PlatformType


class Settings(NamedTuple):
    """What a launch depends on besides the file, as it was asked for."""

    cpu: str | int | None = None
    sev_features: int | None = None
    hashes: KernelHashes | None = None
    realm: RealmParameters | None = None

    def plan(
        self, file: IgvmFile, platform: PlatformType, loader: str, vcpus: int | None
    ) -> LaunchPlan:
        """The plan of `loader` with these settings.

        Raises:
            IgvmError: there is none.
        """
        return plan(
            file, platform, loader=loader, vcpus=vcpus, cpu=self.cpu,
            sev_features=self.sev_features, hashes=self.hashes,
        )  # fmt: skip


def file_model(file: IgvmFile) -> FileModel:
    """The name and size of a file."""
    return FileModel(name=file_name(file.path), size=len(file.buffer))


class Job(NamedTuple):
    """One digest that is wanted."""

    platform: PlatformType
    loader: str
    vcpus: int | None = None


def measured(file: IgvmFile, jobs: Sequence[Job], settings: Settings) -> list[MeasureResult]:
    """What comes of each job; a job that cannot be done has an error in place of a digest."""
    found: list[MeasureResult | LaunchPlan] = []
    for job in jobs:
        if job.platform not in NAMES:
            found.append(_refused(file, job, "no launch measurement"))
            continue
        try:
            found.append(settings.plan(file, *job))
        except (MeasurementError, ValidationError) as error:
            found.append(_refused(file, job, message(error), error))
    plans = [one for one in found if isinstance(one, LaunchPlan)]
    digests = iter(_measurements(plans, settings.realm))
    results: list[MeasureResult] = []
    for job, one in zip(jobs, found, strict=True):
        if isinstance(one, MeasureResult):
            results.append(one)
            continue
        made = next(digests)
        if isinstance(made, MeasurementError):
            results.append(_refused(file, job, message(made), made))
        else:
            results.append(_measured(made, job))
    return results


def _measurements(
    plans: list[LaunchPlan], realm: RealmParameters | None
) -> Iterator[Measurement | MeasurementError]:
    """The measurement of each plan, or why there is none."""
    if len({one.platform for one in plans}) == len(plans) > 1:
        try:
            yield from measure_plans(plans, realm=realm)
        except MeasurementError:
            pass  # one of them; which, comes out below
        else:
            return
    contents: ContentCache | None = None
    for one in plans:
        # Plans of one platform share what they begin with and the digests of their pages.
        if len(plans) > 1:
            contents = contents or ContentCache(one.file)
        try:
            yield measure_plan(one, realm=realm, contents=contents)
        except MeasurementError as error:
            yield error


def _measured(made: Measurement, job: Job) -> MeasureResult:
    return MeasureResult(
        platform=job.platform.name,
        mask=made.mask,
        name=made.name,
        loader=job.loader,
        vcpus=job.vcpus,
        algorithm=made.algorithm,
        digest=made.digest.hex(),
        assumptions=list(made.assumptions),
        pages=made.pages,
        error=None,
        hint=None,
        missing=None,
    )


def _refused(
    file: IgvmFile, job: Job, reason: str, error: IgvmError | None = None
) -> MeasureResult:
    """What stands in place of a digest."""
    return MeasureResult(
        platform=job.platform.name,
        mask=file.platform_masks.get(job.platform, 0),
        name=NAMES.get(job.platform),
        loader=job.loader,
        vcpus=job.vcpus,
        algorithm=None,
        digest=None,
        assumptions=[],
        pages={},
        error=reason,
        hint=None if error is None else error.hint,
        missing=None if error is None else error.missing,
    )


def message(error: IgvmError) -> str:
    """What an error says, with its place in the file and without the file's name."""
    where = "" if error.offset is None else f"+{error.offset:#x}"
    what = ".".join(part for part in (error.header, error.field) if part)
    return ": ".join(part for part in (where, what, error.message) if part)


def knowing(platform: PlatformType) -> list[str]:
    """The loaders that load `platform`."""
    return [name for name, loader in loaders().items() if platform in loader.platforms]


def steps(made: LaunchPlan, settings: Settings, *, every_page: bool) -> Iterator[TraceStep]:
    """The trace of a plan, step by step."""
    from igvm.measurement.explain import explain

    found = explain(made, realm=settings.realm, every_page=every_page)
    return (_step(step) for step in found)


def _step(step: Step) -> TraceStep:
    return TraceStep(
        operation=step.operation,
        gpa=step.gpa,
        pages=step.pages,
        header=None if step.header < 0 else step.header,
        note=step.note,
        measured=step.measured,
        digest=step.digest.hex(),
    )


def trace(made: LaunchPlan, settings: Settings, *, every_page: bool) -> Trace:
    """How the measurement of a plan comes about."""
    found = measure_plan(made, realm=settings.realm)
    return Trace(
        platform=made.platform.name,
        loader=made.loader,
        name=found.name,
        algorithm=found.algorithm,
        digest=found.digest.hex(),
        steps=list(steps(made, settings, every_page=every_page)),
    )


def search_model(digest: bytes, search: Search) -> SearchModel:
    """The plain values of a search for `digest`."""
    return SearchModel(
        digest=digest.hex(),
        matches=[
            MatchModel(
                platform=match.platform.name,
                loader=match.loader,
                deviations=list(match.deviations),
                vcpus=match.vcpus,
                cpu=match.cpu,
                sev_features=match.sev_features,
                kernel_hashes=match.hashes,
                options=match.options,
            )
            for match in search.matches
        ],
        tried=search.tried,
        refused=search.refused,
    )


def difference(first: LaunchPlan, second: LaunchPlan) -> DifferenceModel:
    """Where two plans part ways.

    Raises:
        MeasurementError: they cannot be compared.
    """
    from igvm.measurement.difference import first_difference

    found = first_difference(first, second)
    return DifferenceModel(
        platform=first.platform.name,
        first_file=file_name(first.file.path),
        second_file=file_name(second.file.path),
        first_loader=first.loader,
        second_loader=second.loader,
        kind=None if found is None else found.kind,
        index=first.page_count if found is None else found.index,
        first=None if found is None else _place(found.first),
        second=None if found is None else _place(found.second),
        offset=None if found is None else found.offset,
        bytes=0 if found is None else found.bytes,
        fields=[]
        if found is None
        else [
            FieldModel(name=one.name, first=one.first, second=one.second) for one in found.fields
        ],
    )


def _place(place: Place | None) -> PlaceModel | None:
    if place is None:
        return None
    return PlaceModel(
        operation=place.operation,
        gpa=place.gpa,
        page=place.page,
        pages=place.pages,
        header=None if place.header < 0 else place.header,
        source=None if place.source < 0 else place.source,
        vp_index=place.vp_index,
    )
