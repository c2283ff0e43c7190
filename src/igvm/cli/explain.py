"""`igvm explain`: how a launch measurement comes about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from igvm.cli.launch_input import open_input
from igvm.cli.launch_options import EVERY_PAGE, FIRMWARE, REFERENCE_LAUNCH_OPTIONS, SNP_OVMF_HASH
from igvm.cli.launch_request import launch_request, usage_errors
from igvm.cli.messages import complain_of
from igvm.cli.options import JSON, OPTIONAL_FILE
from igvm.cli.streams import print_json, print_lines
from igvm.cli.unused_options import refuse_unused
from igvm.cli.verb import verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from igvm.report.launch_settings import Launch


@verb(
    "explain",
    OPTIONAL_FILE,
    *REFERENCE_LAUNCH_OPTIONS,
    FIRMWARE,
    SNP_OVMF_HASH,
    EVERY_PAGE,
    JSON,
    summary="Show how a launch measurement comes about.",
)
def command(*, path: str | None, every_page: bool, json: str, **launch_options: Any) -> int:
    """Show how a launch measurement comes about: each operation, and the running digest after it.

    Pages of one kind at addresses that follow each other are one line. It takes one --loader and
    one number of --vcpus.
    """
    request = launch_request(**launch_options)
    file = open_input(path, launch_options["firmware"])
    from igvm.errors import IgvmError
    from igvm.measurement.explain import explain
    from igvm.report.launch_settings import launches
    from igvm.report.trace_text import trace_text
    from igvm.report.traces import ExplainReport, trace

    with usage_errors():
        wanted: Sequence[Launch] = launches(
            file, platforms=request.platforms, loaders=request.loaders, vcpus=request.vcpus
        )
    wanted = _one_each(wanted)
    refuse_unused(request, wanted)
    traces = []
    code = 0
    realm = request.settings.realm
    for launch in wanted:
        try:
            plan = request.settings.plan(file, launch)
            if json == "off":
                steps = explain(plan, realm=realm, every_page=every_page)
                print_lines(trace_text(plan, steps, realm=realm))
            else:
                traces.append(trace(plan, realm=realm, every_page=every_page))
        except IgvmError as error:
            code = max(code, complain_of(error, f"{launch.platform.name}: {error}"))
    if json != "off":
        from igvm.report.encoding import encode
        from igvm.report.file_model import FileModel

        model = FileModel.of_firmware if launch_options["firmware"] else FileModel.of

        report = ExplainReport(file=model(file), traces=traces)
        print_json([encode(report, pretty=json == "pretty")])
    return code


def _one_each(wanted: Sequence[Launch]) -> Sequence[Launch]:
    """One launch for each platform that is measured.

    Raises:
        UsageError: there are several, or none.
    """
    from igvm.measurement.technology_table import technologies

    measured = [launch for launch in wanted if launch.platform in technologies()]
    if not measured:
        raise click.UsageError("no platform of the file has a launch measurement")
    if len({launch.platform for launch in measured}) < len(measured):
        raise click.UsageError("it takes one --loader and one number of --vcpus")
    return measured
