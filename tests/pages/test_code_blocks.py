"""Every code block of README.md and of the documentation runs, and prints what stands below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docs import fill_pages
from tests.golden_text import is_written_anew

if TYPE_CHECKING:
    from pathlib import Path

PAGES = fill_pages.pages()

pytestmark = pytest.mark.slow  # every page runs its commands


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_blocks_run_and_print_what_is_shown(page: Path) -> None:
    """A page is what `python docs/fill_pages.py` makes of it, as IGVM_GOLDEN=write does too."""
    text = page.read_text(encoding="utf-8")
    made = fill_pages.filled(text)
    if is_written_anew() and made != text:
        page.write_text(made, encoding="utf-8")
    assert made == page.read_text(encoding="utf-8")


def test_output_is_put_below_its_command() -> None:
    """What a command prints replaces what stood there, on standard error too."""
    page = "```console\n$ echo one; echo two >&2\nold\n$ printf three\n```\n"
    expected = "```console\n$ echo one; echo two >&2\none\ntwo\n$ printf three\nthree\n```\n"
    assert expected == fill_pages.filled(page)


def test_blocks_of_a_page_share_a_folder() -> None:
    """A block finds the files that one before it made."""
    page = '```python\nopen("made", "w").write("here")\n```\n\n```console\n$ cat made\nhere\n```\n'
    assert page == fill_pages.filled(page)


@pytest.mark.parametrize(
    "page",
    [
        "```python\n1 / 0\n```\n",
        "```yaml\nsteps: []\n```\n",
        "```text\n$ igvm info guest.igvm\n```\n",
        "```console\nigvm info guest.igvm\n```\n",
        "<!-- output left out -->\n```console\n$ igvm info nothing.igvm\n```\n",
    ],
    ids=["a failure", "another language", "a command as text", "no command", "a failed command"],
)
def test_blocks_that_do_not_run_are_told(page: str) -> None:
    """A block that fails, or that does not run and does not say why, stops the page."""
    with pytest.raises(fill_pages.BlockError):
        fill_pages.filled(page)


@pytest.mark.parametrize(
    "page",
    [
        "<!-- not run: it needs GitHub -->\n```yaml\nsteps: []\n```\n",
        "<!-- needs there-is-no-such-program -->\n```console\n$ cat\nkept\n```\n",
        "```text\na drawing\n```\n",
        "```{toctree}\n```\n",
    ],
    ids=["with a reason", "without its program", "a drawing", "a directive"],
)
def test_blocks_that_cannot_run_stay_as_they_are(page: str) -> None:
    """A reason, a missing program, text and directives keep a block from being run."""
    assert page == fill_pages.filled(page)
