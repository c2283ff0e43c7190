"""Report 10: the IGVM file in a firmware DLL, and one that is compressed, are read through."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reports.conftest import Ask

REPORT = "10-igvm-inside-a-dll"
WRAPPED = {
    "firmware.dll": "firmware.dll (resource VMFW/1 at 0x470)",
    "guest.igvm.gz": "guest.igvm.gz (decompressed with gzip)",
}
EACH = pytest.mark.parametrize("name", WRAPPED)


@EACH
@pytest.mark.parametrize("verb", ["info", "dump", "check"])
def test_the_head_line_says_what_was_read(ask: Ask, verb: str, name: str) -> None:
    """All but the name is what the file itself gives; pefile finds the resource at 0x470 too."""
    result, plain = ask(verb, name), ask(verb, "guest.igvm")
    assert (0, "") == (result.exit_code, result.stderr)
    assert WRAPPED[name] == result.stdout[: len(WRAPPED[name])]
    words = result.stdout.replace(WRAPPED[name], "guest.igvm").split()
    assert plain.stdout.split() == words


@EACH
@pytest.mark.parametrize("verb", ["measure", "explain"])
def test_a_note_says_what_was_measured(ask: Ask, verb: str, name: str) -> None:
    """Verbs that print no name have a note, and the digest of the file itself."""
    result = ask(verb, name)
    assert f"note: {WRAPPED[name]}: this is the IGVM file inside\n" == result.stderr
    assert ask(verb, "guest.igvm").stdout == result.stdout


@EACH
def test_find_reads_through(ask: Ask, name: str) -> None:
    """The digest of the file itself is found."""
    digest = ask("measure", "--bare", "guest.igvm").stdout.strip()
    assert 0 == ask("find", digest, name).exit_code


@EACH
def test_nothing_differs(ask: Ask, name: str) -> None:
    """The launch of the file inside is the launch of the file."""
    assert 0 == ask("diff", name, "guest.igvm").exit_code


@EACH
def test_rewrite_writes_the_file_inside(ask: Ask, name: str) -> None:
    """What was around it is not written, and the sentence says what was."""
    result = ask("rewrite", name, "-o", "out.igvm")
    assert f"out.igvm: identical to {WRAPPED[name]}, 8,328 bytes\n" == result.output
    files = [Path(each).read_bytes() for each in ("guest.igvm", "out.igvm")]
    assert len({hashlib.sha256(data).digest() for data in files}) == 1


@EACH
def test_rewrite_into_a_folder_wants_a_name(ask: Ask, name: str) -> None:
    """The name of what it was in would be a lie, and over it in its own folder a loss."""
    before = Path(name).read_bytes()
    result = ask("rewrite", name, "-o", ".", "--force")
    assert (3, "igvm: .: this is a folder; name the file in it\n") == (
        result.exit_code,
        result.stderr,
    )
    assert before == Path(name).read_bytes()
