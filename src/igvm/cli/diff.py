"""`igvm diff`: where two launches part ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from igvm.cli.launch_options import REFERENCE_LAUNCH_OPTIONS
from igvm.cli.launch_request import launch_request, usage_errors
from igvm.cli.messages import FOUND, complain_of
from igvm.cli.options import FIRST_FILE, JSON, SECOND_FILE
from igvm.cli.streams import open_file, print_json, print_lines
from igvm.cli.unused_options import refuse_unused
from igvm.cli.verb import verb

if TYPE_CHECKING:
    from igvm.cli.launch_request import LaunchRequest


@verb(
    "diff",
    FIRST_FILE,
    SECOND_FILE,
    *REFERENCE_LAUNCH_OPTIONS,
    JSON,
    summary="Show the first difference of two launches.",
)
def command(*, first_path: str, second_path: str | None, json: str, **launch_options: Any) -> int:
    """Show the first difference of two launches: of files A and B, or of A under two loaders.

    It is the first page that is not the same, and what differs in it. Launches that are measured
    are compared by what their measurements cover; those that are not, or whose measurement depends
    on something that was not said, by all that the loader does. A platform of one file alone is a
    difference. With two files and two --loader the first loads A and the second B. Exits with 0
    if there is no difference, with 1 if there is one.
    """
    request = launch_request(**launch_options)
    _require_two(request, second_path)
    first = open_file(first_path)
    second = open_file(second_path) if second_path is not None else first
    from igvm.errors import IgvmError
    from igvm.report.difference_text import difference_text
    from igvm.report.differences import DiffReport, launch_difference, not_compared
    from igvm.report.file_model import FileModel
    from igvm.report.launch_settings import Launch, compared_platforms

    loaders = (request.loaders[0], request.loaders[-1])
    with usage_errors():
        platforms = compared_platforms(first, second, platforms=request.platforms, loaders=loaders)
    refuse_unused(
        request, [Launch(platform, name) for platform in platforms for name in request.loaders]
    )
    report = DiffReport(first=FileModel.of(first), second=FileModel.of(second), launches=[])
    vcpus = request.vcpus[0] if request.vcpus else None
    code = 0
    for platform, reason in platforms.items():
        try:
            if reason is None:
                difference = launch_difference(
                    request.settings.plan(first, Launch(platform, loaders[0], vcpus)),
                    request.settings.plan(second, Launch(platform, loaders[1], vcpus)),
                )
            else:
                both = platform in first.platform_masks and platform in second.platform_masks
                difference = not_compared(platform, loaders, reason, differ=not both)
        except IgvmError as error:
            code = max(code, complain_of(error, f"{platform.name}: {error}"))
            difference = not_compared(platform, loaders, error.message, differ=False)
            report.launches.append(difference)
            continue
        report.launches.append(difference)
        code = code or (FOUND if difference.differ else 0)
        if json == "off":
            print_lines(difference_text(difference, report.first.name, report.second.name))
    if json != "off":
        from igvm.report.encoding import encode

        print_json([encode(report, pretty=json == "pretty")])
    return code


def _require_two(request: LaunchRequest, second_path: str | None) -> None:
    """Refuse what is not two launches.

    Raises:
        UsageError: there is one, or there are more than two.
    """
    if second_path is None and len(request.loaders) != 2:
        raise click.UsageError("it takes two files or two --loader")
    if not 1 <= len(request.loaders) <= 2 or len(request.vcpus) > 1:
        raise click.UsageError("it compares two loaders and one number of --vcpus at most")
