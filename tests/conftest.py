"""Fixtures for what lies outside the tests: the corpus of real files and the reference program.

A test that takes `corpus`, `corpus_file` or `oracle` gets the marker of that name, and one that
takes a path of Debian's firmware the marker `firmware`, so that `-m "not oracle"` works without
saying it twice. What is missing is skipped, and the reasons are
counted at the end of the run. With `CI=true` a missing reference program fails instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oracle.client import Oracle

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("IGVM_CORPUS") or ROOT.parent / "shared" / "corpus")
VECTORS = Path(os.environ.get("IGVM_VECTORS") or ROOT.parent / "shared" / "vectors")
VECTORS_MISSING = f"the runs of other programs are not in {VECTORS} (set IGVM_VECTORS)"
CORPUS_MISSING = f"the corpus of real files is not in {CORPUS} (set IGVM_CORPUS to its folder)"

# A busy machine is not a failure, and an example that failed elsewhere must be repeatable here.
hypothesis.settings.register_profile("igvm", deadline=None, print_blob=True)
hypothesis.settings.load_profile("igvm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they take."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "corpus" in fixtures or "corpus_file" in fixtures:
            item.add_marker("corpus")
        if "oracle" in fixtures:
            item.add_marker("oracle")
        if "firmware_path" in fixtures or "hashing_path" in fixtures:
            item.add_marker("firmware")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `corpus_file` once for each file that its corpus marker names.

    The marker holds glob patterns from the root of the corpus, such as `shapes/*.igvm`; without
    one it is every file.
    """
    if "corpus_file" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("corpus")
    patterns = (marker.args if marker else ()) or ("**/*.igvm",)
    paths = sorted({path for pattern in patterns for path in CORPUS.glob(pattern)})
    if CORPUS.is_dir() and not paths:
        raise pytest.UsageError(f"{metafunc.definition.nodeid}: no file matches {patterns}")
    metafunc.parametrize(
        "corpus_file",
        [pytest.param(path, id=path.relative_to(CORPUS).as_posix()) for path in paths]
        or [pytest.param(CORPUS, marks=pytest.mark.skip(CORPUS_MISSING), id="missing")],
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each reason how many tests were skipped for it."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", ()):
        match report.longrepr:
            case (_, _, str(reason)):
                reasons[reason.removeprefix("Skipped: ")] += 1
            case other:
                reasons[str(other)] += 1
    if reasons:
        terminalreporter.section("skipped", sep="-")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} x {reason}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder of the corpus of real files."""
    if not CORPUS.is_dir():
        pytest.skip(CORPUS_MISSING)
    return CORPUS


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of what other programs did with files, a folder a program."""
    if not VECTORS.is_dir():
        pytest.skip(VECTORS_MISSING)
    return VECTORS


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The reference implementation, built when it is not yet, and answering."""
    from tests.oracle.client import Oracle, OracleUnavailable

    with contextlib.ExitStack() as stack:
        try:
            if Oracle.find() is None or shutil.which("cargo"):
                Oracle.build()
            running = stack.enter_context(Oracle())
        except OracleUnavailable as error:
            missing = f"there is no reference program to ask: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(missing)
            pytest.skip(missing)
        yield running
