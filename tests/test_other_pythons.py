"""The script that runs the tests on other Pythons finds them, and the lowest versions."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Any:
    """The script, as a module."""
    path = request.config.rootpath / "scripts" / "other_pythons.py"
    spec = importlib.util.spec_from_file_location("other_pythons", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_requirement_has_a_lowest_version(
    script: Any, request: pytest.FixtureRequest
) -> None:
    """Whatever igvm and its tests need is tried at the version that pyproject.toml names."""
    text = (request.config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    needed = project["project"]["dependencies"] + project["dependency-groups"]["test"]
    assert [requirement.replace(">=", "==") for requirement in needed] == script.lower_bounds()


def test_first_python(script: Any) -> None:
    """The lowest versions are tried on the first Python that is allowed."""
    assert (3, 11) == script.least_version()


def test_an_interpreter_is_known_by_running_it(script: Any, tmp_path: Path) -> None:
    """A name says nothing: what runs says its version, and what does not run is none."""
    fake = tmp_path / "python3.99"
    fake.write_text("#!/bin/sh\nexit 127\n")
    fake.chmod(0o755)
    assert script.identity_of(fake) is None
    assert script.identity_of(tmp_path / "python3.98") is None
    assert (sys.version_info[:2], sys.executable) == script.identity_of(sys.executable)


def test_where_pyenv_keeps_its_versions(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that is only in pyenv's folder is found."""
    folder = tmp_path / "versions" / "3.x" / "bin"
    folder.mkdir(parents=True)
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (folder / own).symlink_to(sys.executable)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [sys.version_info[:2]] == list(script.interpreters())
