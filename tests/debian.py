"""Debian packages unpacked for a test, kept in pytest's cache, never installed."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from examples.firmware import UnavailableError, unpack

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def unpacked(cache: pytest.Cache, package: str, *, suite: str | None = None) -> Path:
    """The folder with the files of `package`, as if it were the root of a machine.

    What cannot be had is skipped with the reason; with `CI=true` it fails.

    Args:
        cache: pytest's, which keeps the files for the next run.
        package: its name.
        suite: of Debian, such as `forky`; by default whatever this machine has packages from.
    """
    folder = cache.mkdir("debian")
    found = folder / f"{package}-{suite or 'here'}"
    # Workers of one run take turns; the first does the work.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not found.exists():
                unpack(package, found, *(settings(folder, suite) if suite else ()))
        except (OSError, UnavailableError) as error:
            missing = f"Debian's package {package} cannot be had: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(missing)
            pytest.skip(missing)
    return found


def settings(folder: Path, suite: str) -> tuple[str, ...]:
    """What makes apt take packages from `suite` alone."""
    sources = folder / f"{suite}.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    return f"Dir::Etc::SourceList={sources}", "Dir::Etc::SourceParts=/dev/null"
