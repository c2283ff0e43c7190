"""The tour that `make demo` gives: show a file, check and rewrite it; make one of real firmware."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

HELLO = Path(__file__).with_name("hello.igvm")
OVMF = Path(__file__).with_name("ovmf.py")
COMMAND = Path(sys.executable).with_name("igvm")


def say(text: str) -> None:
    """A line of our own, apart from the commands' output."""
    print(f"\n{text}", flush=True)


def run(*arguments: str, shown: str) -> int:
    """Show a command as a user would type it, run it, and return its exit code."""
    print(f"\n$ {shown}", flush=True)
    return subprocess.run([COMMAND, *arguments], check=False).returncode


def main() -> int:
    """Show, check and rewrite the file named on the command line, or the sample and then OVMF."""
    path = Path(sys.argv[1]) if sys.argv[1:] else HELLO
    name = str(path) if sys.argv[1:] else "examples/hello.igvm"
    if not sys.argv[1:]:
        say("A small guest for three platforms, made by examples/make_hello.py.")
    code = run("info", str(path), shown=f"igvm info {name}")
    if code not in {0, 1}:
        return code
    checked = run("check", str(path), shown=f"igvm check {name}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.igvm"
        code = run("rewrite", str(path), "-o", str(copy), shown=f"igvm rewrite {name} -o copy.igvm")
        if code:
            return code
        identical = path.read_bytes() == copy.read_bytes()
    say(
        "The rewritten file is identical, byte for byte."
        if identical
        else "The rewritten file DIFFERS."
    )
    if checked == 1:
        say("The file was read and rewritten whole, although it has findings.")
    if not sys.argv[1:]:
        say("Real firmware as an IGVM file, and the launch digest that each loader would give it.")
        print("\n$ python examples/ovmf.py", flush=True)
        code = subprocess.run([sys.executable, OVMF], check=False).returncode
        if code:
            return code
    say("Next: igvm dump FILE, igvm --help, README.md")
    return 0 if identical else 1


if __name__ == "__main__":
    sys.exit(main())
