"""House rules that no linter has: `make check` runs the linters themselves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 600
LEFT_FOR_LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SENTENCE_END = re.compile(r"[.!?]\s+[A-Z]")


def python_files(*folders: str) -> list[Path]:
    """Our own Python files under `folders`, as paths from the root; not what was built there."""
    paths = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in paths if not {"target", "__pycache__"} & set(path.parts))


SOURCES = python_files("src")
TESTS = python_files("tests")
each_file = pytest.mark.parametrize("path", SOURCES + TESTS, ids=str)


def read(path: Path) -> str:
    """Text of the file at `path` from the root."""
    return (ROOT / path).read_text(encoding="utf-8")


def is_one_sentence(docstring: str | None) -> bool:
    """Whether `docstring` is one sentence on its own."""
    return bool(
        docstring
        and docstring.endswith(".")
        and "\n\n" not in docstring
        and not SENTENCE_END.search(docstring)
    )


def test_files_are_found() -> None:
    """The rules below look at the files they are meant for."""
    assert Path("src/igvm/_version.py") in SOURCES
    assert Path("tests/test_linters.py") in TESTS


@each_file
def test_starts_with_docstring(path: Path) -> None:
    """A Python file says in its first line what is in it."""
    tree = ast.parse(read(path))
    assert ast.get_docstring(tree), "no docstring"
    assert tree.body[0].lineno == 1, "the docstring is not on line 1"


@each_file
def test_is_not_too_long(path: Path) -> None:
    """A Python file that grows beyond the limit is split by subject."""
    assert len(read(path).splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_nothing_is_left_for_later(path: Path) -> None:
    """The library has no notes about what is still to be done in it."""
    offending = [
        f"{path}:{number}: {line.strip()}"
        for number, line in enumerate(read(path).splitlines(), start=1)
        if LEFT_FOR_LATER.search(line)
    ]
    assert not offending


@pytest.mark.parametrize("path", TESTS, ids=str)
def test_tests_say_what_they_show(path: Path) -> None:
    """The docstring of a test is one sentence."""
    offending = [
        f"{path}:{node.lineno}: {node.name}"
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not is_one_sentence(ast.get_docstring(node))
    ]
    assert not offending
