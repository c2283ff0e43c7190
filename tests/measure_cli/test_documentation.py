"""docs/measure.md shows what the command really prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from tests.measure_cli.small import Command

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measure.md"
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def test_output_is_real(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example prints what stands below it; `GOLDEN=write pytest` puts it there."""
    monkeypatch.chdir(ROOT)

    def shown(block: re.Match[str]) -> str:
        commands = [line for line in block[0].splitlines() if line.startswith("$ igvm ")]
        assert commands
        return "".join(f"{line}\n{run(*shlex.split(line)[2:]).out}" for line in commands)

    text = PAGE.read_text()
    current = CONSOLE.sub(shown, text)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(current)
    assert current == text


def test_examples_in_python(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python examples run, and the first finds the loader that it started with."""
    monkeypatch.chdir(ROOT)
    first, *others = re.findall(r"(?s)^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE)
    exec(compile(first, str(PAGE), "exec"), {})
    assert "\nqemu-kvm 1 ()\n" in capsys.readouterr().out
    for source in others:
        exec(compile(source, str(PAGE), "exec"), {})
        assert [96, 64] == [len(line) for line in capsys.readouterr().out.split()]
