"""The summary of a file on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.check_results import SPECIFICATION
from igvm.report.endorsed_text import whose_piece
from igvm.report.entry_mode import TDX_START
from igvm.report.launch_summary import SUMMARY_MACHINE
from igvm.report.names_and_numbers import bytes_text, count_text
from igvm.report.registers import start_registers
from igvm.report.terminal_text import WIDTH, flow, line, paragraph, printable, shorten, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.check_results import Result
    from igvm.report.info_model import ContextModel, Info, Memory, Platform
    from igvm.report.launch_summary import LoaderVerdict
    from igvm.report.terminal_text import Line, Piece

_INDENT = 12
_MOST = 4
"""Contexts, ID blocks and the like that a screen shows."""
_DIGITS = 16
"""Hexadecimal digits of a digest on a screen."""
_MOST_TYPES = 12
"""Types of headers that a screen shows."""

RULES = {SPECIFICATION: "spec", "igvm-0.5": "igvm 0.5", "igvm-0.4": "igvm 0.4"}


def info_text(info: Info) -> Iterator[Line]:
    """The lines of the summary."""
    name = printable(info.file.name or "(no name)")
    yield line((shorten(name, 80), "title"))
    yield from _labelled("file", _format(info), gap=", ")
    if info.version is not None:
        yield from _labelled("version", [f'"{shorten(printable(info.version), 60)}"'])
    for number, platform in enumerate(info.platforms):
        yield from _platform(platform, "platform" if number == 0 else "")
    if not info.platforms:
        yield from _labelled("platform", [("none", "bad")])
    yield from _memory(info)
    yield from _starts(info)
    yield from _regions(info)
    yield from _signed(info)
    yield from _digests(info)
    yield from _loaders(info.loaders)
    yield from _headers(info.headers)
    yield from verdicts(info.results)


def _labelled(
    label: str,
    tokens: Iterable[str | Piece],
    *,
    gap: str = "  ",
    style: str = "name",
    hang: int = 0,
) -> Iterator[Line]:
    """Tokens after a label, and below each other where they need more than a line.

    Further lines start below the label's column, `hang` columns further in.
    """
    first = line((f"{label:<{_INDENT - 2}}  ", style))
    if gap == ", ":
        pieces = [(token, "") if isinstance(token, str) else token for token in tokens]
        last = len(pieces) - 1
        tokens = [
            (f"{text}," if number < last else text, piece_style)
            for number, (text, piece_style) in enumerate(pieces)
        ]
        gap = " "
    return flow(tokens, first=first, indent=_INDENT + hang, gap=gap)


def _format(info: Info) -> Iterator[str | Piece]:
    """Size, version, architecture, page size and checksum."""
    yield f"{info.file.size:,} bytes"
    yield f"version {info.revision}"
    yield info.architecture
    yield f"pages of {bytes_text(info.page_size)}"
    checksum = info.checksum
    if checksum.ok:
        yield ("checksum ok", "good")
    else:
        yield (f"checksum {checksum.stored:#010x} should be {checksum.computed:#010x}", "bad")


def _platform(platform: Platform, label: str) -> Iterator[Line]:
    """What is special about a platform."""
    tokens: list[str | Piece] = [
        f"{platform.platform_type:<13}",
        f"mask {platform.compatibility_mask:#x}",
    ]
    if platform.highest_vtl:
        tokens.append(f"VTL {platform.highest_vtl}")
    if platform.platform_version != 1:
        tokens.append(f"version {platform.platform_version}")
    if platform.shared_gpa_boundary:
        tokens.append(f"shared from {platform.shared_gpa_boundary:#x}")
    tokens += [f"policy {words}" for words in platform.policy_words[:_MOST]]
    yield from _labelled(label, tokens, hang=2)


_KINDS = ("zero", "secrets", "cpuid", "other", "unmeasured", "shared", "large")
_NAME = 15
"""Columns of a platform's name."""


