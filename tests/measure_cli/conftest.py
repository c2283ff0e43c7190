"""The command and files for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.measure_cli.small import Command, guest, hello_file, realm, two_vcpus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Command:
    """`igvm`."""
    return Command(capfd)


@pytest.fixture
def measure(capfd: pytest.CaptureFixture[str]) -> Command:
    """`igvm measure`."""
    return Command(capfd, "measure")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with hello, guest, other, two and realm."""
    made = {
        "hello": hello_file(),
        "guest": guest(),
        "other": guest(byte=2),
        "two": two_vcpus(),
        "realm": realm(),
    }
    for name, file in made.items():
        file.save(tmp_path / f"{name}.igvm")
    (tmp_path / "kernel").write_bytes(b"kernel")
    (tmp_path / "cmdline").write_text("console=ttyS0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
