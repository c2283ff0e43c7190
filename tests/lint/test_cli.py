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


def test_what_is_assumed_of_the_machine(native: Path) -> None:
    """The text and the JSON say it, and nothing that was given is among it."""
    done = igvm(native, "--loader", "qemu-tcg")
    assert "assumed: machine q35, a VGA adapter, 128 MiB of memory, 1 vCPU" in done.stdout
    whole = ["--machine", "pc,vga=none", "--memory", "512M", "--vcpus", "1"]
    done = igvm(native, "--loader", "qemu-tcg", *whole)
    assert "assumed: " not in done.stdout
    done = igvm(native, "--loader", "qemu-tcg", "--machine", "microvm", "--json=short")
    [checked] = json.loads(done.stdout)["files"]
    assert [
        "128 MiB of memory, 1 vCPU",
        "where things lie on microvm was read in the source and not run",
    ] == checked["results"][0]["assumptions"]


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 1), (["--memory", "64M"], 0), (["--memory", "1G"], 0), (["--machine", "microvm"], 1)],
    ids=["assumed", "less", "more", "another machine"],
)
def test_memory_decides(tmp_path: Path, options: list[str], code: int) -> None:
    """A run over the end of RAM is an error, and none where RAM ends elsewhere."""
    path = tmp_path / "edge.igvm"
    path.write_bytes(bytes_for(NATIVE, page(0x7FFF000), page(0x8000000)))
    assert code == igvm(path, "--loader", "qemu-tcg", *options).returncode


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loader", "openvmm", "--machine", "q35"], "are for the loaders of QEMU"),
        (["--memory", "1G"], "are for the loaders of QEMU"),
        (["--loader", "qemu", "--machine", "q36"], "there is no machine 'q36'"),
        (["--loader", "qemu", "--machine", "@m.toml"], "in files are not read yet"),
        (["--loader", "qemu", "--machine", "isapc", "--memory", "4G"], "no memory for isapc"),
        (["--loader", "qemu", "--memory", "4X"], "no size of memory"),
    ],
)
def test_machines_that_there_are_not(native: Path, options: list[str], words: str) -> None:
    """One line, and exit code 2."""
    done = igvm(native, *options)
    assert (2, "") == (done.returncode, done.stdout)
    assert words in done.stderr


def test_an_unknown_loader(native: Path) -> None:
    """A loader that there is not is a wrong option."""
    assert igvm(native, "--loader", "bhyve").returncode == 2