def _memory(info: Info) -> Iterator[Line]:
    """A table with a row a platform, without columns that are zero throughout; and what is needed.

    Where the addresses have no room beside the numbers they are a table of their own.
    """
    listed = [(platform.platform_type, platform.memory) for platform in info.platforms]
    if not listed:
        return
    used = [kind for kind in _KINDS if any(getattr(memory, kind) for _, memory in listed)]
    heads = ["memory", "pages", *used, "in all", "addresses"]
    rows: list[list[str | Piece]] = [[(head, "quiet") for head in heads]]
    rows[0][0] = ("memory", "name")
    for name, memory in listed:
        counts = [memory.pages, *(getattr(memory, kind) for kind in used)]
        cells = [f"{count:,}" if count else "-" for count in counts]
        low, high = memory.lowest_gpa, memory.highest_gpa
        span = "-" if low is None or high is None else f"{low:#x} to {high:#x}"
        rows.append([f"  {name:<{_NAME - 2}}", *cells, bytes_text(memory.bytes), span])
    widths = [max(len(_text(row[i])) for row in rows) for i in range(len(heads))]
    right = frozenset(range(1, len(heads) - 1))
    if sum(widths) + 2 * len(widths) - 2 <= WIDTH:
        yield from table(rows, indent=0, right=right)
    else:
        yield from table([row[:-1] for row in rows], indent=0, right=right)
        yield from table([[row[0] if i else "", row[-1]] for i, row in enumerate(rows)], indent=0)
    yield from _needs(listed)


def _text(cell: str | Piece) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _needs(listed: list[tuple[str, Memory]]) -> Iterator[Line]:
    """Parameter areas and required memory, platforms that are alike together."""
    alike: dict[str, list[str]] = {}
    for name, memory in listed:
        words = []
        if memory.parameter_areas:
            areas = count_text(memory.parameter_areas, "parameter area")
            words.append(f"{areas} of {bytes_text(memory.parameter_bytes)}")
        if memory.required_bytes:
            words.append(f"{bytes_text(memory.required_bytes)} required")
        alike.setdefault(", ".join(words), []).append(name)
    is_one = len(alike) == 1
    sentences = [
        needed if is_one else f"{needed}: {', '.join(names)}"
        for needed, names in alike.items()
        if needed
    ]
    for number, sentence in enumerate(sentences):
        yield from _labelled("" if number else "needs", sentence.split(" "), gap=" ", hang=2)


def _starts(info: Info) -> Iterator[Line]:
    """In which mode each VP starts, and where, with the registers that mean something then."""
    shown = info.vp_contexts[:_MOST]
    rows = [
        (f"{_whose(context)} VP {_ranges(context.vp_indexes)}", _start(context))
        for context in shown
    ]
    if any(platform.platform_type == "TDX" for platform in info.platforms):
        rows.append(("TDX", [(word, "") for word in TDX_START.split(" ")]))
    for number, (name, tokens) in enumerate(rows):
        yield from _labelled("" if number else "starts", [name, *tokens], gap=" ", hang=2)
    if len(info.vp_contexts) > _MOST:
        count = count_text(len(info.vp_contexts) - _MOST, "more context")
        yield from _labelled("", [f"and {count}"])


def _start(context: ContextModel) -> list[Piece]:
    """The words on one context."""
    if context.context is None or context.start is None:
        return [(word, "bad") for word in (context.problem or "").split(" ")]
    terms = start_registers(context.context)
    sentence = ", ".join([context.start, *terms])
    return [(word, "") for word in sentence.split(" ")]


def _whose(context: ContextModel) -> str:
    """The platforms of a context."""
    return shorten("+".join(context.platforms) or "no platform", 24)


def _ranges(numbers: list[int]) -> str:
    """Numbers as ranges: `0-3,7`; three of them at most."""
    ordered = sorted(set(numbers))
    ranges: list[str] = []
    start = 0
    for i in range(len(ordered)):
        if i + 1 == len(ordered) or ordered[i + 1] != ordered[i] + 1:
            first, last = ordered[start], ordered[i]
            ranges.append(str(first) if first == last else f"{first}-{last}")
            start = i + 1
    return ",".join(ranges[:3]) + (",..." if len(ranges) > 3 else "")


