"""Runs the commands in README.md, puts their output below them, and draws its picture.

python docs/fill_readme.py          write README.md and docs/images/info.svg
python docs/fill_readme.py --check  exit 1 where README.md is not what would be written
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "info.svg"

_BLOCK = re.compile(r"(```console\n\$ (igvm [^\n]*)\n).*?(?=```)", re.DOTALL)


def output(command: str) -> str:
    """What a command prints in a folder with nothing but the sample, 80 columns wide."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": search, "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").mkdir()
        shutil.copy(ROOT / "examples" / "hello.igvm", Path(folder) / "examples")
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    return done.stdout + done.stderr


def filled(text: str) -> str:
    """The README with every command's output below it."""
    return _BLOCK.sub(lambda found: found[1] + output(found[2]), text)


def picture() -> str:
    """`igvm info` of the sample as an SVG drawing of a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ igvm info examples/hello.igvm", style="bold"))
    environment = {**os.environ, "COLUMNS": "80", "FORCE_COLOR": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("igvm"), "info", "examples/hello.igvm"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    console.print(Text.from_ansi(done.stdout))
    return console.export_svg(title="igvm", unique_id="info")


def main() -> int:
    """Write, or check."""
    text = README.read_text(encoding="utf-8")
    made = filled(text)
    if "--check" in sys.argv[1:]:
        if made != text:
            print("README.md is stale: run python docs/fill_readme.py", file=sys.stderr)
        return made != text
    README.write_text(made, encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
