"""Every public name has its place in the documentation, and every structure its bytes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import igvm
from docs import generate_structures
from igvm.wire.record import Record

DOCS = Path(__file__).resolve().parents[2] / "docs"
STRUCTURES = [
    name
    for _, _, modules in generate_structures.PAGES.values()
    for module in modules
    for name in generate_structures.public_names(module)
]
RECORDS = [name for name in STRUCTURES if issubclass(getattr(igvm, name), Record)]
NAMED = re.compile(r"(?:^\.\. (?:auto(?!module)|py:)\w+::|\{py:class\}) igvm\.(\w+)$", re.MULTILINE)


def test_every_public_name_is_documented_once() -> None:
    """Of the names of the package each has one entry on the pages, kept and generated."""
    kept = [DOCS / "api.md", *(DOCS / "api").glob("*.md")]
    texts = [path.read_text(encoding="utf-8") for path in kept]
    texts += [generate_structures.page(name) for name in generate_structures.PAGES]
    assert Counter(igvm.__all__) == Counter(name for text in texts for name in NAMED.findall(text))


@pytest.mark.parametrize("name", RECORDS)
def test_a_structure_shows_every_field(name: str) -> None:
    """Each field of a structure is in its table with offset, size and meaning."""
    record = getattr(igvm, name)
    text = generate_structures.part(name)
    if record.__mro__[1] is not Record:
        assert f"{{py:class}}`igvm.{record.__mro__[1].__name__}`" in text
        return
    docs = generate_structures.field_docs(record)
    for item in record.FIELDS:
        assert f"| {item.offset:#04x} | {item.size} | `{item.name}`" in text
        assert docs[item.name].endswith(".")


@pytest.mark.parametrize("name", RECORDS)
def test_a_drawing_has_every_byte_once(name: str) -> None:
    """The rows of a drawing are the bytes of the structure, in order and without a gap."""
    record = getattr(igvm, name)
    rows = list(generate_structures.drawn_rows(record))
    covered = [(at, at + size) for _, cells in rows for _, at, size in cells]
    assert [(0, covered[0][1]), *covered[1:]] == covered
    assert [end for _, end in covered[:-1]] == [start for start, _ in covered[1:]]
    assert record.SIZE == covered[-1][1]
    for _, cells in rows:
        assert sum(min(size, 8) for _, _, size in cells) <= 8


def test_a_long_field_takes_three_rows_at_most() -> None:
    """Whole rows of one field are one row of the drawing."""
    rows = list(generate_structures.drawn_rows(igvm.VBSRegister))
    assert [0, 8, 16] == [start for start, _ in rows]
    sizes = {item.name: 0 for item in igvm.SNPIDBlock.FIELDS}
    for _, cells in generate_structures.drawn_rows(igvm.SNPIDBlock):
        for item, _, _ in cells:
            sizes[item.name] += 1
    assert 3 >= max(sizes.values())
