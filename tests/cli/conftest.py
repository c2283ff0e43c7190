"""Runs the command in this process, on files in a folder of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from igvm.cli.app import app
from tests.small_files import built_guests, raw
from tests.small_files.samples import EVERY_HEADER, runs_of_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """A function that runs `igvm` with its arguments."""

    def invoke(*arguments: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], input=stdin, prog_name="igvm")

    return invoke


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with files that are good, bad and none at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.igvm").write_bytes(
        raw.file(raw.platform(1), raw.page(0x1000, raw.at(0)), data=bytes(4096))
    )
    (tmp_path / "pages.igvm").write_bytes(runs_of_pages())
    (tmp_path / "full.igvm").write_bytes(EVERY_HEADER["x64 v1"])
    (tmp_path / "bad.igvm").write_bytes(raw.file(raw.platform(1), checksum=1))
    (tmp_path / "none.igvm").write_bytes(b"nothing that looks like a file")
    return tmp_path


@pytest.fixture
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with guests to launch and a kernel for them."""
    files = {
        "hello": built_guests.hello_guest(),
        "guest": built_guests.snp_tdx_guest(),
        "other": built_guests.snp_tdx_guest(byte=2),
        "two": built_guests.two_vcpu_guest(),
        "realm": built_guests.realm(),
    }
    for name, file in files.items():
        file.save(tmp_path / f"{name}.igvm")
    (tmp_path / "kernel").write_bytes(b"kernel")
    (tmp_path / "cmdline").write_text("console=ttyS0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
