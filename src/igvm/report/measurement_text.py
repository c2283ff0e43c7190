"""Launch measurements as text: a block a platform, or a table of loaders and vCPU counts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from igvm.report.endorsed_text import endorsed_piece
from igvm.report.names_and_numbers import count_text
from igvm.report.terminal_text import line, paragraph, printable, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from igvm.measurement.endorsed_digests import EndorsedDigest
    from igvm.report.measurements import Expected, MeasureResult
    from igvm.report.refusal import Refusal
    from igvm.report.terminal_text import Line, Piece
    from igvm.spec.enums import PlatformType

    Advice = Callable[[Refusal], str | None]

_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_LABEL = 10
"""Columns of a label."""
_CELL = 10
"""Hexadecimal digits of a digest in a table."""
_COLUMNS = 4
"""Numbers of vCPUs beside each other."""


def blocks_text(
    results: Iterable[MeasureResult], endorsed: Sequence[EndorsedDigest] = ()
) -> Iterator[Line]:
    """One block for each platform, with what the file vouches for there."""
    for result in results:
        measurement = result.measurement
        if measurement is None:
            reason = "" if result.refusal is None else printable(result.refusal.message)
            yield from paragraph(reason, first=platform_title(result.platform), indent=_LABEL)
            continue
        algorithm = _ALGORITHMS[measurement.algorithm]
        summary = f"{result.name}, {algorithm}, loader {result.loader}, mask {measurement.mask:#x}"
        yield line(*platform_title(result.platform), summary)
        yield from digest_text(measurement.digest)
        yield from rejection_text([result])
        for each in endorsed:
            if each.platform == result.platform:
                text, style = endorsed_piece(each, measurement.digest)
                first = _label(each.title if len(each.title) < _LABEL - 1 else "endorsed")
                yield from paragraph(text, first=first, indent=_LABEL + 2, style=style)
        pages = ", ".join(f"{count:,} {kind}" for kind, count in measurement.pages.items())
        yield from paragraph(pages or "none", first=_label("pages"), indent=_LABEL + 2)
        for number, sentence in enumerate(measurement.assumptions):
            first = _label("assumed" if number == 0 else "")
            yield from paragraph(printable(sentence), first=first, indent=_LABEL + 2)


def rejection_text(results: Iterable[MeasureResult]) -> Iterator[Line]:
    """Why the readers of loaders reject the file, each reason once."""
    releases: dict[str, list[str]] = {}
    for result in results:
        rejection = result.rejection
        if rejection is not None:
            where = f"{rejection.where}: " if rejection.where else ""
            reason = where + (rejection.found or rejection.message)
            releases.setdefault(reason, []).append(rejection.rule.partition("/")[0])
    for reason, names in releases.items():
        crates = " and ".join(name.replace("-", " ") for name in dict.fromkeys(names))
        verb = "reject" if " and " in crates else "rejects"
        text = f"{crates} {verb} the file, and no loader that reads with it has this digest"
        first = _label("rejected")
        text = printable(f"{text}: {reason}")
        yield from paragraph(text, first=first, indent=_LABEL + 2, style="bad")


def platform_title(platform: PlatformType) -> Line:
    """The name of a platform, at the start of a line."""
    return line((platform.name, "title"), "  ")


def _label(label: str) -> Line:
    return line((f"  {label:<{_LABEL - 2}}  ", "name"))


def digest_text(digest: bytes, style: str = "") -> Iterator[Line]:
    """A digest alone on its line, whole: what is broken cannot be copied or searched for."""
    yield line((digest.hex(), style))


def table_text(
    results: Sequence[MeasureResult], advice: Advice, endorsed: Sequence[EndorsedDigest] = ()
) -> Iterator[Line]:
    """A table of loaders and vCPU counts for each platform, and the digests in full.

    Args:
        results: those of a platform one after the other.
        advice: what can be done where there is no measurement.
        endorsed: what the file vouches for.
    """
    for platform, group in itertools.groupby(results, lambda result: result.platform):
        of_platform = list(group)
        measured = [result.measurement for result in of_platform if result.measurement]
        if not measured:
            yield from blocks_text(of_platform[:1])
            continue
        algorithm = _ALGORITHMS[measured[0].algorithm]
        summary = f"{of_platform[0].name}, {algorithm}, mask {measured[0].mask:#x}"
        yield line(*platform_title(platform), summary)
        counts = list(dict.fromkeys(result.vcpus for result in of_platform))
        for start in range(0, len(counts), _COLUMNS):
            yield from _cells(of_platform, counts[start : start + _COLUMNS])
        yield from _in_full(of_platform)
        yield from rejection_text(of_platform)
        for each in endorsed:
            if each.platform == platform:
                text, style = endorsed_piece(each)
                yield from _remark(f"the {each.title} is {text}", style)
        yield from _assumptions(of_platform)
        yield from _refusals(of_platform, advice)


def _cells(results: Sequence[MeasureResult], counts: list[int | None]) -> Iterator[Line]:
    """The first digits of every digest."""
    by_launch = {(result.loader, result.vcpus): result for result in results}
    heads = ["digest" if count is None else count_text(count, "vCPU") for count in counts]
    rows: list[list[str | Piece]] = [[(head, "quiet") for head in ("loader", *heads)]]
    for name in dict.fromkeys(result.loader for result in results):
        row: list[str | Piece] = [name]
        row += [_cell(by_launch.get((name, count))) for count in counts]
        rows.append(row)
    yield from table(rows)


def _cell(result: MeasureResult | None) -> Piece:
    if result is None:
        return ("-", "quiet")
    if result.measurement is not None:
        return (result.measurement.digest.hex()[:_CELL], "")
    is_incomplete = result.refusal is not None and result.refusal.missing is not None
    return ("incomplete" if is_incomplete else "refused", "warning")


def _in_full(results: Sequence[MeasureResult]) -> Iterator[Line]:
    """Each different digest once, with the loaders that lead to it."""
    by_digest: dict[bytes, dict[str, list[int]]] = {}
    for result in results:
        if result.measurement is not None:
            loaders = by_digest.setdefault(result.measurement.digest, {})
            counts = loaders.setdefault(result.loader, [])
            counts += [] if result.vcpus is None else [result.vcpus]
    has_counts = len({result.vcpus for result in results}) > 1
    for digest, loaders in by_digest.items():
        names = [
            name + (f" ({', '.join(map(str, counts))})" if has_counts else "")
            for name, counts in loaders.items()
        ]
        yield from paragraph(", ".join(names), first=line("  "), indent=4, style="quiet")
        yield from digest_text(digest)


def _assumptions(results: Sequence[MeasureResult]) -> Iterator[Line]:
    """What digests rest on, each with the loaders that assume it."""
    from igvm.launch.kvm.vcpu_rows import vcpus_asked_for

    by_sentence: dict[str, list[str]] = {}
    for result in results:
        # The head of the column says how many vCPUs there are.
        heading = None if result.vcpus is None else vcpus_asked_for(result.vcpus)
        for sentence in result.measurement.assumptions if result.measurement else ():
            if sentence != heading:
                by_sentence.setdefault(sentence, []).append(result.loader)
    for sentence, names in by_sentence.items():
        yield from _remark(f"{', '.join(dict.fromkeys(names))}: {sentence}", "quiet")


def _refusals(results: Sequence[MeasureResult], advice: Advice) -> Iterator[Line]:
    """Why cells have no digest, each reason with the loaders that have it."""
    by_reason: dict[str, list[str]] = {}
    for result in results:
        if result.refusal is not None:
            parts = (result.refusal.message, advice(result.refusal))
            reason = "; ".join(part for part in parts if part)
            by_reason.setdefault(reason, []).append(result.loader)
    for reason, names in by_reason.items():
        yield from _remark(f"{', '.join(dict.fromkeys(names))}: {reason}", "warning")


def _remark(text: str, style: str) -> Iterator[Line]:
    yield from paragraph(printable(text), first=line("  "), indent=4, style=style)


def expected_text(
    expected: Expected, results: Sequence[MeasureResult], search: str
) -> Iterator[Line]:
    """Whether a result has the digest that was expected; else that `search` looks for it."""
    for result in results:
        if result.measurement is not None and result.measurement.digest == expected.digest:
            yield line(
                *platform_title(result.platform), (f"as expected, {_launch_text(result)}", "good")
            )
            yield from digest_text(expected.digest)
    if expected.matches:
        return
    yield line(("expected", "title"))
    yield from digest_text(expected.digest, "bad")
    for result in results:
        if result.measurement is not None:
            yield line(*platform_title(result.platform), f"measured, {_launch_text(result)}")
            yield from digest_text(result.measurement.digest)
    yield from _remark(f"`{search}` searches for what leads to the expected digest", "quiet")


def _launch_text(result: MeasureResult) -> str:
    """Who loaded the file, and for how many vCPUs."""
    vcpus = "" if result.vcpus is None else f", {count_text(result.vcpus, 'vCPU')}"
    return f"loader {result.loader}{vcpus}"
