"""Text for terminals: escapes, widths, flowing tokens and tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igvm.report.terminal_text import (
    columns,
    cut,
    flow,
    line,
    paragraph,
    plain,
    printable,
    shorten,
    table,
)


@pytest.mark.parametrize(
    ("escaped", "given_text"),
    [
        ("plain text", "plain text"),
        ("1.0 é 中", "1.0 é 中"),
        ("\\x1b[31mred", "\x1b[31mred"),
        ("a\\nb\\r\\t", "a\nb\r\t"),
        ("\\x7f\\x9b", "\x7f\x9b"),
        ("\\u202eright to left", "\u202eright to left"),
        ("\\ud800", "\ud800"),
        ("", ""),
    ],
)
def test_printable(escaped: str, given_text: str) -> None:
    """What could steer a terminal is escaped, and letters of any script stay."""
    assert escaped == printable(given_text)


@given(st.text())
def test_printable_has_nothing_unprintable(text: str) -> None:
    """Whatever the text, what comes out is printable."""
    assert printable(text).isprintable()


def test_columns_of_wide_letters() -> None:
    """A wide letter takes two columns, and is not cut in half."""
    assert columns("中a") == 3
    assert cut("中中a", 3) == ("中", "中a")


@pytest.mark.parametrize(
    ("short", "text", "width"),
    [
        ("abcdefghij", "abcdefghij", 10),
        ("abc...hijk", "abcdefghijk", 10),
        ("abc", "abcdef", 3),
        ("", "abcdef", 0),
        ("中...中", "中中中中中", 8),
    ],
)
def test_shorten(short: str, text: str, width: int) -> None:
    """The middle of what is too wide is left out."""
    assert short == shorten(text, width)


def test_flow_breaks_between_tokens() -> None:
    """Tokens that do not fit go to the next line, indented."""
    lines = list(flow(["a" * 40, "b" * 40, "c"], first=line("label "), indent=6))
    assert [f"label {'a' * 40}", f"      {'b' * 40}  c"] == [plain(row) for row in lines]


def test_flow_breaks_a_long_token_at_blanks() -> None:
    """A token that is wider than a line is broken at a blank where it has one."""
    token = f"{'a' * 50} {'b' * 50}"
    assert ["a" * 50, "b" * 50] == [plain(row) for row in flow([token])]


@given(st.lists(st.text(alphabet="ab 中", max_size=120)), st.integers(0, 20))
def test_flow_never_passes_the_margin(tokens: list[str], indent: int) -> None:
    """No line is wider than 80 columns, and no letter is lost but blanks."""
    lines = [plain(row) for row in flow(tokens, first=line(" " * indent), indent=indent)]
    assert all(columns(row) <= 80 for row in lines)
    assert "".join(tokens).replace(" ", "") == "".join(lines).replace(" ", "")


def test_paragraph() -> None:
    """A sentence is broken at its blanks."""
    lines = [plain(row) for row in paragraph("word " * 20, first=line("  "), indent=2)]
    assert ["  " + " ".join(["word"] * 15), "  " + " ".join(["word"] * 5)] == lines


def test_table_aligns() -> None:
    """Columns are aligned, numbers to the right."""
    rows = [["name", "n"], ["a", "1,000"], ["bb", "2"]]
    assert ["  name      n", "  a     1,000", "  bb        2"] == [
        plain(row) for row in table(rows, right=frozenset({1}))
    ]


def test_table_fits() -> None:
    """Rows that are too wide are cut to the width of a terminal."""
    rows = [["x" * 50, "y" * 50, "z"], ["1", "2", "3"]]
    assert all(len(plain(row)) <= 80 for row in table(rows, right=frozenset({1, 2})))
