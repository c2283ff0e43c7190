"""The examples in Python of docs/measure.md print what its text says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measure.md"


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
