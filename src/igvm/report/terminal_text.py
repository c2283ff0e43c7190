"""Text for terminals of 80 columns: lines of styled pieces, tables and flowing tokens.

A line is a tuple of pieces, each a text and the name of a style. What prints it decides whether
styles become colours; nothing here depends on a terminal.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Piece = tuple[str, str]
"""A text and its style: one of STYLES."""

Line = tuple[Piece, ...]

STYLES = ("", "title", "name", "quiet", "good", "warning", "bad")

WIDTH = 80


def line(*parts: str | Piece) -> Line:
    """A line of plain and styled pieces."""
    return tuple((part, "") if isinstance(part, str) else part for part in parts if part)


def plain(styled: Line) -> str:
    """The text of a line, without trailing blanks."""
    return "".join(text for text, _ in styled).rstrip()


def printable(text: str) -> str:
    r"""`text` with every character that could steer a terminal written as an escape.

    Controls, escape sequences, line ends, bidirectional overrides and lone surrogates become
    `\x1b`, `\u202e` and so on; letters stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def columns(text: str) -> int:
    """Columns that printable text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(1 + (unicodedata.east_asian_width(letter) in {"F", "W"}) for letter in text)


def cut(text: str, width: int) -> tuple[str, str]:
    """The part of `text` that fits `width` columns, and the rest."""
    if text.isascii():
        return text[:width], text[width:]
    used = 0
    for position, letter in enumerate(text):
        used += columns(letter)
        if used > width and position:
            return text[:position], text[position:]
    return text, ""


def shorten(text: str, width: int) -> str:
    """`text`, with its middle left out where it is wider than `width`."""
    if columns(text) <= width:
        return text
    if width < 8:
        return cut(text, width)[0] if width > 0 else ""
    head, _ = cut(text, (width - 3) // 2)
    tail, _ = cut(text[::-1], width - 3 - columns(head))
    return f"{head}...{tail[::-1]}"


def flow(
    tokens: Iterable[str | Piece], *, first: Line = (), indent: int = 0, gap: str = "  "
) -> Iterator[Line]:
    """Lines that hold `tokens` one after the other, each whole where it can be.

    `first` starts the first line; the others start with `indent` blanks.
    """
    pieces = list(first)
    used = columns("".join(text for text, _ in pieces))
    is_empty = True
    for token in tokens:
        text, style = (token, "") if isinstance(token, str) else token
        while text:
            space = "" if is_empty else gap
            room = WIDTH - used - len(space)
            if columns(text) <= room:
                pieces += [(space, ""), (text, style)]
                used += len(space) + columns(text)
                is_empty = False
                break
            if is_empty and used <= indent:
                start, text = _broken(text, room)
                pieces.append((start, style))
            yield tuple(pieces)
            pieces, used, is_empty = [(" " * indent, "")], indent, True
    if not is_empty or first:
        yield tuple(pieces)


def _broken(text: str, width: int) -> tuple[str, str]:
    """The part of `text` that fits, up to a blank if there is one, and the rest."""
    head, tail = cut(text, width)
    blank = head.rfind(" ")
    return (head[:blank], text[blank + 1 :]) if tail and blank > 0 else (head, tail)


def paragraph(text: str, *, first: Line = (), indent: int = 0, style: str = "") -> Iterator[Line]:
    """Lines that hold `text`, broken at blanks."""
    return flow(((word, style) for word in text.split(" ")), first=first, indent=indent, gap=" ")


def table(
    rows: Sequence[Sequence[str | Piece]], *, indent: int = 2, right: frozenset[int] = frozenset()
) -> Iterator[Line]:
    """Rows with their columns aligned, to the right those in `right`; cells are cut to fit."""
    cells = [[(cell, "") if isinstance(cell, str) else cell for cell in row] for row in rows]
    count = max(map(len, cells), default=0)
    widths = [
        max((columns(row[i][0]) for row in cells if i < len(row)), default=0) for i in range(count)
    ]
    gap = "  " if indent + sum(widths) + 2 * (count - 1) <= WIDTH else " "
    for row in cells:
        pieces: list[Piece] = [(" " * indent, "")]
        room = WIDTH - indent
        for i, (text, style) in enumerate(row):
            width = min(widths[i], room)
            shown = shorten(text, width)
            blank = " " * (width - columns(shown))
            pieces += [(blank, ""), (shown, style)] if i in right else [(shown, style), (blank, "")]
            room -= width
            if i + 1 < len(row) and room >= len(gap):
                pieces.append((gap, ""))
                room -= len(gap)
        yield tuple(pieces)
