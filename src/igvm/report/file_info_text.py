"""The summary of a file on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.check_results import SPECIFICATION
from igvm.report.endorsed_text import whose_piece
from igvm.report.names_and_numbers import bytes_text, count_text, policy_text
from igvm.report.registers import main_text
from igvm.report.terminal_text import WIDTH, flow, line, paragraph, printable, shorten, table
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.check_results import Result
    from igvm.report.info_model import ContextModel, Info, Platform
    from igvm.report.terminal_text import Line, Piece

_INDENT = 12
_MOST = 4
"""Contexts, ID blocks and the like that a screen shows."""
_MOST_TYPES = 28
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
    yield from _contexts(info.vp_contexts)
    yield from _regions(info)
    yield from _signed(info)
    counts = [f"{printable(kind)} {count:,}" for kind, count in info.headers.items()]
    hidden = len(counts) - _MOST_TYPES
    more = [f"and {hidden:,} more types"] if hidden > 0 else []
    yield from _labelled("headers", [*counts[:_MOST_TYPES], *more] or ["none"], gap=", ")
    if info.results:
        yield line()
    for result in info.results:
        yield from verdict(result)


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
    kind = getattr(PlatformType, platform.platform_type, PlatformType.NATIVE)
    tokens += [f"policy {policy_text(policy.value, kind)}" for policy in platform.policies[:_MOST]]
    for cca in platform.cca_policies[:_MOST]:
        tokens.append(f"policy {cca.hash_algorithm}, {cca.lfa_policy}")
        tokens.append(f"ones {cca.attributes_required_ones:#x}")
        tokens.append(f"zeroes {cca.attributes_required_zeroes:#x}")
    yield from _labelled(label, tokens)


_KINDS = ("normal", "zero", "secrets", "cpuid", "other", "unmeasured", "shared", "large")


def _memory(info: Info) -> Iterator[Line]:
    """Two tables with a row a platform; columns that are zero throughout are left out."""
    listed = [(platform.platform_type, platform.memory) for platform in info.platforms]
    used = [kind for kind in _KINDS if any(getattr(memory, kind) for _, memory in listed)]
    pages: list[list[str | Piece]] = []
    spans: list[list[str | Piece]] = []
    for name, memory in listed:
        counts = [memory.pages, *(getattr(memory, kind) for kind in used)]
        cells = [f"{count:,}" if count else "-" for count in counts]
        pages.append([f"{name:<13}", *cells, bytes_text(memory.bytes)])
        low, high = memory.lowest_gpa, memory.highest_gpa
        spans.append(
            [
                f"{name:<13}",
                "-" if low is None or high is None else f"{low:#x} to {high:#x}",
                _areas(memory.parameter_areas, memory.parameter_bytes),
                bytes_text(memory.required_bytes) if memory.required_bytes else "-",
            ]
        )
    if listed:
        heads = ("pages", *used, "in all")
        yield from _table("memory", heads, pages, frozenset(range(1, len(heads) + 1)))
        yield from _table("", ("addresses", "parameter areas", "required"), spans, frozenset())


def _table(
    label: str, heads: Iterable[str], rows: list[list[str | Piece]], right: frozenset[int]
) -> Iterator[Line]:
    """A table with `label` beside its first line, which is the names of its columns."""
    first: list[str | Piece] = ["", *((head, "quiet") for head in heads)]
    for number, row in enumerate(table([first, *rows], indent=_INDENT, right=right)):
        yield line((f"{label:<{_INDENT}}", "name"), *row[1:]) if number == 0 else row


def _areas(count: int, size: int) -> str:
    """The parameter areas of a platform."""
    return f"{count:,}, {bytes_text(size)}" if count else "-"


def _contexts(contexts: list[ContextModel]) -> Iterator[Line]:
    """The first registers of each VP."""
    shown = contexts[:_MOST]
    names = [f"{_whose(context)} VP {_ranges(context.vp_indexes)}" for context in shown]
    width = max(map(len, names), default=0)
    for number, (context, name) in enumerate(zip(shown, names, strict=True)):
        tokens: list[str | Piece] = [(f"{name:<{width}}", "")]
        if context.context is None:
            tokens += [(context.problem or "", "bad")]
        else:
            tokens += main_text(context.context) or ["all zero"]
        yield from _labelled("registers" if number == 0 else "", tokens, hang=width + 2)
    if len(contexts) > _MOST:
        yield from _labelled("", [f"and {len(contexts) - _MOST:,} more contexts"])


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
    documents = [
        f"CoRIM {corim.kind} for {'+'.join(corim.platforms) or 'no platform'} "
        f"({bytes_text(corim.size)})"
        for corim in info.corim[: 2 * _MOST]
    ]
    if documents:
        yield from _labelled("" if vouched else "endorsed", documents, gap=", ")


def _compared(info: Info, digest: str) -> Iterator[list[str | Piece]]:
    """Whose digest something vouches for, below it."""
    for endorsed in info.endorsed:
        if digest.startswith(endorsed.digest.hex()):
            text, style = whose_piece(endorsed)
            more = "; igvm measure compares it" if endorsed.not_compared else ""
            yield [(word, style) for word in f"{text}{more}".split(" ")]
            return


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
            shorten(text, 2 * WIDTH - 3 * _INDENT), first=first, indent=_INDENT, style="bad"
        )
