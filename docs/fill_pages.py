"""Runs the code blocks of README.md and of the documentation, and puts their output below them.

python docs/fill_pages.py [PAGE...]  write the pages, and docs/images/info.svg
python docs/fill_pages.py --check    exit 1 where a page is not what would be written

The blocks of a page run one after the other in a folder that holds nothing but the sample:

- `console`: what follows a `$` runs in bash, and its output stands below it; after the comment
  `<!-- output left out -->` it only has to succeed; after `<!-- needs jq -->` it runs where there
  is such a program;
- `python`: must succeed;
- all other languages do not run. Where they look like something to run, a comment in the line
  before the block says why not: `<!-- not run: it needs QEMU -->`.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "info.svg"

_GENERATED = {"_build", "rules", "structures"}

SHOWN_ONLY = {"text", "markdown"}
"""Languages of what nobody would run."""

_BLOCK = re.compile(
    r"(?:^<!-- (?P<comment>[^\n]*?) -->\n+)?"
    r"^```(?P<language>[^\n]*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class BlockError(Exception):
    """A block that does not run, or that says nothing of why it should not."""


class _Block(NamedTuple):
    """One code block of a page."""

    language: str
    comment: str
    """What the comment before it says."""
    body: str


def pages() -> list[Path]:
    """README.md, and every page of the documentation that is kept."""
    found = (ROOT / "docs").rglob("*.md")
    return [
        README,
        *sorted(
            path for path in found if not _GENERATED & set(path.relative_to(ROOT / "docs").parts)
        ),
    ]


def _ran(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A program that ran in `folder`, 80 columns wide, with its errors among its output."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": search, "COLUMNS": "80", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def _console(block: _Block, folder: Path) -> str:
    """The commands of a block with their output below them."""
    commands = re.findall(r"^\$ .*(?:\n> .*)*", block.body, re.MULTILINE)
    if not commands:
        raise BlockError(f"no line of a console block begins with $:\n{block.body}")
    is_shown = block.comment != "output left out"
    shown = ""
    for command in commands:
        done = _ran(["bash", "-c", command[2:].replace("\n> ", "\n")], folder)
        if not is_shown and done.returncode:
            raise BlockError(f"{command}\n{done.stdout}")
        output = done.stdout if is_shown else ""
        shown += f"{command}\n{output}" + ("" if output[-1:] in {"", "\n"} else "\n")
    return shown


def _looks_runnable(block: _Block) -> bool:
    """Whether a reader might run a block of another language."""
    if block.language in SHOWN_ONLY:
        return re.search(r"^\$ ", block.body, re.MULTILINE) is not None
    return not block.language.startswith("{")


def _filled_block(block: _Block, folder: Path) -> str:
    """The body of a block as it should be."""
    if block.language == "console":
        needed = block.comment.removeprefix("needs ")
        is_there = needed == block.comment or shutil.which(needed) is not None
        return _console(block, folder) if is_there else block.body
    if block.language == "python":
        done = _ran([sys.executable, "-c", block.body], folder)
        if done.returncode:
            raise BlockError(f"{block.body}\n{done.stdout}")
    elif _looks_runnable(block) and not block.comment.startswith("not run: "):
        raise BlockError(f"a {block.language} block does not say why it is not run:\n{block.body}")
    return block.body


def filled(text: str) -> str:
    """A page with every command's output below it.

    Raises:
        BlockError: a block does not run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "examples").mkdir()
        shutil.copy(ROOT / "examples" / "hello.igvm", folder / "examples")

        def shown(found: re.Match[str]) -> str:
            block = _Block(found["language"], found["comment"] or "", found["body"])
            start = found.start("body") - found.start()
            return f"{found[0][:start]}{_filled_block(block, folder)}```"

        return _BLOCK.sub(shown, text)


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
    given = [Path(name).resolve() for name in sys.argv[1:] if name != "--check"]
    stale = 0
    for path in given or pages():
        text = path.read_text(encoding="utf-8")
        try:
            made = filled(text)
        except BlockError as error:
            print(f"{path}: {error}")
            stale = 1
            continue
        if made != text and "--check" in sys.argv[1:]:
            stale = 1
            lines = difflib.unified_diff(text.splitlines(), made.splitlines(), lineterm="", n=1)
            print(f"{path} is stale: run python docs/fill_pages.py", *lines, sep="\n")
        elif made != text:
            path.write_text(made, encoding="utf-8")
    if not given and "--check" not in sys.argv[1:]:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(picture(), encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main())
