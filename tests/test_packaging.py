"""What an installed igvm promises: its names, its version, its types and a quick start."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys
from pathlib import Path

import pytest

import igvm
from scripts import public_names

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"cbor2", "cryptography", "jinja2", "numpy", "rich"}
COMMAND = "import sys; sys.argv[0] = 'igvm'; from igvm.cli import main; main()"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter run with `arguments`, which must succeed."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, check=True, text=True, timeout=60
    )


def imported(*arguments: str) -> set[str]:
    """Top-level packages that an interpreter loads when it is run with `arguments`."""
    lines = run("-X", "importtime", *arguments).stderr.splitlines()
    modules = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    return {module.partition(".")[0] for module in modules}


def test_stubs_are_up_to_date() -> None:
    """What type checkers read is what scripts/public_names.py makes of the tables."""
    for package in public_names.PACKAGES:
        kept = public_names.path_of(package).read_text(encoding="utf-8")
        assert public_names.stub(package) == kept, "run scripts/public_names.py"


def test_rooms_can_be_reached() -> None:
    """Every subpackage is an attribute after `import igvm`, without an import of its own."""
    rooms: tuple[str, ...] = vars(igvm)["_ROOMS"]
    folders = {path.parent.name for path in (ROOT / "src" / "igvm").glob("*/__init__.py")}
    assert {*rooms, "cli"} == folders | {"errors"}
    code = "import igvm; print(*(getattr(igvm, room).__name__ for room in igvm._ROOMS))"
    assert [f"igvm.{room}" for room in rooms] == run("-c", code).stdout.split()


def test_names_are_sorted() -> None:
    """The public names are listed in order and once."""
    assert sorted(set(igvm.__all__)) == list(igvm.__all__)


def test_names_resolve() -> None:
    """Every public name is there, and `dir` lists it."""
    assert [] == [name for name in igvm.__all__ if not hasattr(igvm, name)]
    assert set(igvm.__all__) <= set(dir(igvm))


def test_unknown_name() -> None:
    """A name that is not there is an AttributeError like that of any module."""
    name = "no_such_name"
    with pytest.raises(AttributeError, match=name):
        getattr(igvm, name)


def test_version() -> None:
    """The version in the code is the version of the distribution."""
    assert importlib.metadata.version("igvm") == igvm.__version__


def test_command() -> None:
    """The command is the one function of the command line."""
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="igvm")
    assert command.value == "igvm.cli:main"


def test_version_option() -> None:
    """`igvm --version` prints the version on stdout and nothing on stderr."""
    result = run("-c", COMMAND, "--version")
    assert igvm.__version__ in result.stdout
    assert not result.stderr


def test_is_typed() -> None:
    """Type checkers may read the annotations."""
    assert importlib.resources.files("igvm").joinpath("py.typed").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-c", "import igvm"), id="import igvm"),
        pytest.param(("-c", COMMAND, "--version"), id="igvm --version"),
        pytest.param(("-c", COMMAND, "--help"), id="igvm --help"),
    ],
)
def test_starts_quickly(arguments: tuple[str, ...]) -> None:
    """Nothing heavy is loaded before it is needed."""
    loaded = imported(*arguments)
    assert "igvm" in loaded
    assert not loaded & HEAVY
