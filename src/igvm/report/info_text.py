"""The summary of a file on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from igvm.report.layout import WIDTH, flow, line, printable, shorten, table, words
from igvm.report.registers import main_text
from igvm.report.words import bytes_text, count_text, policy_text
from igvm.spec.enums import PlatformType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from igvm.report.findings import Result
    from igvm.report.info_model import ContextModel, Info, Platform
    from igvm.report.layout import Line, Piece

_INDENT = 12
_MOST = 4
"""Contexts, ID blocks and the like that a screen shows."""

RULES = {"spec": "spec", "igvm-0.5": "igvm 0.5", "igvm-0.4": "igvm 0.4"}


def info_text(info: Info) -> Iterator[Line]:
    """The lines of the summary."""
    name = printable(info.file.name or "(no name)")
    yield line((shorten(name, 80), "title"))
    yield from _labelled("file", _format(info), gap=", ")
    if info.version is not None:
        yield from _labelled("version", [f'"{shorten(printable(info.version), 60)}"'])
    for number, one in enumerate(info.platforms):
        yield from _platform(one, "platform" if number == 0 else "")
    if not info.platforms:
        yield from _labelled("platform", [("none", "bad")])
    yield from _memory(info)
    yield from _contexts(info.vp_contexts)
    yield from _regions(info)
    yield from _signed(info)
    counts = [f"{printable(kind)} {count:,}" for kind, count in info.headers.items()]
    shown, rest = counts[:28], len(counts) - 28
    more = [f"and {rest:,} more types"] if rest > 0 else []
    yield from _labelled("headers", [*shown, *more] or ["none"], gap=", ")
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
        pieces = [(one, "") if isinstance(one, str) else one for one in tokens]
        last = len(pieces) - 1
        tokens = [(f"{one}," if i < last else one, how) for i, (one, how) in enumerate(pieces)]
        gap = " "
    return flow(tokens, first=first, indent=_INDENT + hang, gap=gap)


def _format(info: Info) -> Iterator[str | Piece]:
    """Size, version, architecture, page size and checksum."""
    yield f"{info.file.size:,} bytes"
    yield f"version {info.revision}"
    yield info.architecture
    yield f"pages of {bytes_text(info.page_size)}"
    sums = info.checksum
    if sums.ok:
        yield ("checksum ok", "good")
    else:
        yield (f"checksum {sums.stored:#010x} should be {sums.computed:#010x}", "bad")


def _platform(one: Platform, label: str) -> Iterator[Line]:
    """What is special about a platform."""
    tokens: list[str | Piece] = [
        f"{one.platform_type:<13}",
        f"mask {one.compatibility_mask:#x}",
    ]
    if one.highest_vtl:
        tokens.append(f"VTL {one.highest_vtl}")
    if one.platform_version != 1:
        tokens.append(f"version {one.platform_version}")
    if one.shared_gpa_boundary:
        tokens.append(f"shared from {one.shared_gpa_boundary:#x}")
    kind = getattr(PlatformType, one.platform_type, PlatformType.NATIVE)
    tokens += [f"policy {policy_text(policy.value, kind)}" for policy in one.policies[:_MOST]]
    for cca in one.cca_policies[:_MOST]:
        tokens.append(f"policy {cca.hash_algorithm}, {cca.lfa_policy}")
        tokens.append(f"ones {cca.attributes_required_ones:#x}")
        tokens.append(f"zeroes {cca.attributes_required_zeroes:#x}")
    yield from _labelled(label, tokens)


_KINDS = ("normal", "zero", "secrets", "cpuid", "other", "unmeasured", "shared", "large")


def _memory(info: Info) -> Iterator[Line]:
    """Two tables with a row a platform; columns that are zero throughout are left out."""
    listed = [(one.platform_type, one.memory) for one in info.platforms]
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
    for number, one in enumerate(table([first, *rows], indent=_INDENT, right=right)):
        yield line((f"{label:<{_INDENT}}", "name"), *one[1:]) if number == 0 else one


def _areas(count: int, size: int) -> str:
    """The parameter areas of a platform."""
    return f"{count:,}, {bytes_text(size)}" if count else "-"


def _contexts(contexts: list[ContextModel]) -> Iterator[Line]:
    """The first registers of each VP."""
    shown = contexts[:_MOST]
    names = [f"{_whose(one)} VP {_runs(one.vp_indexes)}" for one in shown]
    width = max(map(len, names), default=0)
    for number, (one, name) in enumerate(zip(shown, names, strict=True)):
        tokens: list[str | Piece] = [(f"{name:<{width}}", "")]
        if one.context is None:
            tokens += [(one.problem or "", "bad")]
        else:
            tokens += main_text(one.context) or ["all zero"]
        yield from _labelled("registers" if number == 0 else "", tokens, hang=width + 2)
    if len(contexts) > _MOST:
        yield from _labelled("", [f"and {len(contexts) - _MOST:,} more contexts"])


def _whose(context: ContextModel) -> str:
    """The platforms of a context."""
    return shorten("+".join(context.platforms) or "no platform", 24)


def _runs(numbers: list[int]) -> str:
    """Numbers as ranges: `0-3,7`."""
    ordered = sorted(set(numbers))
    said: list[str] = []
    start = 0
    for i in range(len(ordered)):
        if i + 1 == len(ordered) or ordered[i + 1] != ordered[i] + 1:
            first, last = ordered[start], ordered[i]
            said.append(str(first) if first == last else f"{first}-{last}")
            start = i + 1
    return ",".join(said[:3]) + (",..." if len(said) > 3 else "")


def _regions(info: Info) -> Iterator[Line]:
    """What may move."""
    for number, one in enumerate(info.relocatable_regions[:_MOST]):
        end = one.gpa + one.size
        tokens = [
            "+".join(one.platforms) or "no platform",
            f"{one.gpa:#x} to {end - 1 if one.size else end:#x}",
            f"into {one.minimum_gpa:#x} to {one.maximum_gpa:#x}",
            f"by {bytes_text(one.alignment)}",
        ]
        yield from _labelled("relocation" if number == 0 else "", tokens)


def _signed(info: Info) -> Iterator[Line]:
    """Who vouches for the file."""
    said: list[list[str | Piece]] = []
    for block in info.id_blocks[:_MOST]:
        who = "+".join(block.platforms) or "no platform"
        said.append([f"SNP ID block for {who},", f"svn {block.guest_svn}, digest", block.ld])
    for one in info.vbs_measurements[:_MOST]:
        who = "+".join(one.platforms) or "no platform"
        digest = one.boot_measurement_digest[:64]
        said.append([f"VBS measurement for {who}, svn {one.security_version}, digest", digest])
    for number, tokens in enumerate(said):
        yield from _labelled("endorsed" if number == 0 else "", tokens, gap=" ")
    documents = [
        f"CoRIM {one.kind} for {'+'.join(one.platforms) or 'no platform'} ({bytes_text(one.size)})"
        for one in info.corim[: 2 * _MOST]
    ]
    if documents:
        yield from _labelled("" if said else "endorsed", documents, gap=", ")


def verdict(result: Result) -> Iterator[Line]:
    """What a rule set says: the specification's rules that are broken, or a release's answer."""
    label = RULES[result.rules]
    if result.rules == "spec":
        said = [
            (count_text(count, name), style)
            for count, name, style in (
                (result.errors, "error", "bad"),
                (result.warnings, "warning", "warning"),
            )
            if count
        ]
        names = list(dict.fromkeys(one.rule for one in result.findings))
        more = [f"and {len(names) - 6} more rules"] if len(names) > 6 else []
        tokens: list[str | Piece] = [*said, *names[:6], *more] or [("no findings", "good")]
        yield from _labelled(label, tokens, gap=", ")
    elif result.verdict == "accepted":
        yield from _labelled(label, [("accepted", "good")])
    else:
        error = next(one for one in result.findings if one.severity == "error")
        shown = "CRASHES" if result.verdict == "crashes" else "rejected"
        found = error.message.partition("; ")[0]
        text = ": ".join(printable(one) for one in (shown, error.where, found) if one)
        first = line((f"{label:<{_INDENT}}", "name"))
        yield from words(
            shorten(text, 2 * WIDTH - 3 * _INDENT), first=first, indent=_INDENT, style="bad"
        )
