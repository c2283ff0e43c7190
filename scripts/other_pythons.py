"""Runs the quick tests on every other Python that is here, and on the lowest versions allowed.

    scripts/other_pythons.py [PYTEST ARGUMENT...]

The others are all from `requires-python` on, one of each minor version, that are on the path or
where pyenv keeps them; not the one that .venv has, on which `make test` runs everything. The
lowest versions are those that pyproject.toml names, of what igvm needs and of what its tests need,
on the first Python that it allows. Each has an environment in .venv/others, which is made once.

Left out are tests that are slow and those that ask a judge: another program, real files, firmware.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OTHERS = ROOT / ".venv" / "others"
CHOICE = "not slow and not fuzz and not oracle and not corpus and not firmware"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def identity_of(python: Path | str) -> tuple[tuple[int, int], str] | None:
    """Version and path of an interpreter that can make environments; None if it is none."""
    code = "import sys, ensurepip, venv; print(*sys.version_info[:2], sys.executable)"
    try:
        found = subprocess.run(
            [python, "-c", code], capture_output=True, check=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor, path = found.stdout.rstrip().split(maxsplit=2)
    return (int(major), int(minor)), path


def least_version() -> tuple[int, int]:
    """The first Python that the project allows."""
    major, minor = re.findall(r"\d+", PROJECT["project"]["requires-python"])[:2]
    return int(major), int(minor)


def interpreters() -> dict[tuple[int, int], str]:
    """One interpreter of each minor version from the first that is allowed on."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [*map(Path, os.get_exec_path()), *sorted(pyenv.glob("*/bin"), reverse=True)]
    found: dict[tuple[int, int], str] = {}
    for folder in folders:
        for python in sorted(folder.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+", python.name) is None:
                continue
            # A shim of pyenv for a version that is not chosen has the name and is none.
            identity = identity_of(python)
            if identity is not None and identity[0] >= least_version():
                found.setdefault(*identity)
    return found


def lower_bounds() -> list[str]:
    """What igvm and its tests need, each at the lowest version that is allowed."""
    needed = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["test"]]
    bounds = []
    for requirement in needed:
        name, bound, version = re.split(r"(>=)", requirement, maxsplit=1)
        assert bound, f"{requirement} has no lower bound"
        bounds.append(f"{name.strip()}=={version.strip()}")
    return bounds


def environment(name: str, python: str, constraints: list[str]) -> Path:
    """The Python of an environment with igvm and what its tests need."""
    folder = OTHERS / name
    made = folder / ".made"
    wanted = "\n".join([python, *constraints, (ROOT / "pyproject.toml").read_text("utf-8")])
    if not made.exists() or made.read_text("utf-8") != wanted:
        run([python, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "install"]
        pip.append("--disable-pip-version-check")
        run([*pip, "--upgrade", "pip>=25.1"])  # knows dependency groups
        listed = folder / "constraints.txt"
        listed.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        run([*pip, "--editable", str(ROOT), "--group", "test", "--constraint", str(listed)])
        made.write_text(wanted, encoding="utf-8")
    return folder / "bin" / "python"


def run(command: list[str]) -> None:
    """Run a command to its end.

    Raises:
        CalledProcessError: it failed.
    """
    subprocess.run(command, check=True, cwd=ROOT)


def main() -> None:
    """Run the tests in each environment; exit with 1 if they failed in one."""
    found = interpreters()
    own = identity_of(ROOT / ".venv" / "bin" / "python")
    least = least_version()
    wanted = [
        (f"{major}.{minor}", python, [])
        for (major, minor), python in sorted(found.items())
        if own is None or (major, minor) != own[0]
    ]
    if least in found:
        wanted.append((f"{least[0]}.{least[1]}-lowest", found[least], lower_bounds()))
    else:
        print(f"there is no Python {least[0]}.{least[1]} to try the lowest versions on")
    failed = []
    for name, python, constraints in wanted:
        print(f"--- {name}: {python} {' '.join(constraints)}", flush=True)
        start = time.monotonic()
        try:
            ours = environment(name, python, constraints)
            ready = time.monotonic()
            tests = ["-m", "pytest", "-q", "-n", "2", "-m", CHOICE, *sys.argv[1:]]
            run([str(ours), *tests])
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"--- {name}: failed with {error.returncode}")
        else:
            seconds = time.monotonic() - ready
            print(f"--- {name}: passed in {seconds:.0f} s, made in {ready - start:.0f} s")
    if failed:
        sys.exit(f"failed on {', '.join(failed)}")


if __name__ == "__main__":
    main()
