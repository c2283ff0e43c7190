"""Links between the pages of the documentation lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs import fill_pages, generate_rules, generate_structures

if TYPE_CHECKING:
    from pathlib import Path

PAGES = fill_pages.pages()
GENERATED = {generate_rules.FOLDER: generate_rules, generate_structures.FOLDER: generate_structures}
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#{1,3} (.*)$", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def generated() -> None:
    """The pages that are made when the documentation is built."""
    for module in GENERATED.values():
        module.generate()


def anchors(path: Path) -> set[str]:
    """The anchors of a page: its headings as sphinx and GitHub write them."""
    titles = HEADING.findall(path.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=[path.stem for path in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """The file that a link names is there, and so is the heading."""
    broken = []
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target) if target else page
        if not path.exists() or (anchor and anchor[1:] not in anchors(path)):
            broken.append(f"{target}{anchor}")
    assert [] == broken
