"""What notebooks show of files, tables, plans and measurements."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

import igvm
from igvm import markup
from tests.small_files import built_guests, raw
from tests.small_files.guests import SNP, file_for

if TYPE_CHECKING:
    from pathlib import Path

HELLO = built_guests.hello_guest()
VOID = {"br"}


class Shown(HTMLParser):
    """The texts of some HTML, of which every tag is closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Remember the tag."""
        self.tags.add(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember the text."""
        self.texts.append(data)


def test_a_file_shows_its_platforms_and_headers() -> None:
    """Facts of the fixed header, platforms with their masks, and headers counted by type."""
    page = HELLO._repr_html_()
    assert page is not None
    texts = Shown(page).texts
    assert "IgvmFile" == texts[0]
    assert ["SEV_SNP", "0x2", "1"] == texts[texts.index("SEV_SNP") :][:3]
    assert ["PAGE_DATA", "4"] == texts[texts.index("PAGE_DATA") :][:2]
    assert "right" in texts


def test_a_wrong_checksum_is_told() -> None:
    """A checksum that is not that of the headers stands beside the one that would be."""
    page = igvm.parse(raw.file(raw.platform(1), checksum=1))._repr_html_()
    assert page is not None
    assert "0x1, and the headers give 0x" in page


def test_a_closed_file_is_left_to_its_repr(tmp_path: Path) -> None:
    """A notebook falls back to the repr where there is no HTML."""
    HELLO.save(tmp_path / "hello.igvm")
    with igvm.open(tmp_path / "hello.igvm") as file:
        pass
    assert file._repr_html_() is None


def test_a_table_shows_fields_as_people_write_them() -> None:
    """A row a header: its position in the file, numbers in hex, enums and flags by name."""
    texts = Shown(HELLO.table(igvm.PageData)._repr_html_()).texts
    (secrets,) = [header for header in HELLO.all_of(igvm.PageData) if header.gpa == 0x103000]
    row = [str(secrets.index), "0x103000", "0x2", "0x0", "0", "SECRETS", "0x0"]
    assert row == texts[texts.index("0x103000") - 1 :][:7]
    assert "4 PageData" == texts[0]


def test_a_plan_shows_what_is_done_and_what_is_missing() -> None:
    """A row an operation, and above them what the plan assumes and lacks."""
    plan = igvm.plan(HELLO, "snp", loader="qemu-kvm", vcpus=2)
    texts = Shown(plan._repr_html_()).texts
    assert "SEV_SNP, loader qemu-kvm" == texts[0]
    assert ["SECRETS", "0x103000", "1", "yes"] == texts[texts.index("SECRETS") :][:4]
    assert "made by the loader" in texts
    assert any(text.startswith("cpu: the processor model must be known") for text in texts)


def test_a_measurement_shows_its_digest_whole() -> None:
    """The digest, its loader, and what it rests on."""
    measurement = igvm.measure(HELLO, "snp", loader="qemu-kvm", vcpus=1)
    texts = Shown(measurement._repr_html_()).texts
    assert measurement.digest.hex() in texts
    assert "1 vCPU, as asked for" in texts
    assert "qemu-kvm" in texts


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;b&gt;", "a\u202eb\x1b[2J"],
    ids=["a script", "an image", "an entity", "controls"],
)
def test_a_name_is_text_and_nothing_else(name: str) -> None:
    """What a file is called makes no tag, no entity and no control."""
    file = igvm.parse(HELLO.to_bytes(), path=name)
    page = file._repr_html_()
    assert page is not None
    assert {"div", "b", "table", "thead", "tbody", "tr", "th", "td"} == Shown(page).tags
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    assert f"IgvmFile {visible}" == Shown(page).texts[0]
    assert page.isprintable()


def test_many_rows_are_counted_and_not_shown() -> None:
    """The first rows are shown, and how many there are; no more are made than that."""
    file = file_for(SNP, *(raw.page(0x1000 * place) for place in range(5000)))
    table, plan = file.table(igvm.PageData), igvm.plan(file, "snp", loader="igvmmeasure")
    for page in (table._repr_html_(), plan._repr_html_()):
        assert f"{markup.MOST_ROWS} of 5,000 rows" in page
        assert 1 + markup.MOST_ROWS == len(re.findall("<tr>", page.partition("<thead>")[2]))
        assert len(page) < 20_000


def test_long_texts_are_cut() -> None:
    """No text makes a cell of any size."""
    assert "x" * markup.MOST_LETTERS + "…" == markup.text("x" * 100_000)


def test_many_facts_of_a_kind_are_counted() -> None:
    """Of many values of one name the first are shown."""
    page = markup.facts({"refused": [f"reason {number}" for number in range(100)], "none": ""})
    texts = Shown(page).texts
    assert "and 80 more" == texts[-1]
    assert "none" not in texts
