"""Searches for a digest in files: what leads to it in each, or why that was not searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.errors import ValidationError
from igvm.measurement.search.find import ANY_VCPUS, Search, digest_sizes, find
from igvm.measurement.technology_table import has_vmsas, technology_of
from igvm.report.launch_settings import LaunchSettings, platforms_of
from igvm.report.refusal import Refusal  # noqa: TC001 - msgspec reads annotations

if TYPE_CHECKING:
    from collections.abc import Collection

    from igvm.file.view import IgvmFile
    from igvm.measurement.search.find import Progress
    from igvm.spec.enums import PlatformType

NO_SETTINGS = LaunchSettings()


class FileSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found in one file, or why that was not searched."""

    name: str | None
    """The file as it was given; null for bytes that have no name."""
    search: Search | None = None
    refusal: Refusal | None = None


class FindReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm find --json` prints."""

    schema: Literal["igvm.find/1"] = "igvm.find/1"
    digest: bytes
    files: list[FileSearch]


def search_file(
    file: IgvmFile,
    digest: bytes,
    *,
    platforms: Collection[PlatformType] = (),
    loaders: Collection[str] = (),
    vcpus: Collection[int] = (),
    settings: LaunchSettings = NO_SETTINGS,
    progress: Progress | None = None,
) -> Search:
    """What leads to `digest` in `file`.

    Args:
        file: an open file.
        digest: what an attestation report says.
        platforms: where to search; none for all of the file.
        loaders: their names; none for all.
        vcpus: numbers of vCPUs to try; none for 1 to 64.
        settings: what is known of the launch.
        progress: is called now and then.

    Raises:
        ValidationError: the file is not for one of `platforms`, or no digest of them depends on
            what is given.
        MeasurementError: no platform has digests of this size, there are too many vCPUs, or only
            Realms could be searched and `settings` has no realm.
    """
    wanted = platforms_of(file, platforms)
    fitting = [each for each in wanted if len(digest) in digest_sizes(each)]
    if settings.realm is None:  # else it is told that this is missing
        fitting = [each for each in fitting if "realm" not in technology_of(each).parameters]
    if vcpus and fitting and not any(map(has_vmsas, fitting)):
        names = ", ".join(platform.name for platform in fitting)
        message = f"a digest of {names} does not depend on the number of vCPUs"
        raise ValidationError(message, path=file.path)
    return find(
        file,
        digest,
        platforms=wanted,
        names=loaders or None,
        vcpus=vcpus or ANY_VCPUS,
        cpu=settings.request.cpu,
        sev_features=settings.request.sev_features,
        hashes=settings.request.hashes,
        firmware_digest=settings.request.firmware_digest,
        realm=settings.realm,
        progress=progress,
    )
