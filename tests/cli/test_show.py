"""`igvm info` and `igvm dump`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.golden_text import without_digests
from tests.small_files.samples import EVERY_HEADER, versioned

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("folder")


def test_info(run: Run) -> None:
    """The summary goes to standard output, and nothing to standard error."""
    result = run("info", "good.igvm")
    assert result.stdout.startswith("good.igvm\nfile        4,176 bytes, version 1, X64,")
    assert ("", 0) == (result.stderr, result.exit_code)


def test_info_of_standard_input(run: Run) -> None:
    """A dash is standard input."""
    result = run("info", "-", stdin=EVERY_HEADER["arm"])
    assert result.stdout.startswith("<stdin>\n")
    assert 0 == result.exit_code


@pytest.mark.parametrize("verb", ["info", "dump", "check"])
@pytest.mark.parametrize(
    ("pretty", "arguments"),
    [
        (True, ["--json", "good.igvm"]),
        (True, ["good.igvm", "--json"]),
        (True, ["--json=pretty", "good.igvm"]),
        (True, ["--json", "--", "good.igvm"]),
        (False, ["--json=short", "good.igvm"]),
        (False, ["--json", "short", "good.igvm"]),
        (False, ["good.igvm", "--json", "short"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_json(run: Run, verb: str, arguments: list[str], *, pretty: bool) -> None:
    """JSON is indented unless short is asked for, wherever the option stands."""
    result = run(verb, *arguments)
    assert ("", 0) == (result.stderr, result.exit_code)
    assert f"igvm.{verb}/1" == json.loads(result.stdout)["schema"]
    assert pretty == (result.stdout.count("\n") > 1)


def test_json_off(run: Run) -> None:
    """Off is text."""
    assert run("info", "--json=off", "good.igvm").stdout == run("info", "good.igvm").stdout


def test_the_file_may_be_called_as_an_option(run: Run, folder: Path) -> None:
    """After two dashes everything is a file."""
    (folder / "--json").write_bytes(EVERY_HEADER["arm"])
    assert run("info", "--", "--json").stdout.startswith("--json\n")


def entries(run: Run, *arguments: str) -> list[tuple[int, int]]:
    """Position and count of each entry of a dump."""
    result = run("dump", "--json=short", *arguments)
    assert 0 == result.exit_code, result.stderr
    return [
        (entry["index"], entry.get("count", 1)) for entry in json.loads(result.stdout)["headers"]
    ]


@pytest.mark.parametrize(
    ("wanted", "arguments"),
    [
        ([(0, 1), (1, 5), (6, 5), (11, 5), (16, 1)], []),
        ([(0, 1)], ["--section", "platform"]),
        ([(0, 1)], ["--type", "supported-platform"]),
        ([(16, 1)], ["--type", "0x302", "--index", "16:"]),
        ([(2, 2)], ["--index", "2:4"]),
        ([(2, 1), (4, 1)], ["--index", "2", "--index", "0x4"]),
        ([(0, 1), (1, 2)], ["--index", ":3"]),
        ([(1, 1)], ["--address", "0xfff"]),
        ([(1, 5)], ["--address", "0:0x5000"]),
        ([(16, 1)], ["--address", "0x200000:", "--index", "16"]),
        ([(i, 1) for i in range(6)], ["--no-join", "--index", ":6"]),
        ([(i, 1) for i in range(6)], ["--raw", "--index", ":6"]),
        ([(0, 1)], ["--platform", "sev_snp", "--section", "platform"]),
    ],
    ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else None,
)
def test_dump_filters(run: Run, wanted: list[tuple[int, int]], arguments: list[str]) -> None:
    """Each filter takes what it says, and different ones narrow each other."""
    assert wanted == entries(run, *arguments, "pages.igvm")


def test_dump_text(run: Run) -> None:
    """Without options every header is shown, runs of pages as one line."""
    result = run("dump", "pages.igvm")
    assert "        1-5                 0x0        5       0x230    0x1  NORMAL\n" in result.stdout
    assert ("", 0) == (result.stderr, result.exit_code)


def test_dump_data(run: Run) -> None:
    """The first bytes of the data are shown when asked for."""
    shown = run("dump", "--data", "20", "--index", "1", "pages.igvm").stdout
    assert "  00000230  01 01 01 01 01 01 01 01  01 01 01 01 01 01 01 01  ....." in shown
    assert "  00000240  01 01 01 01  " in shown


def test_dump_of_another_platform(run: Run) -> None:
    """A platform that the file is not for is an error that names those it is for."""
    result = run("dump", "--platform", "TDX", "pages.igvm")
    assert ("", 3) == (result.stdout, result.exit_code)
    assert "igvm: pages.igvm: the file is for SEV_SNP, not for TDX\n" == result.stderr


@pytest.mark.parametrize("verb", ["info", "dump", "check"])
@pytest.mark.parametrize("name", ["good.igvm", "pages.igvm", "full.igvm", "bad.igvm"])
def test_80_columns(run: Run, verb: str, name: str) -> None:
    """No line is wider than a terminal, but for digests."""
    assert max(map(len, without_digests(run(verb, name).stdout))) <= 80


@pytest.mark.parametrize("verb", ["info", "dump", "check"])
def test_no_escape_reaches_the_terminal(run: Run, folder: Path, verb: str) -> None:
    """What steers a terminal is escaped, be it in the file or in its name."""
    name = "a\x1b[31m\nb.igvm"
    (folder / name).write_bytes(versioned(b"1\x1b]0;title\x07\xc2\x9b2J"))
    result = run(verb, name)
    assert "a\\x1b[31m\\nb.igvm" in result.stdout
    assert result.stdout.replace("\n", "").isprintable()
    assert result.stderr == ""
