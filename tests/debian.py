"""Debian packages unpacked for a test, kept in pytest's cache, never installed."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pytest

from examples.firmware import UnavailableError, unpack

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
    target = folder / f"{package}-{suite or 'here'}"
    # Workers of one run take turns; the first does the work.
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not target.exists():
                unpack(package, target, *(settings(folder, suite) if suite else ()))
        except (OSError, UnavailableError) as error:
            missing = f"Debian's package {package} cannot be had: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(missing)
            pytest.skip(missing)
    return target


def mirror() -> str:
    """Where this machine takes its own Debian packages from.

    Raises:
        UnavailableError: it does not say.
    """
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())
    addresses = re.findall(r"^(?:URIs:|deb(?:\s+\[.*?\])?)\s+(\S+)", text, re.MULTILINE)
    for address in addresses:
        if "debian" in address and "security" not in address:
            return str(address)
    raise UnavailableError("apt's sources name no Debian mirror")


def settings(folder: Path, suite: str) -> tuple[str, ...]:
    """What makes apt take packages from `suite` alone."""
    sources = folder / f"{suite}.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    return f"Dir::Etc::SourceList={sources}", "Dir::Etc::SourceParts=/dev/null"
