"""`igvm check FILE --loader NAME`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from igvm.checks import RULE_SETS
from igvm.cli import options
from igvm.cli.check import JUDGED_LOADER
from igvm.cli.values import Group
from igvm.launch.loader_table import loaders_named
from tests.lint.examples import FINE, FINE_SNP
from tests.small_files.guests import NATIVE, bytes_for
from tests.small_files.raw import page

if TYPE_CHECKING:
    from pathlib import Path


def igvm(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `igvm check`."""
    command = [sys.executable, "-m", "igvm", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def native(tmp_path: Path) -> Path:
    """A file that boots under TCG."""
    path = tmp_path / "native.igvm"
    path.write_bytes(FINE)
    return path


def test_the_option_has_every_loader() -> None:
    """The choices are the loaders and the rule sets that the library knows."""
    value = JUDGED_LOADER.value
    assert isinstance(value, Group)
    loaders = tuple(loader.name for loader in loaders_named("all", tools=False))
    assert ("reference", *loaders) == value.names()
    assert loaders == value.read("all")
    assert set(RULE_SETS) == set(options.RULE_SETS)


def test_a_file_that_boots(native: Path) -> None:
    """Without errors the exit code is 0, and notes are shown when asked for."""
    done = igvm(native, "--loader", "qemu-tcg", "--severity", "note")
    assert (0, "") == (done.returncode, done.stderr)
    assert "[loader/qemu-tcg/no-context]" in done.stdout


def test_a_file_that_does_not_boot(native: Path) -> None:
    """An error is shown with its place, and the exit code is 1."""
    done = igvm(native, "--loader", "openvmm")
    assert (1, "") == (done.returncode, done.stderr)
    assert "[loader/openvmm/no-platform]" in done.stdout


def test_loaders_stand_instead_of_the_specification(tmp_path: Path) -> None:
    """The specification is asked only where --rules names it too."""
    path = tmp_path / "odd.igvm"
    path.write_bytes(bytes_for(NATIVE, page(0x1001)))
    for more, rules in (
        ([], ["qemu-tcg", "openvmm"]),
        (["--rules", "spec"], ["spec", "qemu-tcg", "openvmm"]),
    ):
        done = igvm(path, "--loader", "qemu-tcg", "--loader", "openvmm", *more, "--json=short")
        [checked] = json.loads(done.stdout)["files"]
        assert rules == [result["rules"] for result in checked["results"]]
        assert done.returncode == 1


def test_several_files(native: Path, tmp_path: Path) -> None:
    """One file that does not boot is enough."""
    path = tmp_path / "snp.igvm"
    path.write_bytes(FINE_SNP)
    done = igvm(native, path, "--loader", "qemu-tcg")
    assert done.returncode == 1
    assert "snp.igvm" in done.stdout


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no file at all is said as without the option."""
    path = tmp_path / "no.igvm"
    path.write_bytes(b"no")
    done = igvm(path, "--loader", "qemu-tcg")
    assert done.returncode == 3
    assert "no.igvm" in done.stdout + done.stderr


def test_an_unknown_loader(native: Path) -> None:
    """A loader that there is not is a wrong option."""
    assert igvm(native, "--loader", "bhyve").returncode == 2
