"""`igvm measure`: the digest that hardware will report."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import click

from igvm.cli.launch_input import open_input
from igvm.cli.launch_options import (
    BARE,
    DUMP_VMSA,
    ENCODING,
    EXPECT,
    FIRMWARE,
    IGNORE_ID_BLOCK,
    PRINT_SNP_OVMF_HASH,
    REFERENCE_LAUNCH_OPTIONS,
    SNP_OVMF_HASH,
)
from igvm.cli.launch_request import launch_request, usage_errors
from igvm.cli.messages import FOUND, advice, complain, exit_code
from igvm.cli.options import FORCE, JSON, OPTIONAL_FILE
from igvm.cli.streams import print_json, print_lines
from igvm.cli.unused_options import refuse_unused
from igvm.cli.verb import is_given, verb
from igvm.cli.vmsa_files import dump_vmsas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from igvm.cli.launch_request import LaunchRequest
    from igvm.file.view import IgvmFile
    from igvm.report.measurements import MeasureResult
    from igvm.report.refusal import Refusal


@verb(
    "measure",
    OPTIONAL_FILE,
    *REFERENCE_LAUNCH_OPTIONS,
    FIRMWARE,
    SNP_OVMF_HASH,
    BARE,
    ENCODING,
    PRINT_SNP_OVMF_HASH,
    DUMP_VMSA,
    FORCE._replace(help="Replace files that --dump-vmsa would write over."),
    EXPECT,
    IGNORE_ID_BLOCK,
    JSON,
    summary="Tell the launch measurement of every platform.",
)
def command(
    *,
    path: str | None,
    bare: bool,
    encoding: str,
    print_snp_ovmf_hash: bool,
    dump_vmsa: str | None,
    force: bool,
    expect: bytes | None,
    ignore_id_block: bool,
    json: str,
    **launch_options: Any,
) -> int:
    """Tell the launch measurement of every platform: the digest that hardware will report.

    The digest depends on who loads the file, and with some loaders on the number of vCPUs:
    several of either give a table. With --firmware there is no file: it is what QEMU measures of
    firmware that it is given by -bios. Exits with 1 if --expect names another digest, if an ID
    block of the file is for a digest that no loader or tool leads to, and if the loader refuses to
    read the file. `igvm explain` shows how a digest comes about, `igvm find` what leads to another.
    """
    if bare and expect is not None:
        raise click.UsageError("--bare and --expect do not go together")
    if bare and json != "off":
        raise click.UsageError("--bare and --json do not go together")
    if is_given("encoding") and not bare:
        raise click.UsageError("--encoding is for --bare")
    if force and dump_vmsa is None:
        raise click.UsageError("--force is for --dump-vmsa")
    request = launch_request(**launch_options)
    file = open_input(path, launch_options["firmware"])
    if print_snp_ovmf_hash:
        _print_firmware_digest(file, request, encoding)
        return 0
    from igvm.measurement.page_cache import ContentCache
    from igvm.report.endorsed_text import foreign_text
    from igvm.report.launch_settings import launches
    from igvm.report.measurements import (
        Expected,
        MeasureReport,
        endorsed_launches,
        measure_launches,
    )

    with usage_errors():
        wanted = launches(
            file, platforms=request.platforms, loaders=request.loaders, vcpus=request.vcpus
        )
    refuse_unused(request, wanted)
    contents = ContentCache(file)
    results = measure_launches(file, wanted, request.settings, contents)
    measured = [result.measurement for result in results if result.measurement is not None]
    code = 0
    if dump_vmsa is not None:
        dump_vmsas(file, wanted, request.settings, dump_vmsa, overwrite=force)
    if not (request.has_several and measured):  # where a table has an empty cell, it says why
        for result in results:
            if result.refusal is not None and result.name is not None:
                where = f"{file.path or '-'}: {result.platform.name}"
                complain(f"{where}: {result.refusal.message}", _advice(result.refusal))
                code = max(code, exit_code(result.refusal.missing))
    endorsed = endorsed_launches(file, results, request.settings, contents)
    foreign = list(foreign_text(endorsed))
    rejected = {result.rejection for result in results if result.rejection is not None}
    if rejected or (foreign and not ignore_id_block):
        code = code or FOUND
    if bare or expect is not None:
        for words in [*(str(finding) for finding in rejected), *foreign]:
            complain(f"{file.path or '-'}: {words}")
    expected = None
    if expect is not None:
        matches = any(measurement.digest == expect for measurement in measured)
        expected = Expected(digest=expect, matches=matches)
        code = code or (0 if matches else FOUND)
    if bare:
        if code and not measured:
            return code
        for words in _bare_lines(results, encoding):
            click.echo(words)
        return code
    if json != "off":
        from igvm.report.encoding import encode
        from igvm.report.file_model import FileModel

        model = FileModel.of_firmware if launch_options["firmware"] else FileModel.of

        report = MeasureReport(
            file=model(file), results=results, endorsed=endorsed, expected=expected
        )
        print_json([encode(report, pretty=json == "pretty")])
        return code
    from igvm.report.hypervisors_text import hypervisors_text
    from igvm.report.measurement_text import blocks_text, expected_text, table_text

    if expected is not None:
        print_lines(
            expected_text(
                expected, results, f"igvm find HEX {_input_words(path, launch_options['firmware'])}"
            )
        )
    elif request.has_several:
        print_lines([*table_text(results, _advice, endorsed), *hypervisors_text(results)])
    else:
        shown = [result for result in results if result.measurement or result.name is None]
        print_lines([*blocks_text(shown, endorsed), *hypervisors_text(results)])
    return code


def _bare_lines(results: Sequence[MeasureResult], encoding: str) -> Iterator[str]:
    """The digest alone where one was asked for, else a line of words for each.

    Those are the platform, the loader, the digest and, where several numbers of vCPUs were given,
    the number.
    """
    asked = [result for result in results if result.name is not None]
    has_counts = len({result.vcpus for result in asked}) > 1
    for result in asked:
        if result.measurement is None:
            continue
        digest = _encoded(result.measurement.digest, encoding)
        if len(asked) == 1:
            yield digest
        else:
            count = f" {result.vcpus}" if has_counts else ""
            yield f"{result.platform.name} {result.loader} {digest}{count}"


def _encoded(digest: bytes, encoding: str) -> str:
    """A digest as text."""
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _input_words(path: str | None, firmware: str | None) -> str:
    """What was measured, as the command line says it."""
    return path if path is not None else f"--firmware {firmware}"


def _print_firmware_digest(file: IgvmFile, request: LaunchRequest, encoding: str) -> None:
    """Print the SEV-SNP digest after the firmware's pages.

    Raises:
        UsageError: there is no firmware.
    """
    from igvm.measurement.firmware_digest import firmware_digest

    if any(request.vcpus) or request.settings.request != type(request.settings.request)():
        message = "--print-snp-ovmf-hash depends on the firmware alone, and takes no option of a"
        raise click.UsageError(f"{message} launch")
    with usage_errors():
        click.echo(_encoded(firmware_digest(file), encoding))


def _advice(refusal: Refusal) -> str | None:
    return advice(refusal.hint, refusal.missing)
