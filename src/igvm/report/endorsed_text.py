"""What a file vouches for, as text: whether it is the digest that was measured, and whose else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.launch.loader_table import loader_of
from igvm.measurement.endorsed_digests import matches_text
from igvm.report.terminal_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.measurement.endorsed_digests import EndorsedDigest
    from igvm.report.terminal_text import Piece


def whose_piece(endorsed: EndorsedDigest) -> Piece:
    """Whose digest the file vouches for."""
    if endorsed.matches:
        whose = printable(matches_text(endorsed.matches))
        if all(loader_of(name).is_tool for name in endorsed.loaders):
            whose += ": tools, which load nothing"
        return (f"that of {whose}", "good")
    if endorsed.not_compared:
        reason = next(iter(endorsed.not_compared.values()))
        return (f"not compared with the launch: {reason}", "warning")
    if not endorsed.others:
        return ("with no other to compare it with: all loaders refuse the file", "warning")
    tried = f"; tried were {_enumerated(endorsed.tried)}" if endorsed.tried else ""
    return (f"that of no loader or tool{tried}", "bad")


def endorsed_piece(endorsed: EndorsedDigest, digest: bytes | None = None) -> Piece:
    """Whose digest the file vouches for, and whether it is `digest`, in one sentence.

    Args:
        endorsed: what the file vouches for.
        digest: what was measured; None where nothing was, or several digests were.
    """
    whose, style = whose_piece(endorsed)
    if endorsed.digest == digest:
        return (f"for this digest, {whose}", "good")
    short = f"{endorsed.digest.hex()[:16]}..."
    if digest is None:
        return (f"for digest {short}, {whose}", style)
    return (f"for another digest, {short}, {whose}", "warning" if endorsed.matches else style)


def foreign_text(endorsed: Iterable[EndorsedDigest]) -> Iterator[str]:
    """A complaint about every digest that is that of no loader and no tool."""
    for each in endorsed:
        if each.is_foreign:
            text, _ = endorsed_piece(each)
            yield f"{each.platform.name}: the {each.title} is {text}"


def _enumerated(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
