"""Real OVMF images, from Debian's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.debian import unpacked

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = {
    "OVMF.fd": ("ovmf", None),
    "OVMF.amdsev.fd": ("ovmf-amdsev", "forky"),
}
"""Where an image comes from: its package, and the suite of Debian where not this machine's."""


def image(request: pytest.FixtureRequest, name: str) -> Path:
    """The image of that name in IMAGES."""
    package, suite = IMAGES[name]
    return unpacked(request.config.cache, package, suite=suite) / "usr/share/ovmf" / name


@pytest.fixture(scope="session", params=IMAGES)
def firmware_path(request: pytest.FixtureRequest) -> Path:
    """Each image, all of which were built for SEV-SNP."""
    return image(request, request.param)


@pytest.fixture(scope="session")
def hashing_path(request: pytest.FixtureRequest) -> Path:
    """The image that has a place for the hashes of kernel, initrd and command line."""
    return image(request, "OVMF.amdsev.fd")
