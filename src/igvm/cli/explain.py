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
    from collections.abc import Iterator, Sequence

    from igvm.cli.launch_request import LaunchRequest
    from igvm.errors import IgvmError
    from igvm.file.view import IgvmFile
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
    from igvm.report.launch_settings import launches

    with usage_errors():
        wanted: Sequence[Launch] = launches(
            file, platforms=request.platforms, loaders=request.loaders, vcpus=request.vcpus
        )
    wanted = _one_each(wanted)
    refuse_unused(request, wanted)
    explained = _Explained(file, request, every_page=every_page)
    if json == "off":
        for launch in wanted:
            explained.show(launch)
        return explained.code
    from igvm.report.encoding import encode_streamed
    from igvm.report.file_model import FileModel
    from igvm.report.traces import ExplainReport

    model = FileModel.of_firmware if launch_options["firmware"] else FileModel.of
    frame = ExplainReport(file=model(file), traces=[])
    pretty = json == "pretty"
    traces = explained.traces(wanted, pretty=pretty)
    print_json(encode_streamed(frame, traces, pretty=pretty))
    return explained.code


class _Explained:
    """The launches of a file, explained one after the other; what cannot be is complained of."""

    def __init__(self, file: IgvmFile, request: LaunchRequest, *, every_page: bool) -> None:
        self._file, self._request, self._every_page = file, request, every_page
        self.code = 0

    def show(self, launch: Launch) -> None:
        """Print the trace of one launch."""
        from igvm.errors import IgvmError
        from igvm.measurement.explain import explain
        from igvm.report.trace_text import trace_text

        realm = self._request.settings.realm
        try:
            plan = self._request.settings.plan(self._file, launch)
            steps = explain(plan, realm=realm, every_page=self._every_page)
            print_lines(trace_text(plan, steps, realm=realm))
        except IgvmError as error:
            self._complain(launch, error)

    def traces(self, wanted: Sequence[Launch], *, pretty: bool) -> Iterator[Iterator[bytes]]:
        """The JSON of each trace."""
        from igvm.errors import IgvmError
        from igvm.report.traces import encode_trace

        for launch in wanted:
            try:
                plan = self._request.settings.plan(self._file, launch)
                pieces = encode_trace(
                    plan,
                    realm=self._request.settings.realm,
                    every_page=self._every_page,
                    pretty=pretty,
                )
            except IgvmError as error:
                self._complain(launch, error)
            else:
                yield pieces

    def _complain(self, launch: Launch, error: IgvmError) -> None:
        self.code = max(self.code, complain_of(error, f"{launch.platform.name}: {error}"))


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
