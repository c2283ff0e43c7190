"""`igvm find`: what leads to a digest that hardware reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from igvm.cli.launch_input import open_firmware_input
from igvm.cli.launch_options import (
    CPU,
    DIGEST,
    FIRMWARE,
    HOST,
    KERNEL,
    LAUNCH_OPTIONS,
    LOADER,
    PLATFORM,
    SEV_FEATURES,
    SNP_OVMF_HASH,
    VCPUS,
)
from igvm.cli.launch_request import launch_request
from igvm.cli.messages import FOUND, UNREADABLE, USAGE, complain, complain_of, os_message
from igvm.cli.options import JSON, OPTIONAL_FILES
from igvm.cli.streams import open_and_say, print_json, print_lines, progress_bar
from igvm.cli.unused_options import refuse_unsearched
from igvm.cli.verb import verb

if TYPE_CHECKING:
    from igvm.cli.launch_request import LaunchRequest
    from igvm.file.view import IgvmFile
    from igvm.measurement.search.find import Match, Search
    from igvm.report.searches import FileSearch
    from igvm.spec.enums import PlatformType


@verb(
    "find",
    DIGEST,
    OPTIONAL_FILES,
    *LAUNCH_OPTIONS,
    FIRMWARE._replace(
        help="Firmware such as OVMF.fd that QEMU is given by -bios, searched like a FILE; its "
        "loader is qemu-bios.",
        multiple=True,
    ),
    SNP_OVMF_HASH,
    JSON,
    summary="Search files for what leads to a digest.",
)
def command(*, digest: bytes, paths: tuple[str, ...], json: str, **launch_options: Any) -> int:
    """Search files for what leads to a digest from an attestation report.

    Tried are all loaders and what hosts vary, with 1 to 64 vCPUs, every known processor and the
    SEV_FEATURES that hosts turn on, the likeliest first; what an option says is not varied. Exits
    with 1 if nothing is found in any file, and with 3 if a file cannot be read or none has digests
    of this size.
    """
    firmware: tuple[str, ...] = launch_options.pop("firmware")
    if not paths and not firmware:
        raise click.UsageError("Missing argument 'FILE...', or --firmware")
    requests = {
        opened: launch_request(**launch_options, firmware=given)
        for opened, given, wanted in (
            (open_and_say, (), paths),
            (open_firmware_input, firmware, firmware),
        )
        if wanted
    }
    from igvm.errors import IgvmError, ValidationError
    from igvm.report.encoding import encode
    from igvm.report.names_and_numbers import file_name
    from igvm.report.refusal import Refusal
    from igvm.report.search_text import search_text
    from igvm.report.searches import FileSearch, FindReport

    files: list[FileSearch] = []
    searched: set[PlatformType] = set()
    has_unreadable, refused_code = False, 0
    inputs = [(path, open_and_say) for path in paths]
    inputs += [(path, open_firmware_input) for path in firmware]
    for path, opened in inputs:
        file = search = refusal = None
        try:
            file = opened(path)
            searched |= _platforms(file, digest, requests[opened])
            if len(inputs) == 1:
                refuse_unsearched(requests[opened], searched)
            search = _search(file, digest, requests[opened])
        except IgvmError as error:
            message = str(error) if error.path else f"{path}: {error}"
            code = complain_of(error, message)
            # A platform that the file is not for is a matter of what was asked.
            refused_code = max(refused_code, USAGE if isinstance(error, ValidationError) else code)
            has_unreadable |= file is None
            refusal = Refusal.of(error)
        except OSError as error:
            complain(os_message(error))
            has_unreadable = True
            refusal = Refusal(message=error.strerror or str(error))
        name = file_name(path if file is None else file.path)
        files.append(FileSearch(name=name, search=search, refusal=refusal))
        if search is not None and json == "off":
            title = name if len(inputs) > 1 else None
            print_lines(search_text(search, _options, title, _usage))
    refuse_unsearched(next(iter(requests.values())), searched)
    if json != "off":
        print_json([encode(FindReport(digest=digest, files=files), pretty=json == "pretty")])
    searches = [each.search for each in files if each.search is not None]
    if has_unreadable:
        return UNREADABLE
    if not searches:
        return refused_code
    return 0 if any(search.matches for search in searches) else FOUND


def _platforms(file: IgvmFile, digest: bytes, request: LaunchRequest) -> set[PlatformType]:
    """The platforms of one file that are searched for `digest`.

    Raises:
        ValidationError: the file is not for a platform that was asked for.
    """
    from igvm.measurement.search.find import fitting_platforms
    from igvm.report.launch_settings import platforms_of

    return set(fitting_platforms(digest, platforms_of(file, request.platforms)))


def _search(file: IgvmFile, digest: bytes, request: LaunchRequest) -> Search:
    """What leads to `digest` in one file, with a bar on a terminal meanwhile.

    Raises:
        IgvmError: the file cannot be searched.
    """
    from igvm.report.searches import search_file

    with progress_bar("searching") as progress:
        return search_file(
            file,
            digest,
            platforms=request.platforms,
            loaders=request.loaders,
            vcpus=request.vcpus,
            settings=request.settings,
            progress=progress,
        )


def _options(match: Match) -> list[str]:
    """How `igvm measure` is told what leads to the digest."""
    values = {
        PLATFORM: match.platform.name,
        LOADER: match.loader,
        VCPUS: match.vcpus,
        CPU: match.cpu,
        SEV_FEATURES: None if match.sev_features is None else f"{match.sev_features:#x}",
        KERNEL: "..." if match.hashes else None,
    }
    options = [
        f"{option.flags[0]} {value}" for option, value in values.items() if value is not None
    ]
    return [*options, *(f"{HOST.flags[0]} {axis}={value}" for axis, value in match.host.items())]


def _usage(parameter: str) -> str | None:
    """The option that says what a search did not try."""
    name = {"names": "loader"}.get(parameter, parameter)
    known = {option.name: option for option in LAUNCH_OPTIONS}
    option = known.get({"hashes": "kernel"}.get(name, name))
    return None if option is None else option.flags[0]