def _regions(info: Info) -> Iterator[Line]:
    """What may move."""
    for number, region in enumerate(info.relocatable_regions[:_MOST]):
        end = region.gpa + region.size
        tokens = [
            "+".join(region.platforms) or "no platform",
            f"{region.gpa:#x} to {end - 1 if region.size else end:#x}",
            f"into {region.minimum_gpa:#x} to {region.maximum_gpa:#x}",
            f"by {bytes_text(region.alignment)}",
        ]
        yield from _labelled("relocation" if number == 0 else "", tokens)


def _signed(info: Info) -> Iterator[Line]:
    """Who vouches for the file."""
    vouched: list[tuple[str, str]] = []
    for block in info.id_blocks[:_MOST]:
        platforms = "+".join(block.platforms) or "no platform"
        vouched.append((f"SNP ID block for {platforms}, svn {block.guest_svn}, digest", block.ld))
    for measurement in info.vbs_measurements[:_MOST]:
        platforms = "+".join(measurement.platforms) or "no platform"
        title = f"VBS measurement for {platforms}, svn {measurement.security_version}, digest"
        vouched.append((title, measurement.boot_measurement_digest[:64]))
    for number, (title, digest) in enumerate(vouched):
        yield from _labelled("endorsed" if number == 0 else "", [title])
        yield line(digest)  # alone and whole, to be copied
        for tokens in _compared(info, digest):
            yield from _labelled("", tokens, gap=" ")
    kinds: dict[str, list[str]] = {}
    for corim in info.corim[: 2 * _MOST]:
        whose = "+".join(corim.platforms) or "no platform"
        kinds.setdefault(corim.kind, []).append(whose)
    documents = [f"CoRIM {kind} for {', '.join(whose)}" for kind, whose in kinds.items()]
    for number, words in enumerate(documents):
        label = "endorsed" if number == 0 and not vouched else ""
        yield from _labelled(label, words.split(" "), gap=" ", hang=2)


def _compared(info: Info, digest: str) -> Iterator[list[str | Piece]]:
    """Whose digest something vouches for, below it."""
    for endorsed in info.endorsed:
        if digest.startswith(endorsed.digest.hex()):
            text, style = whose_piece(endorsed)
            more = "; igvm measure compares it" if endorsed.not_compared else ""
            yield [(word, style) for word in f"{text}{more}".split(" ")]
            return


def _digests(info: Info) -> Iterator[Line]:
    """The first digits of what is measured on each platform."""
    if any(result.rules == "igvm-0.5" and result.verdict != "accepted" for result in info.results):
        return  # what no reader takes is never launched
    known = [f"{each.platform} {each.digest[:_DIGITS]}" for each in info.digests if each.digest]
    unknown: dict[str, list[str]] = {}
    for each in info.digests:
        if each.reason is not None:
            unknown.setdefault(printable(each.reason), []).append(each.platform)
    parts = []
    if known:
        parts.append(f"{', '.join(known)} by {info.digests[0].loader}; igvm measure has all")
    parts += [f"none of {', '.join(names)}: {reason}" for reason, names in unknown.items()]
    if parts:
        text = shorten("; ".join(parts), 3 * (WIDTH - _INDENT))
        yield from _labelled("digests", text.split(" "), gap=" ", hang=2)


def _loaders(verdicts: list[LoaderVerdict] | None) -> Iterator[Line]:
    """Which loaders take the file, and how to ask why the others do not."""
    if not verdicts:
        return
    taking = [_loader_name(each, verdicts) for each in verdicts if each.accepted]
    refusing = len(verdicts) - len(taking)
    if not taking:
        tokens: list[str | Piece] = [(f"refused by all {refusing}", "bad")]
    elif not refusing:
        tokens = [(f"accepted by all {len(taking)}", "good")]
    else:
        tokens = [("accepted by", "good"), *(f"{name}," for name in taking[:-1]), f"{taking[-1]};"]
        tokens.append((count_text(refusing, "refusal"), "bad"))
    how = f"igvm check --loader all --memory {SUMMARY_MACHINE.memory_size >> 30}G"
    tokens += f"({how})".split(" ")
    yield from _labelled("loaders", tokens, gap=" ", hang=2)


