"""Finds an OVMF image to try things on, and says where it comes from.

`FIRMWARE` in the environment, the machine's own, or Debian's: the package is downloaded and
unpacked under build/, never installed, which needs apt but neither root nor changes to its lists.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import UUID

HERE = Path(__file__).parent
SAMPLE = HERE / "hello.igvm"
UNPACKED = HERE.parent / "build" / "ovmf"

# Where distributions have it; the first built for SEV-SNP is taken.
PLACES = (
    "usr/share/ovmf/OVMF.amdsev.fd",
    "usr/share/OVMF/*amdsev*.fd",
    "usr/share/edk2/ovmf/OVMF.amdsev.fd",
    "usr/share/ovmf/OVMF.fd",
    "usr/share/edk2/*/OVMF.fd",
    "usr/share/edk2/*/OVMF_CODE*.fd",
    "usr/share/edk2-ovmf/*/OVMF_CODE*.fd",
    "usr/share/OVMF/OVMF_CODE*.fd",
    "usr/share/qemu/ovmf-x86_64*.bin",
)
SEV_METADATA = UUID("dc886566-984a-4798-a75e-5585a7bf67cc").bytes_le
SECONDS = 60
QUICK = ("Acquire::Retries=0", "Acquire::http::Timeout=5", "Acquire::https::Timeout=5",
         "Acquire::Languages=none", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
         "APT::Sandbox::User=")  # fmt: skip


class UnavailableError(Exception):
    """The package cannot be had; the message says why."""


def find(named: str | None = None) -> tuple[Path, str]:
    """A firmware image and where it comes from, or our sample file where there is none.

    Args:
        named: its path, instead of looking for one.
    """
    named = named or os.environ.get("FIRMWARE")
    if named:
        return Path(named), "the firmware you named"
    image = image_below(Path("/"))
    if image:
        return image, "this machine's firmware"
    try:
        if not UNPACKED.exists():
            unpack("ovmf", UNPACKED)
    except (OSError, UnavailableError) as error:
        return SAMPLE, f"our sample, for no firmware is here and none can be had: {error}"
    image = image_below(UNPACKED)
    if image:
        return image, "Debian's ovmf package, unpacked and not installed"
    return SAMPLE, "our sample, for no image of the ovmf package was built for SEV-SNP"


def image_below(root: Path) -> Path | None:
    """The first image in PLACES under `root` that was built for SEV-SNP."""
    for pattern in PLACES:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and SEV_METADATA in path.read_bytes()[-0x1000:]:
                return path
    return None


def unpack(package: str, folder: Path, *settings: str) -> None:
    """Download a Debian package with apt and unpack it into `folder`, which must not exist.

    apt's lists are taken as they are, and where that fails fetched anew into a folder of our own.

    Args:
        package: its name.
        folder: appears only when all went well.
        settings: more of apt's, `KEY=VALUE`.

    Raises:
        UnavailableError: there is no apt, no such package, or no network.
    """
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise UnavailableError("there is no apt")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        for needed in "lists/partial", "cache/archives/partial", "root":
            (work / needed).mkdir(parents=True)
        own = [*QUICK, f"Dir::Cache={work}/cache", *settings]
        if run(work, "apt-get", own, "download", package):
            own.append(f"Dir::State::lists={work}/lists")
            # One source that fails is no reason to give up, but says best why the download fails.
            stale = run(work, "apt-get", [*own, "APT::Update::Error-Mode=any"], "update")
            trouble = run(work, "apt-get", own, "download", package)
            if trouble:
                raise UnavailableError(stale or trouble)
        trouble = run(work, "dpkg", [], "-x", str(next(work.glob("*.deb"))), "root")
        if trouble:
            raise UnavailableError(trouble)
        (work / "root").rename(folder)


def run(folder: Path, program: str, settings: list[str], *arguments: str) -> str | None:
    """Run a program; what went wrong, in one line, or None."""
    options = [part for setting in settings for part in ("-o", setting)]
    try:
        done = subprocess.run(
            [program, *options, *arguments],
            cwd=folder, capture_output=True, check=False, text=True, timeout=SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = done.stderr.splitlines() or [f"{program} {arguments[0]} failed"]
    return next((line for line in lines if "Failed to fetch" in line), lines[-1])


if __name__ == "__main__":
    print(*find(*sys.argv[1:2]), sep="\n")
