"""The GitHub Action: its steps run in bash as the runner runs them, in a folder of images."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import igvm
from tests.small_files import built_guests

ROOT = Path(__file__).resolve().parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with images in folders, the igvm of this checkout standing for the installed."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    built_guests.hello_guest().save(tmp_path / "images" / "hello.igvm")
    built_guests.hello_guest().save(tmp_path / "images" / "deep" / "a b.igvm")
    bin_folder = tmp_path / "runner" / "igvm" / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "igvm").symlink_to(Path(sys.executable).with_name("igvm"))
    return tmp_path


def run(step: str, folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """What a step prints with some inputs, the others as they are by default."""
    values = {name: given.get("default", "") for name, given in ACTION["inputs"].items()}
    values |= {name.replace("_", "-"): value for name, value in inputs.items()}
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: values[found[1]], text)
        for name, text in STEPS[step]["env"].items()
    }
    environment |= {
        "PATH": os.environ["PATH"],
        "COLUMNS": "80",
        "RUNNER_TEMP": str(folder / "runner"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }
    # As the runner calls `shell: bash`.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[step]["run"]]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_inputs_reach_steps_as_variables_alone() -> None:
    """No input is pasted into a script, where it could be more than a value."""
    for step in STEPS.values():
        assert "${{" not in step["run"]
        assert "bash" == step["shell"]


def test_sound_images_pass(images: Path) -> None:
    """Patterns reach into folders, names with blanks stay whole, and commands are stopped."""
    done = run("Check", images, files="images/**/*.igvm")
    assert (0, "") == (done.returncode, done.stderr)
    assert "images/deep/a b.igvm" in done.stdout
    assert "images/hello.igvm" in done.stdout
    first, *_, last = done.stdout.splitlines()
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


def test_an_unsound_image_fails(images: Path) -> None:
    """One image with an error fails the step, with the finding among its output."""
    data = bytearray((images / "images" / "hello.igvm").read_bytes())
    data[20] ^= 1
    (images / "images" / "bad.igvm").write_bytes(data)
    done = run("Check", images, files="images/*.igvm")
    assert 1 == done.returncode
    assert "FIXED_HEADER.checksum" in done.stdout


def test_options_are_those_of_check(images: Path) -> None:
    """What is given besides goes to `igvm check`, word by word."""
    done = run("Check", images, files="images/hello.igvm", check_options="--rules all\n--most 3")
    assert 0 == done.returncode
    assert "igvm 0.4: accepted" in done.stdout
    wrong = run("Check", images, files="images/hello.igvm", check_options="--no-such-option")
    assert 2 == wrong.returncode


@pytest.mark.parametrize("files", ["nothing/*.igvm", "missing.igvm"], ids=["a pattern", "a name"])
def test_no_image_is_an_error(images: Path, files: str) -> None:
    """A pattern that fits nothing does not pass for good."""
    done = run("Check", images, files=files)
    assert (1, f"::error::no file is called {files}\n") == (done.returncode, done.stdout)


def test_digests_are_on_the_page_of_the_run(images: Path) -> None:
    """Each image's digests are printed, and are text on the page whatever they say."""
    options = "--platform SEV_SNP --loader qemu-kvm --vcpus 1 --bare"
    done = run("Measure", images, files="images/**/*.igvm", measure_options=options)
    assert (0, "") == (done.returncode, done.stderr)
    file = igvm.open(images / "images" / "hello.igvm")
    digest = igvm.measure(file, "snp", loader="qemu-kvm", vcpus=1).digest.hex()
    assert 2 == done.stdout.count(digest)
    lines = (images / "summary.md").read_text().splitlines()
    assert all(not line or line.startswith("    ") for line in lines)
    assert f"    {digest}" in lines


def test_a_digest_that_is_not_expected_fails(images: Path) -> None:
    """The step ends as the worst of its images did."""
    options = f"--platform SEV_SNP --expect {'00' * 48}"
    done = run("Measure", images, files="images/*.igvm", measure_options=options)
    assert 1 == done.returncode


@pytest.mark.slow
def test_the_first_step_installs_a_command(tmp_path: Path) -> None:
    """What is installed from this folder, in an environment of its own, runs."""
    step = STEPS["Install igvm"]
    assert {"SOURCE": "${{ github.action_path }}"} == step["env"]
    environment = {**os.environ, "SOURCE": str(ROOT), "RUNNER_TEMP": str(tmp_path)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    installed = tmp_path / "igvm" / "bin" / "igvm"
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True)
    assert igvm.__version__ in done.stdout


def test_measuring_can_be_left_out() -> None:
    """The step is not run where the input says so, and is by default."""
    assert "inputs.measure != 'false'" == STEPS["Measure"]["if"]
    assert "true" == ACTION["inputs"]["measure"]["default"]


def test_every_input_is_in_the_guide() -> None:
    """The guide has a row for each input."""
    guide = (ROOT / "docs" / "guides" / "in-ci.md").read_text(encoding="utf-8")
    assert [] == [name for name in ACTION["inputs"] if f"| `{name}` |" not in guide]
