"""docs/measure.md shows what the command really prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tests.golden_text import is_written_anew

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import Run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measure.md"
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)


def test_output_is_real(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example prints what stands below it; `IGVM_GOLDEN=write pytest` puts it there."""
    monkeypatch.chdir(ROOT)

    def shown(block: re.Match[str]) -> str:
        commands = [line for line in block[0].splitlines() if line.startswith("$ igvm ")]
        assert commands
        return "".join(f"{line}\n{run(*shlex.split(line)[2:]).stdout}" for line in commands)

    text = PAGE.read_text()
    current = CONSOLE.sub(shown, text)
    if is_written_anew():
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
