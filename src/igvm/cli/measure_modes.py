"""What `igvm measure` does: digests, traces, searches and differences, printed."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from igvm.cli.app import UNREADABLE, USAGE, advice, complain
from igvm.cli.shared import open_file, print_json, print_lines
from igvm.errors import IgvmError
from igvm.report.measure import Job, Settings, file_model, knowing, measured
from igvm.report.measure_model import Expected, MeasureReport
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from igvm.file.view import IgvmFile
    from igvm.launch.plan import LaunchPlan
    from igvm.report.layout import Line

_FINDINGS = 1


class Asked(NamedTuple):
    """The file and the options that all ways to look at it share."""

    file: IgvmFile
    platforms: list[PlatformType]
    named: bool
    """Whether the platforms were asked for by name."""
    loaders: list[str]
    """Those asked for; none for all of them."""
    vcpus: list[int] | None
    settings: Settings
    json: str

    @property
    def several(self) -> bool:
        """Whether there may be more than one digest for a platform."""
        return len(self.loaders) != 1 or len(self.vcpus or []) > 1


def platforms(file: IgvmFile, names: tuple[str, ...]) -> list[PlatformType]:
    """The platforms that were asked for, or all of the file.

    Raises:
        UsageError: the file is not for one of them.
    """
    there = list(file.platform_masks)
    wanted = [PlatformType[name.upper()] for name in dict.fromkeys(names)] or there
    for one in wanted:
        if one not in there:
            carried = ", ".join(kind.name for kind in there) or "no platform"
            raise click.UsageError(f"the file is for {carried}, not for {one.name}")
    return wanted


def measure(asked: Asked, expect: bytes | None, *, bare: bool) -> int:
    """Print digests, and compare them."""
    from igvm.report.measure_text import blocks_text, expected_text, table_text

    results = measured(asked.file, _jobs(asked), asked.settings)
    digests = [one for one in results if one.digest is not None]
    failed = [one for one in results if one.digest is None and one.name is not None]
    code = 0
    if not (asked.several and digests):  # where a table has an empty cell, it says why
        for one in failed:
            where = f"{asked.file.path or '-'}: {one.platform}"
            code = max(code, _complain(f"{where}: {one.error}", one.hint, one.missing))
    expected = None
    if expect is not None:
        found = any(one.digest == expect.hex() for one in digests)
        expected = Expected(digest=expect.hex(), matches=found)
        code = code or (0 if found else _FINDINGS)
    if bare:
        if code:
            return code
        if len(digests) != 1:
            said = f"--bare wants one digest and there are {len(digests)}"
            raise click.UsageError(f"{said}; choose with --platform and --loader")
        click.echo(digests[0].digest)
    elif asked.json != "off":
        _print(
            asked, MeasureReport(file=file_model(asked.file), results=results, expected=expected)
        )
    elif expected is not None:
        print_lines(expected_text(expected, results))
    elif asked.several:
        print_lines(table_text(results, advice))
    else:
        print_lines(blocks_text([one for one in results if one not in failed]))
    return code


def explain(asked: Asked, *, every_page: bool) -> int:
    """Print how each digest comes about."""
    from igvm.report.measure import trace

    traces = []
    code = 0
    for job in _one_each(asked):
        try:
            plan = asked.settings.plan(asked.file, *job)
            if asked.json == "off":
                print_lines(_trace_lines(plan, asked.settings, every_page=every_page))
            else:
                traces.append(trace(plan, asked.settings, every_page=every_page))
        except IgvmError as error:
            code = max(code, _complain(f"{job.platform.name}: {error}", error.hint, error.missing))
    if asked.json != "off":
        _print(asked, MeasureReport(file=file_model(asked.file), traces=traces))
    return code


def _trace_lines(plan: LaunchPlan, settings: Settings, *, every_page: bool) -> Iterator[Line]:
    """The lines of a trace, as they come."""
    from igvm.measurement.measure import NAMES
    from igvm.report.measure import steps
    from igvm.report.measure_text import step_text, trace_head, trace_tail

    found = steps(plan, settings, every_page=every_page)
    yield from trace_head(plan.platform.name, plan.loader, NAMES[plan.platform])
    digest = ""
    for step in found:
        yield from step_text(step)
        digest = step.digest
    yield from trace_tail(digest)


def find(asked: Asked, digest: bytes) -> int:
    """Print what leads to a digest."""
    from igvm.measurement.find import find as search
    from igvm.report.measure import search_model
    from igvm.report.measure_text import search_text

    with _progress() as progress:
        found = search(
            asked.file,
            digest,
            platforms=asked.platforms,
            names=asked.loaders or None,
            vcpus=asked.vcpus or range(1, 65),
            cpu=asked.settings.cpu,
            sev_features=asked.settings.sev_features,
            hashes=asked.settings.hashes,
            realm=asked.settings.realm,
            progress=progress,
        )
    model = search_model(digest, found)
    if asked.json == "off":
        print_lines(search_text(model))
    else:
        _print(asked, MeasureReport(file=file_model(asked.file), search=model))
    return 0 if found.matches else _FINDINGS


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("searching", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def difference(asked: Asked, other: str) -> int:
    """Print where two launches part ways, for every platform that both have."""
    from igvm.report.measure import difference as compare
    from igvm.report.measure_text import difference_text

    names = asked.loaders
    if not other and len(names) != 2:
        raise click.UsageError("--first-difference wants another file or two --loader")
    if not 1 <= len(names) <= 2 or len(asked.vcpus or []) > 1:
        raise click.UsageError("--first-difference compares two loaders and one --vcpus at most")
    second = open_file(other) if other else asked.file
    count = asked.vcpus[0] if asked.vcpus else None
    found = []
    code = 0
    for platform in _common(asked, second):
        try:
            plans = [
                asked.settings.plan(file, platform, name, count)
                for file, name in ((asked.file, names[0]), (second, names[-1]))
            ]
            model = compare(*plans)
        except IgvmError as error:
            code = max(code, _complain(f"{platform.name}: {error}", error.hint, error.missing))
            continue
        found.append(model)
        code = code or (_FINDINGS if model.kind is not None else 0)
        if asked.json == "off":
            print_lines(difference_text(model))
    if asked.json != "off":
        _print(asked, MeasureReport(file=file_model(asked.file), differences=found))
    return code


def _common(asked: Asked, second: IgvmFile) -> list[PlatformType]:
    """The platforms whose launches can be compared.

    Raises:
        UsageError: there is none, or not one that was asked for.
    """
    known: list[PlatformType] = [
        one for one in asked.platforms
        if one != PlatformType.NATIVE and set(asked.loaders) <= set(knowing(one))
    ]  # fmt: skip
    both: list[PlatformType] = [one for one in known if one in second.platform_masks]
    if not both or (asked.named and both != asked.platforms):
        names = ", ".join(one.name for one in asked.platforms)
        raise click.UsageError(f"not both launches are for {names}")
    return both


def _jobs(asked: Asked) -> list[Job]:
    """Every combination of platform, loader and vCPU count.

    Raises:
        UsageError: a loader does not load the platform that was asked for, or none of the file.
    """
    jobs: list[Job] = []
    counts: Sequence[int | None] = asked.vcpus or [None]
    foreign: list[str] = []
    for platform in asked.platforms:
        if platform == PlatformType.NATIVE:
            jobs.append(Job(platform, "reference"))
            continue
        known = knowing(platform)
        names = [one for one in asked.loaders or known if one in known]
        foreign += [
            f"loader {one} does not load {platform.name}"
            for one in asked.loaders
            if one not in known
        ]
        if foreign and asked.named:
            raise click.UsageError(foreign[0])
        jobs += [Job(platform, one, count) for one in names for count in counts]
    if foreign and all(job.platform == PlatformType.NATIVE for job in jobs):
        raise click.UsageError(foreign[0])
    return jobs


def _one_each(asked: Asked) -> Sequence[Job]:
    """One job for each platform that is measured.

    Raises:
        UsageError: there are several, or none.
    """
    jobs = [job for job in _jobs(asked) if job.platform != PlatformType.NATIVE]
    if not jobs:
        raise click.UsageError("no platform of the file has a launch measurement")
    if len({job.platform for job in jobs}) < len(jobs):
        raise click.UsageError("--explain wants one --loader and one number of --vcpus")
    return jobs


def _complain(message: str, hint: str | None, missing: str | None) -> int:
    """Say what is wrong, in a line and a hint; the exit code."""
    complain(message, advice(hint, missing))
    # What an option would mend is for the command line, everything else is in the file.
    return UNREADABLE if missing is None else USAGE


def _print(asked: Asked, report: MeasureReport) -> None:
    from igvm.report.encode import encode

    print_json([encode(report, pretty=asked.json == "pretty")])
