"""The sample guest: its bytes are those that an assembler makes of its source."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import igvm

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize("machine", ["q35", "pc", "microvm", "q35,vga=none"])
def test_it_starts_in_qemu(machine: str) -> None:
    """QEMU has no complaint on the machines as they come, nor when the guest is reset."""
    with igvm.open(EXAMPLES / "hello.igvm") as file:
        findings = igvm.lint(file, "qemu-tcg", machine=machine)
    worse = [str(finding) for finding in findings if finding.severity > igvm.Severity.NOTE]
    assert [] == worse


def test_the_code_is_the_assembled_source(tmp_path: Path) -> None:
    """GNU as and ld make of hello.S what make_hello.py puts into the file."""
    if not shutil.which("as") or not shutil.which("ld"):
        pytest.skip("GNU binutils are not installed")
    steps: list[list[str | Path]] = [
        ["as", "--32", "-o", "hello.o", EXAMPLES / "hello.S"],
        ["ld", "-m", "elf_i386", "-Ttext", "0x100000", "-o", "hello.elf", "hello.o"],
        ["objcopy", "-O", "binary", "-j", ".text", "hello.elf", "hello.bin"],
    ]
    for step in steps:
        subprocess.run(step, cwd=tmp_path, check=True)
    script = "import runpy, sys; sys.stdout.write(runpy.run_path(sys.argv[1])['CODE'].hex())"
    code = subprocess.run(
        [sys.executable, "-c", script, EXAMPLES / "make_hello.py"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert (tmp_path / "hello.bin").read_bytes() == bytes.fromhex(code)
