"""Runs the command in this process, on files in a folder of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from igvm.cli.app import app
from tests.small_files import raw
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
        return CliRunner().invoke(
            app, [str(one) for one in arguments], input=stdin, prog_name="igvm"
        )

    return invoke


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with files that are good, bad and none at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.igvm").write_bytes(
        raw.file(raw.platform(1), raw.page(0x1000, 24 + 24 + 32), data=bytes(4096))
    )
    (tmp_path / "pages.igvm").write_bytes(runs_of_pages())
    (tmp_path / "full.igvm").write_bytes(EVERY_HEADER["x64 v1"])
    (tmp_path / "bad.igvm").write_bytes(raw.file(raw.platform(1), checksum=1))
    (tmp_path / "none.igvm").write_bytes(b"nothing that looks like a file")
    return tmp_path
