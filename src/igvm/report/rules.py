"""The rules as plain values and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from igvm.report.layout import line, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from igvm.report.layout import Line

_STYLES = {"error": "bad", "warning": "warning", "note": "quiet"}
_HEADS = {"spec": "specification"} | dict.fromkeys(
    ("igvm-0.4", "igvm-0.5"), "reference (igvm crate)"
)
_INDENT = 2


class RuleModel(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    name: str
    rule_sets: list[str]
    """The rule sets that it is part of: spec, igvm-0.4, igvm-0.5, or the names of loaders."""
    severity: Literal["note", "warning", "error"]
    words: str
    """The rule in one sentence."""
    source: str
    """The clause, or the file of the reference or the loader, that says so."""
    rationale: str
    """Why it matters; may be empty."""
    crashes: bool
    """Whether the reference panics on a file that breaks it."""


class RuleList(msgspec.Struct, frozen=True, kw_only=True):
    """What `igvm rules --json` prints."""

    schema: Literal["igvm.rules/1"] = "igvm.rules/1"
    rules: list[RuleModel]


def rule_list(rule_set: str | None = None, name: str | None = None) -> RuleList:
    """The rules of a rule set, or of all, in the order they are checked; or the one of a name."""
    from igvm.checks.reference import REFERENCE_RULES
    from igvm.checks.rule import SPEC_RULES
    from igvm.checks.specification import load

    load()
    found = [
        RuleModel(
            name=one.name,
            rule_sets=["spec"],
            severity=one.severity.name.lower(),  # type: ignore[arg-type]
            words=one.words,
            source=one.source,
            rationale=one.rationale,
            crashes=False,
        )
        for one in SPEC_RULES.values()
    ]
    found += [
        RuleModel(
            name=two.name,
            rule_sets=[f"igvm-{release}" for release in two.releases],
            severity=two.severity.name.lower(),  # type: ignore[arg-type]
            words=two.words,
            source=two.source,
            rationale="",
            crashes=two.crashes,
        )
        for two in REFERENCE_RULES.values()
    ]
    found += _loader_rules()
    # A finding of the reference is named with its release, igvm-0.5/InvalidChecksum, and one of
    # a loader with the loader, loader/qemu-tcg/order-trap.
    named, slash, bare = (name or "").removeprefix("loader/").rpartition("/")
    return RuleList(
        rules=[
            one
            for one in found
            if (rule_set is None or rule_set in one.rule_sets)
            and (name is None or one.name == bare)
            and (not slash or named in one.rule_sets)
        ]
    )


def _loader_rules() -> list[RuleModel]:
    """The rules of `igvm check --loader`."""
    from igvm.launch.lint import loader_rules

    return [
        RuleModel(
            name=one.name,
            rule_sets=list(one.loaders),
            severity=one.severity.name.lower(),  # type: ignore[arg-type]
            words=one.sentence(),
            source=one.source,
            rationale=one.rationale,
            crashes=False,
        )
        for one in loader_rules()
    ]


def list_text(listed: RuleList) -> Iterator[Line]:
    """Every rule with its sentence."""
    group = ""
    for one in listed.rules:
        head = _HEADS.get(one.rule_sets[0], "loaders")
        if head != group:
            if group:
                yield line()
            yield line((head, "title"))
            group = head
        yield line("  ", (one.severity, _STYLES[one.severity]), " ", (one.name, "name"))
        whom = f" ({', '.join(one.rule_sets)})" if head == "loaders" else ""
        yield from words(one.words + whom, first=line("    "), indent=4)


def rule_text(listed: RuleList) -> Iterator[Line]:
    """All there is to say about the rules of one name."""
    for one in listed.rules:
        yield line((one.name, "title"), "  ", (one.severity, _STYLES[one.severity]))
        yield from words(f"{one.words}.", first=line("  "), indent=_INDENT)
        yield from words(
            f"Checked by: {', '.join(one.rule_sets)}", first=line("  "), indent=_INDENT
        )
        yield from words(f"Source: {one.source}", first=line("  "), indent=_INDENT)
        if one.crashes:
            yield line("  ", ("The reference crashes on such a file.", "bad"))
        for paragraph in one.rationale.split("\n\n"):
            if paragraph:
                yield line()
                yield from words(" ".join(paragraph.split()), first=line("  "), indent=_INDENT)