def _loader_name(verdict: LoaderVerdict, verdicts: list[LoaderVerdict]) -> str:
    """A loader, and where it is judged for several platforms the one that is meant."""
    is_alone = sum(each.loader == verdict.loader for each in verdicts) == 1
    return verdict.loader if is_alone else f"{verdict.loader} for {verdict.platform}"


_TOLD = frozenset(
    {
        *("SUPPORTED_PLATFORM", "GUEST_POLICY", "CCA_POLICY", "PARAMETER_AREA", "PAGE_DATA"),
        *("PARAMETER_INSERT", "VP_CONTEXT", "REQUIRED_MEMORY", "VERSION_STRING"),
        *("CORIM_DOCUMENT", "CORIM_SIGNATURE", "SNP_ID_BLOCK", "VBS_MEASUREMENT"),
        "RELOCATABLE_REGION",
    }
)
"""Types of headers that the summary is about, above."""


def _headers(counts: dict[str, int]) -> Iterator[Line]:
    """How many headers there are; of many types those that nothing else is said of."""
    listed = [f"{printable(kind)} {count:,}" for kind, count in counts.items()]
    if sum(map(len, listed)) + 2 * len(listed) > 2 * (WIDTH - _INDENT):
        kept = [kind for kind in counts if kind not in _TOLD]
        total = count_text(sum(counts.values()), "header")
        listed = [f"{total} of {count_text(len(counts), 'type')}"]
        listed += [f"{printable(kind)} {counts[kind]:,}" for kind in kept[:_MOST_TYPES]]
        if len(kept) > _MOST_TYPES:
            listed.append(f"and {count_text(len(kept) - _MOST_TYPES, 'more type')}")
    yield from _labelled("headers", listed or ["none"], gap=", ")


def verdicts(results: list[Result]) -> Iterator[Line]:
    """What each rule set says; those that have nothing against the file on one line."""
    names = [
        RULES[each.rules].replace("spec", "specification") for each in results if is_taken(each)
    ]
    if names:
        has_spec = names[0] == "specification"
        tokens = [("specification: no findings", "good")] * has_spec
        releases = " and ".join(names[has_spec:])
        tokens += [(f"{releases}: accepted", "good")] if releases else []
        yield from _labelled("checks", tokens, gap=", ")
    for result in results:
        if not is_taken(result):
            yield from verdict(result)


def is_taken(result: Result) -> bool:
    """Whether a rule set has nothing against the file."""
    if result.rules == SPECIFICATION:
        return not result.errors and not result.warnings
    return result.verdict == "accepted"


def verdict(result: Result) -> Iterator[Line]:
    """What a rule set says: the specification's rules that are broken, or a release's answer."""
    label = RULES[result.rules]
    if result.rules == SPECIFICATION:
        counts = [
            (count_text(count, name), style)
            for count, name, style in (
                (result.errors, "error", "bad"),
                (result.warnings, "warning", "warning"),
            )
            if count
        ]
        names = list(dict.fromkeys(finding.rule for finding in result.findings))
        more = [f"and {len(names) - 6} more rules"] if len(names) > 6 else []
        tokens: list[str | Piece] = [*counts, *names[:6], *more] or [("no findings", "good")]
        yield from _labelled(label, tokens, gap=", ")
    elif result.verdict == "accepted":
        yield from _labelled(label, [("accepted", "good")])
    else:
        error = next(finding for finding in result.findings if finding.is_error)
        outcome = "CRASHES" if result.verdict == "crashes" else "rejected"
        reason = error.found or error.message  # the rule in words has no room here
        text = ": ".join(printable(part) for part in (outcome, error.where, reason) if part)
        first = line((f"{label:<{_INDENT}}", "name"))
        yield from paragraph(
            shorten(text, WIDTH - _INDENT), first=first, indent=_INDENT, style="bad"
        )
