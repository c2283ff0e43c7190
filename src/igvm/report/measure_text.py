"""Launch measurements as text: blocks, tables, traces, searches and differences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from igvm.report.layout import columns, flow, line, printable, shorten, table, words
from igvm.report.words import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from igvm.report.layout import Line, Piece
    from igvm.report.measure_model import (
        DifferenceModel,
        Expected,
        MeasureResult,
        PlaceModel,
        SearchModel,
        TraceStep,
    )

    Advice = Callable[[str | None, str | None], str | None]

_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_LABEL = 10
_CELL = 10
"""Hexadecimal digits of a digest in a table."""
_COLUMNS = 4
"""Numbers of vCPUs beside each other."""
_RUNNING = 16
"""Hexadecimal digits of a running digest."""
_FIELDS = 24
"""Fields of a context that are shown."""

_WORDS = {
    "operation": "the same page is loaded in another way",
    "address": "the operation is for another page",
    "contents": "the contents of the page differ",
    "context": "the contexts of the vCPU differ",
    "count": "one goes on with more pages",
    "order": "both have these pages, in another order",
    "missing": "only one of them has the page",
}


def blocks_text(results: Iterable[MeasureResult]) -> Iterator[Line]:
    """One block for each platform."""
    for result in results:
        if result.digest is None:
            yield from words(
                printable(result.error or ""), first=_title(result.platform), indent=_LABEL
            )
            continue
        algorithm = _ALGORITHMS[result.algorithm or ""]
        said = f"{result.name}, {algorithm}, loader {result.loader}, mask {result.mask:#x}"
        yield line(*_title(result.platform), said)
        yield from _digest(result.digest)
        pages = ", ".join(f"{count:,} {kind}" for kind, count in result.pages.items())
        yield from words(pages or "none", first=_label("pages"), indent=_LABEL + 2)
        for number, sentence in enumerate(result.assumptions):
            first = _label("assumed" if number == 0 else "")
            yield from words(printable(sentence), first=first, indent=_LABEL + 2)


def _title(platform: str) -> Line:
    return line((platform, "title"), "  ")


def _label(label: str) -> Line:
    return line((f"  {label:<{_LABEL - 2}}  ", "name"))


def _digest(digest: str, label: str = "digest", style: str = "") -> Iterator[Line]:
    """A digest in one line, or in two or three equal ones where it does not fit."""
    size = len(digest) if len(digest) <= 64 else 48 if len(digest) == 96 else 64
    for start in range(0, len(digest), size):
        yield line(*_label(label if start == 0 else ""), (digest[start : start + size], style))


def table_text(results: Sequence[MeasureResult], advice: Advice) -> Iterator[Line]:
    """A table of loaders and vCPU counts for each platform, and the digests in full.

    `advice` says what can be done where there is no digest.
    """
    for platform, several in itertools.groupby(results, lambda one: one.platform):
        mine = list(several)
        measured = next((one for one in mine if one.algorithm), None)
        if measured is None:
            yield from blocks_text(mine[:1])
            continue
        algorithm = _ALGORITHMS[measured.algorithm or ""]
        said = f"{measured.name}, {algorithm}, mask {measured.mask:#x}"
        yield line(*_title(platform), said)
        counts = list(dict.fromkeys(one.vcpus for one in mine))
        for start in range(0, len(counts), _COLUMNS):
            yield from _cells(mine, counts[start : start + _COLUMNS])
        yield from _in_full(mine)
        yield from _assumptions(mine)
        yield from _refusals(mine, advice)


def _cells(results: Sequence[MeasureResult], counts: list[int | None]) -> Iterator[Line]:
    """The first digits of every digest."""
    found = {(one.loader, one.vcpus): one for one in results}
    heads = ["digest" if count is None else count_text(count, "vCPU") for count in counts]
    rows: list[list[str | Piece]] = [[(head, "quiet") for head in ("loader", *heads)]]
    for name in dict.fromkeys(one.loader for one in results):
        row: list[str | Piece] = [name]
        row += [_cell(found.get((name, count))) for count in counts]
        rows.append(row)
    yield from table(rows)


def _cell(result: MeasureResult | None) -> Piece:
    if result is None:
        return ("-", "quiet")
    if result.digest is None:
        return ("refused" if result.missing is None else "incomplete", "warning")
    return (result.digest[:_CELL], "")


def _in_full(results: Sequence[MeasureResult]) -> Iterator[Line]:
    """Each different digest once, with the loaders that lead to it."""
    by_digest: dict[str, dict[str, list[int]]] = {}
    for one in results:
        if one.digest is not None:
            counts = by_digest.setdefault(one.digest, {}).setdefault(one.loader, [])
            counts += [] if one.vcpus is None else [one.vcpus]
    several = len({one.vcpus for one in results}) > 1
    for digest, who in by_digest.items():
        yield from _digest(digest, digest[: _LABEL - 2])
        said = [
            name + (f" ({', '.join(map(str, numbers))})" if several else "")
            for name, numbers in who.items()
        ]
        yield from words(", ".join(said), first=_label(""), indent=_LABEL + 2, style="quiet")


def _assumptions(results: Sequence[MeasureResult]) -> Iterator[Line]:
    """What digests rest on, each with the loaders that assume it."""
    by_sentence: dict[str, list[str]] = {}
    for one in results:
        for sentence in one.assumptions:
            if not sentence.endswith("as asked for"):  # the heading says it
                by_sentence.setdefault(sentence, []).append(one.loader)
    for sentence, who in by_sentence.items():
        yield from _remark(f"{', '.join(dict.fromkeys(who))}: {sentence}", "quiet")


def _refusals(results: Sequence[MeasureResult], advice: Advice) -> Iterator[Line]:
    """Why cells have no digest, each reason with the loaders that have it."""
    by_reason: dict[str, list[str]] = {}
    for one in results:
        if one.digest is None:
            error = (one.error or "").removeprefix(f"loader {one.loader} ")
            reason = "; ".join(part for part in (error, advice(one.hint, one.missing)) if part)
            by_reason.setdefault(reason, []).append(one.loader)
    for reason, who in by_reason.items():
        yield from _remark(f"{', '.join(dict.fromkeys(who))}: {reason}", "warning")


def _remark(text: str, style: str) -> Iterator[Line]:
    yield from words(printable(text), first=line("  "), indent=4, style=style)


def expected_text(expected: Expected, results: Sequence[MeasureResult]) -> Iterator[Line]:
    """Whether a result has the digest that was expected."""
    for one in results:
        if one.digest == expected.digest:
            said = f"as expected, loader {one.loader}"
            said += "" if one.vcpus is None else f", {count_text(one.vcpus, 'vCPU')}"
            yield line(*_title(one.platform), (said, "good"))
            yield from _digest(expected.digest)
    if expected.matches:
        return
    yield from _digest(expected.digest, "expected", "bad")
    for one in results:
        if one.digest is not None:
            said = f"loader {one.loader}"
            said += "" if one.vcpus is None else f", {count_text(one.vcpus, 'vCPU')}"
            yield line(*_title(one.platform), said)
            yield from _digest(one.digest, "measured")


def trace_head(platform: str, loader: str, name: str) -> Iterator[Line]:
    """The lines before a trace."""
    yield line(*_title(platform), f"{name}, loader {loader}")
    heads = f"  {'operation':<11}  {'address':>14}  {'pages':>7}  {'header':>6}  {'note':<12}"
    yield line((f"{heads}  digest after it", "quiet"))


def step_text(step: TraceStep) -> Iterator[Line]:
    """One step of a trace, in one line."""
    where = "" if step.gpa is None else f"{step.gpa:#x}"
    header = "-" if step.header is None else f"#{step.header}"
    digest = step.digest[:_RUNNING] if step.measured else "unchanged"
    if step.gpa is None:
        middle = f"{shorten(printable(step.note), 47):<47}"
    else:
        note = shorten(printable(step.note), 12)
        middle = f"{where:>14}  {step.pages:>7}  {header:>6}  {note:<12}"
    style = "" if step.measured else "quiet"
    yield line(f"  {step.operation:<11}  {middle}  ", (digest, style))


def trace_tail(digest: str) -> Iterator[Line]:
    """The lines after a trace."""
    yield from _digest(digest)


def search_text(search: SearchModel) -> Iterator[Line]:
    """What a search found."""
    for match in search.matches:
        options = [f"--{one.strip()}" for one in match.options.split("--")[1:]]
        yield from flow(options, first=line(("found  ", "good")), indent=7, gap=" ")
        for sentence in match.deviations:
            first = line("       ", ("but ", "warning"))
            yield from words(printable(sentence), first=first, indent=11, style="warning")
    if not search.matches:
        yield line(("not found", "bad"))
    for who, why in search.refused.items():
        platform, _, loader = who.partition(" ")
        said = printable(f"{loader} refuses {platform}: {why}")
        yield from words(said, first=line("  "), indent=4, style="quiet")
    yield line((f"  {count_text(search.tried, 'digest')} compared", "quiet"))


def difference_text(found: DifferenceModel) -> Iterator[Line]:
    """Where two launches part ways."""
    before = count_text(found.index, "page")
    if found.kind is None:
        yield line(*_title(found.platform), (f"no difference in {before}", "good"))
        return
    said = f"{_WORDS[found.kind]}, after {before} alike"
    yield from words(said, first=_title(found.platform), indent=4)
    files = [found.first_file or "", found.second_file or ""]
    rows: list[list[str]] = [["", "first", "second"]]
    if files[0] != files[1]:
        rows.append(["file", *(shorten(printable(name), 30) for name in files)])
    rows.append(["loader", found.first_loader, found.second_loader])
    sides = (found.first, found.second)
    rows.append(["operation", *map(_operation, sides)])
    rows.append(["address", *("-" if one is None else f"{one.gpa:#x}" for one in sides)])
    rows.append(["header", *map(_header, sides)])
    if found.offset is not None:
        where = [_byte(one, found.offset) for one in sides]
        rows.append(["first byte", *where])
        rows.append(["bytes", f"{found.bytes:,} differ", ""])
    rows += [[one.name, one.first, one.second] for one in found.fields[:_FIELDS]]
    wide = [[shorten(printable(cell), 32) for cell in row] for row in rows]
    assert all(columns(cell) <= 32 for row in wide for cell in row)
    yield from table([[(row[0], "name"), *row[1:]] for row in wide])
    if len(found.fields) > _FIELDS:
        yield line((f"  and {len(found.fields) - _FIELDS:,} more fields", "quiet"))


def _operation(place: PlaceModel | None) -> str:
    if place is None:
        return "at its end"
    if place.operation == "VP_CONTEXT":
        return f"VP_CONTEXT of vCPU {place.vp_index}"
    return place.operation + (f", page {place.page + 1} of {place.pages}" if place.page else "")


def _header(place: PlaceModel | None) -> str:
    if place is None:
        return "-"
    return "made by the loader" if place.header is None else f"#{place.header}"


def _byte(place: PlaceModel | None, offset: int) -> str:
    """Where the first byte that differs is."""
    if place is None or place.source is None:
        return f"+{offset:#x}, not in the file"
    return f"+{offset:#x}, file +{place.source + offset:#x}"
