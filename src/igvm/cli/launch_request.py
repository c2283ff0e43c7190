"""From the options of a launch to what the library wants to know."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from igvm.cli.launch_input import firmware_loaders
from igvm.cli.verb import is_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.report.launch_settings import LaunchSettings
    from igvm.spec.enums import PlatformType


_SNP_DIGEST_SIZE = 48
_MOST_OF_A_PIPE = 1 << 30
"""Bytes of a kernel or an initrd that is no regular file; a device may have no end."""


class LaunchRequest(NamedTuple):
    """The launches that were asked for."""

    platforms: tuple[PlatformType, ...]
    """None for all of the file."""
    loaders: tuple[str, ...]
    """None for all."""
    vcpus: tuple[int, ...]
    """None where no number was given."""
    settings: LaunchSettings

    @property
    def has_several(self) -> bool:
        """Whether there may be more than one launch of a platform."""
        return len(self.loaders) != 1 or len(self.vcpus) > 1


def launch_request(
    *,
    platform: tuple[PlatformType, ...],
    loader: tuple[str, ...],
    vcpus: tuple[int, ...] | None,
    cpu: str | None,
    sev_features: int | None,
    kernel: str | None,
    initrd: str | None,
    append: str | None,
    realm: Any,
    host: tuple[tuple[str, str], ...] = (),
    firmware: str | tuple[str, ...] | None = None,
    snp_ovmf_hash: bytes | None = None,
) -> LaunchRequest:
    """What the options of a launch ask for.

    Raises:
        UsageError: they do not go together.
        OSError: a file cannot be read.
    """
    from igvm.launch.loader_table import loader_names
    from igvm.launch.request import PlanRequest
    from igvm.report.launch_settings import LaunchSettings

    if firmware:
        loader = firmware_loaders(loader, is_given=is_given("loader"))
    names = () if set(loader) == set(loader_names()) else loader
    hashes = _kernel_hashes(kernel, initrd, append, names)
    if snp_ovmf_hash is not None and len(snp_ovmf_hash) != _SNP_DIGEST_SIZE:
        raise click.UsageError(f"--snp-ovmf-hash has {len(snp_ovmf_hash)} bytes, not 48")
    if snp_ovmf_hash is not None:
        from igvm.spec.enums import PlatformType

        if set(platform) - {PlatformType.SEV_SNP}:
            raise click.UsageError("--snp-ovmf-hash is for SEV_SNP")
        platform = (PlatformType.SEV_SNP,)
    wanted = PlanRequest(
        cpu=cpu,
        sev_features=sev_features,
        hashes=hashes,
        firmware_digest=snp_ovmf_hash,
        host=dict(host),
    )
    settings = LaunchSettings(wanted, realm)
    return LaunchRequest(platform, names, vcpus or (), settings)


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Inside, a request that does not fit the files is an error of usage."""
    from igvm.errors import ValidationError

    try:
        yield
    except ValidationError as error:
        raise click.UsageError(error.message) from None


def _kernel_hashes(
    kernel: str | None, initrd: str | None, append: str | None, names: tuple[str, ...]
) -> KernelHashes | None:
    """The hashes of a kernel that is given to one of the loaders `names`, none meaning all.

    Raises:
        UsageError: there is an initrd or a command line and no kernel, or nothing measures it.
        OSError: a file cannot be read.
    """
    if kernel is None:
        if initrd is not None or append is not None:
            raise click.UsageError("--initrd and --append need --kernel")
        return None
    from igvm.launch.kernel_hashes import KernelHashes
    from igvm.launch.loader_table import loaders

    takers = [loader.name for loader in loaders().values() if loader.takes_hashes]
    if names and not set(takers) & set(names):
        listed = " and ".join(takers)
        raise click.UsageError(f"of all loaders only {listed} measure a --kernel")
    text = append or ""
    if text.startswith("@"):
        text = os.fsdecode(bytes(_read(text[1:]))).rstrip("\n")
    return KernelHashes.of(_read(kernel), _read(initrd) if initrd else b"", text)


def _read(path: str) -> memoryview:
    """The bytes of a file, which may be a pipe.

    Raises:
        OSError: it cannot be read, or has no end.
    """
    from igvm.cli.lost_pages import say_when_pages_are_lost
    from igvm.storage.file_bytes import file_bytes

    say_when_pages_are_lost()
    data = file_bytes(path, lambda _start: _MOST_OF_A_PIPE)
    if data.has_more:
        message = f"more than {_MOST_OF_A_PIPE:,} bytes, and no regular file"
        raise OSError(errno.EFBIG, message, path)
    return data.buffer
