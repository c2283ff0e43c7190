"""Runs the command on the files of a public report, in a folder of the test's own.

The reports are in shared/reports beside the checkout (or in $IGVM_REPORTS). Each has a `make.py`
that makes its files and computes its digests with hashlib, and a README that names the public
thread it stands for.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from igvm.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Ask = Callable[..., Result]

ROOT = Path(__file__).resolve().parent.parent.parent
REPORTS = Path(os.environ.get("IGVM_REPORTS") or ROOT.parent / "shared" / "reports")


@pytest.fixture
def ask(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """A function that runs `igvm` among the files of the report that the module names `REPORT`."""
    folder = REPORTS / request.module.REPORT
    if not folder.is_dir():
        pytest.skip(f"the reports are not in {REPORTS} (set IGVM_REPORTS to their folder)")
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], prog_name="igvm")

    return invoke
