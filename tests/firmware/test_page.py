"""The section of docs/measure.md on firmware shows what the command really prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from igvm.cli.app import app
from tests.firmware.images import real_firmware
from tests.golden_text import is_written_anew

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "measure.md"
SESSION = re.compile(r"(?<=^```shell-session\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def test_output_is_real(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example prints what stands below it; `IGVM_GOLDEN=write pytest` puts it there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "OVMF.fd").write_bytes(real_firmware(corpus))
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    (tmp_path / "initrd").write_bytes(b"initrd")

    def shown(block: re.Match[str]) -> str:
        commands = [line for line in block[0].splitlines() if line.startswith("$ igvm ")]
        assert commands
        runs = (CliRunner().invoke(app, shlex.split(line)[2:]) for line in commands)
        return "".join(
            f"{line}\n{run.stdout}" for line, run in zip(commands, runs, strict=True)
        )  # fmt: skip

    text = PAGE.read_text()
    current = SESSION.sub(shown, text)
    if is_written_anew():
        PAGE.write_text(current)
    assert current == text
