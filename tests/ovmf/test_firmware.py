"""examples/firmware.py: where it looks for an image, and what it does without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import firmware


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without firmware, whose programs are those in the folder `bin`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("FIRMWARE", raising=False)
    monkeypatch.setattr(firmware, "PLACES", ("usr/share/no-such-folder/*.fd",))
    monkeypatch.setattr(firmware, "UNPACKED", tmp_path / "unpacked")
    return programs


def program(path: Path, text: str) -> None:
    """A shell script at `path`."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that is named, best by argument, is taken without looking for another."""
    monkeypatch.setenv("FIRMWARE", "/from/environment.fd")
    assert Path("/from/environment.fd") == firmware.find()[0]
    assert Path("/named.fd") == firmware.find("/named.fd")[0]


def test_machine(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine's images the first that was built for SEV-SNP is taken."""
    folder = bare.parent / "ovmf"
    folder.mkdir()
    for name, tail in ("a.fd", b""), ("b.fd", firmware.SEV_METADATA), ("c.fd", b""):
        (folder / name).write_bytes(bytes(0x2000) + tail)
    monkeypatch.setattr(firmware, "PLACES", (f"{str(folder)[1:]}/*.fd",))
    assert (folder / "b.fd", "this machine's firmware") == firmware.find()


@pytest.mark.usefixtures("bare")
def test_without_apt() -> None:
    """Without firmware and apt the sample is taken, and the reason said."""
    path, origin = firmware.find()
    assert firmware.SAMPLE == path
    assert "there is no apt" in origin


def test_without_network(bare: Path) -> None:
    """Where apt cannot download, the sample is taken with apt's reason, and nothing is left."""
    program(bare / "apt-get", "echo 'W: Failed to fetch it' >&2; echo 'E: Ignored' >&2; exit 100")
    program(bare / "dpkg", "exit 1")
    path, origin = firmware.find()
    assert firmware.SAMPLE == path
    assert origin.endswith("W: Failed to fetch it")
    assert {bare} == set(bare.parent.iterdir())


def test_package_without_image(bare: Path) -> None:
    """A package without an image for SEV-SNP is unpacked once, and the sample taken."""
    program(bare / "apt-get", "echo >>../downloads; : >ovmf_1_all.deb")
    program(bare / "dpkg", "exit 0")
    assert firmware.SAMPLE == firmware.find()[0]
    assert firmware.SAMPLE == firmware.find()[0]
    assert "\n" == (bare.parent / "downloads").read_text()


def test_fresh_lists(bare: Path) -> None:
    """Where the machine's lists lead nowhere, lists of our own are fetched for the download."""
    program(
        bare / "apt-get",
        'case "$*" in *State::lists=*download*) : >a.deb;; *update) ;; *) exit 100;; esac',
    )
    program(bare / "dpkg", "exit 0")
    firmware.unpack("a", firmware.UNPACKED)
    assert firmware.UNPACKED.is_dir()


def test_settings_reach_apt(bare: Path) -> None:
    """A caller's settings are given to apt as options."""
    program(bare / "apt-get", 'echo "$*" >&2; exit 1')
    program(bare / "dpkg", "exit 0")
    with pytest.raises(firmware.UnavailableError, match=r"-o Dir::Etc::SourceList=x .*update"):
        firmware.unpack("a", firmware.UNPACKED, "Dir::Etc::SourceList=x")
