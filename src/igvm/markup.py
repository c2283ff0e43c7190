"""Small tables of HTML, which notebooks show in place of a repr; every text in them is escaped."""

from __future__ import annotations

import html
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_ROWS = 20
"""Rows of a table that are shown; what follows is counted."""

MOST_LETTERS = 400
"""Letters of a text that are shown."""

# Notebooks align cells to the right, and say so for each cell.
_CELL = ' style="text-align:left;vertical-align:top;overflow-wrap:anywhere"'


def text(value: object) -> str:
    """`value` as text of HTML, with what cannot be seen in hex, as Python would write it.

    Names come from files. They may hold tags, and controls that turn the rest of a line around.
    """
    shown = str(value)
    more = "…" if len(shown) > MOST_LETTERS else ""
    visible = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in shown[:MOST_LETTERS]
    )
    return html.escape(visible + more)


def title(words: object) -> str:
    """A line above what follows."""
    return f"<div><b>{text(words)}</b></div>"


def facts(values: Mapping[str, object]) -> str:
    """A row for each fact that has a value: its name, and one line for each of several values."""
    rows = []
    for name, value in values.items():
        lines = value if isinstance(value, (list, tuple)) else [value]
        shown = [text(line) for line in islice(lines, MOST_ROWS)]
        if len(lines) > MOST_ROWS:
            shown.append(f"and {len(lines) - MOST_ROWS:,} more")
        if shown and shown != [""]:
            rows.append(
                f"<tr><th{_CELL}>{text(name)}</th><td{_CELL}>{'<br>'.join(shown)}</td></tr>"
            )
    return f"<table>{''.join(rows)}</table>" if rows else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], count: int) -> str:
    """The first of `count` rows below their heads; no more than MOST_ROWS are asked for."""
    head = "".join(f"<th{_CELL}>{text(name)}</th>" for name in heads)
    body = "".join(
        f"<tr>{''.join(f'<td{_CELL}>{text(value)}</td>' for value in row)}</tr>"
        for row in islice(rows, MOST_ROWS)
    )
    more = f"<div>{MOST_ROWS} of {count:,} rows</div>" if count > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
